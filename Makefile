# From the data to the paper. `make help` lists what there is to make.

PROFILE := paper
VENV    := .venv
PYTHON  := python3

# Where work is done, and on which data set, in the place of what the profile says.
JOBS      :=
DEVICE    :=
SCHEDULER :=
DATASET   :=

# A profile on another data set is a run of its own.
RUN     := $(PROFILE)$(if $(DATASET),_$(shell echo $(DATASET) | tr A-Z a-z))
PY      := $(VENV)/bin/python
BUILD   := build/$(RUN)
PARAMS  := params/$(PROFILE)
GIVEN   := $(if $(JOBS),-y 'jobs: $(JOBS)') $(if $(DEVICE),-y 'device: $(DEVICE)') \
    $(if $(SCHEDULER),-y 'scheduler: $(SCHEDULER)') \
    $(if $(DATASET),-y 'dataset: $(DATASET)' -y 'profile: $(RUN)')

# How `again` calls the profile; nothing of a user's environment.
RENAMED :=

# The data sets of the extended study, which `make plan` counts.
DATASETS := $(if $(filter extended,$(PROFILE)),MNIST FashionMNIST KMNIST EMNIST)

# The paper profile's results are part of the repository; every other profile's stay in build/.
ifeq ($(RUN),paper)
FIGURES   := figures
GENERATED := paper/generated
PDF       := paper/paper.pdf
else
FIGURES   := $(BUILD)/figures
GENERATED := $(BUILD)/generated
PDF       := $(BUILD)/paper.pdf
endif

# A rerun to compare with what is there: its own folder and cache, so that it finds nothing trained.
AGAIN     := build/verify_$(PROFILE)
COMMITTED := $(if $(filter smoke,$(PROFILE)),tests/smoke,$(FIGURES))

NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
EXECUTED  := $(NOTEBOOKS:%=$(BUILD)/%)
SOURCES   := $(shell find lib -name "*.py" -o -name "*.mplstyle" -o -name "*.yaml" | sort) $(wildcard data/MNIST/raw/*.gz \
    published/*.csv)

# `lib` is the one beside this file, also where two checkouts share a virtual environment.
export PYTHONPATH := $(CURDIR)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export JUPYTER_PLATFORM_DIRS := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# Notebooks run without what a user has every IPython begin with.
export IPYTHONDIR := $(CURDIR)/build/ipython
unexport PYTHONSTARTUP
# LaTeX looks beside the paper first, wherever else a user has it look.
export TEXINPUTS := .:$(TEXINPUTS)
export BIBINPUTS := .:$(BIBINPUTS)
# The date that the PDF carries: the same sources give the same bytes.
export SOURCE_DATE_EPOCH := 1767225600
export FORCE_SOURCE_DATE := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help paper smoke plan calibration pdf verify expected again test check tex lock stored \
    bench cache clean-cache clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "PROFILE=$(PROFILE) names the folder of params/, VENV=$(VENV) the virtual environment;"
	@echo "JOBS, DEVICE, SCHEDULER and DATASET go before what the profile says of them."

paper: $(EXECUTED) ## run the notebooks with params/PROFILE, then write the PDF
	@$(MAKE) --no-print-directory pdf
	@echo "The paper is $(PDF); the notebooks as run are in $(BUILD)/notebooks."

smoke: ## the same with the smallest parameters
	@$(MAKE) -j 2 --no-print-directory paper PROFILE=smoke

plan: $(VENV)/.installed ## count and time what PROFILE would train, and train nothing
	@$(PY) -m lib.study.plan $(PARAMS) $(if $(DATASET)$(DATASETS),--datasets $(or $(DATASET),$(DATASETS)))

calibration: $(VENV)/.installed ## prune LeNet-300-100 as the literature does, to check the pruner
	@$(PY) -m lib.beyond.calibration params/calibration

pdf: tex ## write the PDF from the results that are there
	@mkdir -p $(BUILD)/paper
	cd ./paper && latexmk -norc -g -silent -pdf -halt-on-error -file-line-error \
	    -outdir=../$(BUILD)/paper \
	    -usepretex='\def\figuresroot{../$(FIGURES)}\def\generatedroot{../$(GENERATED)}' main.tex \
	    || { grep -A 3 -m 1 '^[^ ]*:[0-9]*: ' ../$(BUILD)/paper/main.log; exit 2; }
	cp $(BUILD)/paper/main.pdf $(PDF)

verify: ## run the notebooks anew, and compare their tables with the committed ones
	@test -d $(COMMITTED) || { echo "verify: there is no $(COMMITTED) to compare with" >&2; exit 2; }
	@$(MAKE) --no-print-directory again
	@$(PY) -m lib.output.verify $(COMMITTED) $(AGAIN)/figures

expected: ## renew tests/smoke, with which verify PROFILE=smoke compares
	@$(MAKE) --no-print-directory again PROFILE=smoke
	rm -rf tests/smoke
	cp -R build/verify_smoke/figures tests/smoke
	find tests/smoke -type f ! -name '*.csv' -exec rm {} +
	find tests/smoke -type f -size +100k -exec gzip -9 -n {} +

# The notebooks with a profile's parameters, under another name and from an empty cache. Those of
# the smoke profile work in one process each, so two run side by side, as under `make smoke`.
again: check
	rm -rf $(AGAIN)
	@LOW_CAPACITY_CACHE=$(AGAIN)/cache $(MAKE) $(if $(filter smoke,$(PROFILE)),-j 2) \
	    --no-print-directory BUILD=$(AGAIN) RENAMED='-p profile $(notdir $(AGAIN))' $(EXECUTED:$(BUILD)/%=$(AGAIN)/%)

test: $(VENV)/.installed tex ## lint, check types, run the tests and every notebook
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m pytest -q tests notebooks \
	    -n 4 --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-current-env --nbval-cell-timeout=600

lock: ## pin every dependency anew from pyproject.toml, keeping the pins that still fit
	@scripts/venv.sh $(VENV) $(PYTHON)
	$(PY) -m pip install --quiet uv
	$(PY) -m uv pip compile --quiet pyproject.toml --extra test --output-file requirements.lock \
	    --universal --python-version 3.11 --fork-strategy fewest \
	    --no-emit-index-url --annotation-style line --custom-compile-command 'make lock'

stored: $(VENV)/.installed ## run the notebooks as they stand and store their outputs in them
	$(PY) scripts/store_outputs.py $(NOTEBOOKS)

bench: $(VENV)/.installed ## time training beside what a user would pick instead (minutes)
	$(PY) -m benchmarks.run
	$(PY) -m benchmarks.asked

cache: $(VENV)/.installed ## say how much the cache of trained networks holds
	@$(PY) -m lib.study.store

clean-cache: $(VENV)/.installed ## remove the trained networks, of every profile
	@$(PY) -m lib.study.store clean

clean: ## remove what was built; keep .venv, the results and the cache of trained networks
	rm -rf $(filter-out build/cache,$(wildcard build/*)) .pytest_cache .mypy_cache .ruff_cache
	find lib tests notebooks benchmarks -name __pycache__ -prune -exec rm -rf {} +

# Set-up. The stamp comes last, so that an interrupted installation is taken up again.
$(VENV)/.installed: requirements.lock pyproject.toml
	@scripts/venv.sh $(VENV) $(PYTHON)
	$(PY) -m pip install -r requirements.lock
	$(PY) -m pip install --no-deps --no-build-isolation --editable .
	@touch $@

tex:
	@scripts/tex.sh

# Bad parameters are refused before any kernel starts; what is right is what papermill is given.
check: $(VENV)/.installed
	@$(PY) -m lib.study.parameters $(PARAMS) $(GIVEN) --write $(BUILD)/params

# Always looked at, and run where an input's content is another than when it last was. A file that a
# profile lacks is what the check says, not make.
.SECONDEXPANSION:
$(BUILD)/notebooks/%.ipynb: notebooks/%.ipynb $$(wildcard $(PARAMS)/common.yaml $(PARAMS)/$$*.yaml) \
    $(SOURCES) FORCE | check
	@mkdir -p $(@D)
	@scripts/unless_done.sh $@ $(@D)/$*.partial.ipynb "$(filter-out FORCE,$^)" \
	    $(PY) -m papermill --kernel python3 -f $(BUILD)/params/$*.yaml $(RENAMED) \
	    $< $(@D)/$*.partial.ipynb
