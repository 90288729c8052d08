"""Bad parameters are answered with one sentence, before any kernel starts."""

import ast
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from math import inf, nan
from pathlib import Path
from typing import Any

import papermill
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from papermill.iorw import read_yaml_file

from lib import ROOT
from lib.errors import UserError
from lib.output import panel, report
from lib.study import plan
from lib.study.contract import MODELS
from lib.study.parameters import NOTEBOOKS, check_notebook, defaults, main, read_profile

PROFILES = sorted(path.parent.name for path in (ROOT / "params").glob("*/common.yaml"))


@pytest.fixture
def profile(tmp_path) -> Path:
    """A copy of the smoke profile to change."""
    return shutil.copytree(ROOT / "params" / "smoke", tmp_path / "smoke")


def change(profile: Path, stem: str, text: str) -> None:
    """Put `key: value` in the place of what a file of the profile says of that key."""
    path, key = profile / f"{stem}.yaml", text.split(":")[0]
    values = yaml.safe_load(path.read_text("utf-8"))
    values.pop(key, None)
    path.write_text(f"{yaml.safe_dump(values)}{text}\n", "utf-8")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that a profile is refused with."""
    code = main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r".+\n", err)
    return err.removesuffix("\n")


# Notebooks, models and profiles


def test_each_notebook_has_its_parameters_and_papermill_reads_the_same():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == list(NOTEBOOKS)
    for notebook in NOTEBOOKS:
        found = papermill.inspect_notebook(str(ROOT / "notebooks" / f"{notebook}.ipynb"))
        literal = {name: ast.literal_eval(facts["default"]) for name, facts in found.items()}
        assert defaults(notebook) == literal


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_model_has_the_parameters_of_its_notebook_and_allows_their_defaults(notebook):
    values = defaults(notebook)
    assert MODELS[notebook].model_fields.keys() == values.keys()
    assert check_notebook(notebook, values | {"some_other_name": None}) == values


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_declares_no_parameter_that_it_does_not_read(notebook):
    """By name, or by handing its settings to what reads them from there."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code" and "parameters" not in str(c["metadata"])]
    source = "\n".join("".join(cell["source"]) for cell in code)
    names = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    for called, module in {"report.": report, "plan.": plan, "explorer.": panel}.items():
        if called in source:
            found = re.findall(r'(?:settings|parameters)\["(\w+)"\]', inspect.getsource(module))
            names |= {*found}
    assert defaults(notebook).keys() <= names


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_passes_by_its_folder_and_by_its_name(name, capsys):
    assert main([str(ROOT / "params" / name)]) == main([name]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_says_all_that_a_notebook_asks_or_leaves_it_to_its_default(name):
    """What a profile leaves out would silently be that of the smoke profile, which is the default.

    A key of common.yaml reaches the notebooks that declare it, and no other.
    """
    files = {
        p.stem: yaml.safe_load(p.read_text("utf-8")) for p in (ROOT / "params" / name).iterdir()
    }
    for notebook, values in read_profile(Path(name)).items():
        said = files["common"] | files[notebook]
        assert values == {key: said[key] for key in defaults(notebook)}
        assert name != "smoke" or values == defaults(notebook)


# Values


def with_one(value: Any, bad: object) -> Iterator[Any]:
    """A parameter's value with each of its numbers in turn replaced."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from ({**value, key: changed} for changed in with_one(each, bad))
    elif isinstance(value, list):
        for k, each in enumerate(value):
            yield from ([*value[:k], changed, *value[k + 1 :]] for changed in with_one(each, bad))
    elif isinstance(value, int | float):
        yield bad


def with_repeats(value: Any) -> Iterator[Any]:
    """A parameter's value with something twice in each of its lists in turn."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from ({**value, key: changed} for changed in with_repeats(each))
    elif isinstance(value, list):
        yield [*value, value[0]]
        yield [value[-1], *value]


@pytest.mark.parametrize("bad", [nan, inf, -inf, True, -0.0, 1e300, 1e-300, 10**30, "1"])
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_no_number_may_be_one_that_is_of_no_use(notebook, bad):
    given = defaults(notebook)
    for name, value in given.items():
        for changed in with_one(value, bad):
            with pytest.raises(UserError, match=rf"^notebook {notebook}: {name}\b.* = "):
                check_notebook(notebook, given | {name: changed})


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_nothing_may_be_in_a_list_twice(notebook):
    given = defaults(notebook)
    for name, value in given.items():
        for changed in with_repeats(value):
            with pytest.raises(
                UserError, match=rf"^notebook {notebook}: {name}\b.*is there 2 times"
            ):
                check_notebook(notebook, given | {name: changed})


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()
) | st.sampled_from(["described", "published", "4-9", "None", "1e-3", 10**400])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@given(ANYTHING, st.data())
def test_whatever_yaml_can_write_is_allowed_or_answered(notebook, value, data):
    names = defaults(notebook)
    name = data.draw(st.sampled_from(sorted(names)))
    with suppress(UserError):
        check_notebook(notebook, names | {name: value})


OWN = {"seeds": {"described": [0], "converged": [0]}}


@pytest.mark.parametrize(
    ("notebook", "changes"),
    [
        ("02_capacity", OWN | {"tasks": ["3-5", "7-9"]}),
        ("02_capacity", OWN | {"widths": [3, 8], "curve_widths": [3], "narrow": 3}),
        ("03_pruning", {"width": 8, "tested_widths": [8], "audited_widths": {"described": [8]}}),
        ("04_robustness", OWN | {"limit": 20, "exact_rows": 1850}),
        ("05_saliency", {"limit": None, "rows": 1850, "sparsities": [0.95]}),
    ],
)
def test_what_goes_together_passes(notebook, changes):
    check_notebook(notebook, defaults(notebook) | changes)


BAD = """
common      | widhts: [4]                   | unknown parameter of any notebook 'widhts'
02_capacity | treshold: 0.9                 | unknown .* did you mean 'threshold'?
02_capacity | threshold: 90                 | threshold = 90: .* fraction, .* 90 % is 0.9
03_pruning  | sparsities: [0.5, 95]         | sparsities[1] = 95: .* fraction, .* 95 % is 0.95
03_pruning  | sparsities: [1]               | sparsities[0] = 1: give a fraction from 0.001 to
02_capacity | learning_rates: [1e-3]        | learning_rates[0] = '1e-3': .* write 0.001
02_capacity | learning_rates: [1e400]       | learning_rates[0] = '1e400': .* valid number
02_capacity | learning_rates: [.nan]        | learning_rates[0] = nan: .* less than or equal to 10
02_capacity | budgets: [[1e5, 0.1]]         | budgets[0][0] = '1e5': .* write 100000
02_capacity | budgets: [[1000000000, 0.1]]  | budgets[0][0] = 1000000000: .* or equal to 100000
02_capacity | budgets: [100]                | budgets[0] = 100: .* tuple
common      | widths: [1000000000]          | widths[0] = 1000000000: .* or equal to 1024
common      | widths: [4, 0]                | widths[1] = 0: .* greater than or equal to 1
common      | widths: [4.5]                 | widths[0] = 4.5: .* integer
common      | widths: 4                     | widths = 4: .* list
common      | jobs: "2"                     | jobs = '2': .* write 2)
common      | jobs: 0                       | jobs = 0: give a number .* or -1 for one a core
common      | limit: None                   | limit = 'None': .* write null
02_capacity | pairs: none                   | pairs = 'none': .* write null
common      | scheduler: None               | scheduler = 'None': .* write null
common      | scheduler: localhost:8786     | give a Dask scheduler as .* tls://host:port, or null
common      | scheduler: http://host:8786   | give a Dask scheduler as tcp://host:port
common      | scheduler: tcp://host         | give a Dask scheduler as tcp://host:port
common      | scheduler: tcp://host:88888   | give a Dask scheduler as tcp://host:port
common      | scheduler: tcp://host:8786/a  | give a Dask scheduler as tcp://host:port
common      | scheduler: 8786               | scheduler = 8786: .* string
common      | device: gpu                   | device = 'gpu': .* 'cuda'
common      | device: off                   | device = False: .* 'cuda'
common      | dataset: MNSIT                | dataset = 'MNSIT': .* did you mean 'MNIST'?
common      | profile: paper                | profile must be 'smoke', its folder's name
common      | seeds: {publishd: [0]}        | unknown protocol 'publishd': .* mean 'published'?
common      | seeds: {described: [0]}       | give seeds for 'described' and 'converged'
common      | seeds: {described: [0], described: [1]} | described stands there 2 times
common      | seeds: [0, 1]                 | seeds = [0, 1]: .* dictionary
common      | seeds: {described: [-1]}      | seeds['described'][0] = -1: .* or equal to 0
common      | seeds: {described: [0, 1, 0, 1, 0]} | = [0, 1, 0, 1, 0]: 0 is there 3 times
01_tasks    | tasks: [4-4]                  | tasks[0] = '4-4': .* equal digits
01_tasks    | tasks: [0-1, 9-4]             | tasks[1] = '9-4': .* write '4-9'
01_tasks    | tasks: [4-x]                  | tasks[0] = '4-x': .* write it as '4-9'
01_tasks    | tasks: []                     | tasks = []: .* at least 1
01_tasks    | subsample_rows: 201           | subsample_rows = 201: .* multiple of 2
01_tasks    | subsample_rows: 2002          | give at most 2000, as limit is 2000
01_tasks    | repeats: 0                    | repeats = 0: .* or equal to 1
02_capacity | further_widths: [-1]          | further_widths[0] = -1: .* or equal to 0
02_capacity | row_counts: [10]              | row_counts[0] = 10: .* or equal to 20
02_capacity | row_counts: [3000]            | row_counts = [3000]: give at most 2000
02_capacity | narrow: 6                     | narrow = 6: 6 is not in widths: 4, 24, 48, 64
02_capacity | narrow: 64                    | narrow = 64: give at most 63
02_capacity | curve_widths: [8]             | curve_widths = [8]: 8 is not in widths
02_capacity | learning_rates: [0.1, 0.1000000001] | 0.1 is there 2 times: give it once
02_capacity | learning_rates: [0.2]         | give one of the study's too: 0.0001, 0.0003
02_capacity | equal_budgets: [[100, 0.3]]   | equal_budgets = .* at least 2
02_capacity | equal_budgets: [[9, 1], [9, 2]] | give steps and rates of one product
02_capacity | pairs: [4-9]                  | give so many that with tasks they are 3
02_capacity | pair_seeds: {published: [0]}  | it has no draws for this
common      | tasks: [0-2]                  | 0-2 is not what protocol 'published' can replay: 0-1
common      | task: 1-2                     | 1-2 is not what protocol 'published' can replay
common      | widths: [4, 5]                | 5 is not what .* replay: 2, 4, .* or leave 'published'
common      | limit: 1000                   | rows = 300: give at most 200, as limit is 1000
common      | sparsity: 0.8                 | audited_sparsities = [0.5, 0.95]: give 0.8 too
common      | tuning_steps: {converged: 9}  | described is not in tuning_steps
03_pruning  | methods: [magnitud]           | methods[0] = .* did you mean 'magnitude'?
03_pruning  | methods: [random, magnitude]  | give the study's, magnitude, first
03_pruning  | tested_widths: [24, 8]        | 8 is not in widths or width: 4, 24, 48, 64
03_pruning  | width: 48                     | tested_widths = [24, 64]: give 48 too, which is width
03_pruning  | width: 20                     | 20 is not what protocol 'published' can replay
03_pruning  | audited_widths: {described: [4]}  | give 24 too, which is width
03_pruning  | audited_widths: {converged: [24]} | described is not in audited_widths
03_pruning  | audited_seeds: {described: [7]}   | described 7 is not in seeds
03_pruning  | compared_seeds: {converged: [0]}  | converged 0 is not in audited_seeds
03_pruning  | audited_sparsities: [0.95, 0.5]   | = [0.95, 0.5]: give them rising
04_robustness | epsilons: [0.05, 0.02]      | = [0.05, 0.02]: give them rising
04_robustness | map_epsilon: 0.03           | epsilons = [0.02, 0.05]: give 0.03 too
04_robustness | wide: 48                    | compared_widths = [24, 64]: give 48 too, which is wide
04_robustness | narrow: 64                  | narrow = 64: give at most 63, as wide is 64
04_robustness | compared_widths: [5, 24, 64] | 5 is not what protocol 'published' can replay
04_robustness | budgets: [[100, 0.03], [30, 0.1]] | give each product once
04_robustness | exact_rows: 401             | give at most 400, .* or leave 'published' out of seeds
04_robustness | solved_rows: 3              | solved_rows = 3: give at most 2, as least_rows is 2
04_robustness | kinds: [rain]               | kinds[0] = 'rain': unknown .* are gaussian_noise
04_robustness | kinds: [occlusion]          | kinds[0] = 'occlusion': it is there in any case
04_robustness | map_seeds: {published: [0]} | it has no draws for this
04_robustness | map_regimes: [fine_tuned]   | should be 'one_shot' or 'rewound'
05_saliency | task: 3-8                     | task = '3-8': 3-8 is not in tasks: 0-1, 4-9
05_saliency | rows: 401                     | rows = 401: give at most 400
05_saliency | corruptions: [gausian_noise]  | did you mean 'gaussian_noise'?
"""


@pytest.mark.parametrize("case", BAD.strip().splitlines())
def test_a_bad_value_is_answered_with_where_it_stands_and_what_is_allowed(profile, capsys, case):
    stem, text, said = (part.strip() for part in case.split(" | "))
    change(profile, stem, text)
    pattern = re.escape(said).replace(re.escape(".*"), ".*")
    where = rf"smoke/({stem}|\d\d_\w+)\.yaml"  # what does not go with it may stand elsewhere
    assert re.search(f"{where}: .*{pattern}", refused(capsys, profile))


# Files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- 4\n- 24\n", "give 'name: value' lines, not list"),
        (b"just text", "give 'name: value' lines, not str"),
        (b"widths: [4", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"task: 2001-13-45", "is not YAML"),
        (b"widths: " + b"[" * 9999, "is not YAML"),
        (b"1: 2", "unknown parameter"),
        (b"? [a, b]\n: 2", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_parameters_is_answered_with_its_name(profile, capsys, content, said):
    (profile / "02_capacity.yaml").write_bytes(content)
    assert re.search(f"02_capacity.yaml.*{said}", refused(capsys, profile))


def test_a_tag_that_would_run_code_is_refused_and_runs_nothing(profile, capsys, tmp_path):
    change(profile, "common", f"limit: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']")
    assert "common.yaml is not YAML" in refused(capsys, profile)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("stem", ["common", *NOTEBOOKS])
def test_a_missing_file_is_named(profile, capsys, stem):
    (profile / f"{stem}.yaml").unlink()
    assert f"{stem}.yaml is missing" in refused(capsys, profile)


@pytest.mark.parametrize("name", ["02_capcity.yaml", "02_capacity.yml", "common (1).yaml"])
def test_a_yaml_file_that_no_notebook_reads_is_named(profile, capsys, name):
    (profile / name).touch()
    assert re.search(
        rf"{re.escape(name)}.*did you mean '(02_capacity|common)'\?", refused(capsys, profile)
    )


def test_what_is_no_yaml_file_of_a_profile_is_passed_over(profile):
    for name in (".DS_Store", "common.yaml~", ".common.yaml.swp", "#common.yaml#", "notes.txt"):
        (profile / name).write_text("widths: [4", "utf-8")
    assert main([str(profile)]) == 0


@pytest.mark.parametrize("given", ["smok", ROOT / "params" / "smok"])
def test_an_unknown_profile_is_answered_with_the_nearest(given, capsys):
    said = refused(capsys, given)
    assert said.startswith("unknown profile 'smok'")
    assert said.endswith("did you mean 'smoke'?")


# The program


def test_without_one_folder_it_says_how_it_is_called(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main([])
    assert capsys.readouterr().err.startswith("usage: python -m lib.study.parameters")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jobs: 0", "-y: jobs = 0: give a number of processes from 1"),
        ("scheduler: host", "-y: scheduler = 'host': give a Dask scheduler as tcp://host:port"),
        ("dataset: KMINST", "did you mean 'KMNIST'?"),
        ("jbos: 2", "-y: unknown parameter of any notebook 'jbos'"),
        ("tasks: [0-2]", "-y: tasks = ['0-2']: 0-2 is not what protocol 'published' can replay"),
        ("jobs", "-y 'jobs': give 'name: value' lines, not str"),
        ("jobs: [", "is not YAML"),
        ("{jobs: 2, jobs: 3}", "jobs stands there 2 times"),
    ],
)
def test_what_is_given_beside_a_profile_is_checked_with_what_stands_in_it(given, said, capsys):
    assert said in refused(capsys, "smoke", "-y", "device: cpu", "-y", given)


def test_what_is_written_is_what_papermill_then_gives_each_notebook(tmp_path):
    given = {"jobs": 2, "scheduler": "tls://host:8786", "widths": [4, 24, 48, 64]}
    given["seeds"] = {"described": [0, 1], "converged": [0, 1, 100000]}
    beside = [text for k, v in given.items() for text in ("-y", f"{k}: {json.dumps(v)}")]
    assert main(["smoke", *beside, "--write", str(tmp_path / "params")]) == 0
    for notebook in NOTEBOOKS:
        expected = {
            k: v for k, v in (defaults(notebook) | given).items() if k in defaults(notebook)
        }
        assert read_yaml_file(str(tmp_path / "params" / f"{notebook}.yaml")) == expected


def test_as_a_program_it_exits_with_2_and_one_line_or_with_0_and_none(profile):
    change(profile, "02_capacity", "threshold: 90")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "lib.study.parameters"]
    runs = [
        subprocess.Popen(
            [*command, str(folder)], env=environment, encoding="utf-8", stdout=-1, stderr=-1
        )
        for folder in (profile, ROOT / "params" / "smoke")
    ]
    (out, err), good = (run.communicate() for run in runs)
    assert [run.returncode for run in runs] == [2, 0]
    assert out == ""
    assert re.fullmatch(r"\S+02_capacity\.yaml: threshold = 90: .+ 90 % is 0\.9\n", err)
    assert good == ("", "")
