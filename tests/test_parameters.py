"""Bad parameters are answered with one sentence, before any kernel starts."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import papermill
import pytest
import yaml

from lib import ROOT
from lib.study import parameters
from lib.study.parameters import NOTEBOOKS, TYPES, check_notebook, defaults, main

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


def refused(profile: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a profile is refused with."""
    code = main([str(profile)])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r".+\n", err)
    return err.removesuffix("\n")


def test_each_notebook_has_its_parameters_and_papermill_reads_the_same():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == list(NOTEBOOKS)
    for notebook in NOTEBOOKS:
        found = papermill.inspect_notebook(str(ROOT / "notebooks" / f"{notebook}.ipynb"))
        literal = {name: ast.literal_eval(facts["default"]) for name, facts in found.items()}
        assert defaults(notebook) == literal


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_each_parameter_has_a_type_that_its_default_is_of(notebook):
    values = defaults(notebook)
    assert values.keys() <= TYPES.keys()
    assert check_notebook(notebook, values | {"some_other_name": None}) == values


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_smoke_profile_is_what_a_notebook_does_by_itself(notebook):
    files = (ROOT / "params" / "smoke" / f"{stem}.yaml" for stem in ("common", notebook))
    common, own = (yaml.safe_load(path.read_text("utf-8")) for path in files)
    assert common | own == defaults(notebook)


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_passes(name, capsys):
    assert main([str(ROOT / "params" / name)]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_says_all_that_a_notebook_asks_or_leaves_it_to_its_default(name):
    """What a profile leaves out would silently be that of the smoke profile."""
    for notebook in NOTEBOOKS:
        files = (ROOT / "params" / name / f"{stem}.yaml" for stem in ("common", notebook))
        said = {key for path in files for key in yaml.safe_load(path.read_text("utf-8")) or {}}
        assert said == defaults(notebook).keys()


@pytest.mark.parametrize(
    ("stem", "text", "said"),
    [
        ("common", "widhts: [4]", ["'widhts'", "allowed are", "did you mean 'widths'?"]),
        ("02_capacity", "treshold: 0.9", ["'treshold'", "did you mean 'threshold'?"]),
        ("02_capacity", "threshold: 90", ["threshold = 90", "fraction", "90 % is 0.9"]),
        ("03_pruning", "sparsities: [0.5, 95]", ["sparsities[1] = 95", "95 % is 0.95"]),
        ("03_pruning", "sparsities: [1]", ["sparsities[0] = 1", "from 0 to below 1"]),
        ("02_capacity", "learning_rates: [1e-3]", ["learning_rates[0] = '1e-3'", "write 0.001"]),
        ("02_capacity", "learning_rates: [0]", ["learning_rates[0] = 0", "greater than 0"]),
        (
            "common",
            "seeds: {publishd: [0], described: [0], converged: [0]}",
            ["seeds", "'publishd'", "published, described, converged", "did you mean 'published'?"],
        ),
        ("common", "seeds: {published: [0], described: [0]}", ["seeds = ", "'converged'"]),
        ("common", "seeds: [0, 1]", ["seeds = [0, 1]", "dictionary"]),
        (
            "common",
            "seeds: {published: [0], described: [-1], converged: [0]}",
            ["seeds['described'][0] = -1", "greater than or equal to 0"],
        ),
        ("02_capacity", "task: 4-4", ["task = '4-4'", "equal digits"]),
        ("02_capacity", "tasks: [0-1, 9-4]", ["tasks[1] = '9-4'", "write '4-9'"]),
        ("02_capacity", "tasks: [4-x]", ["tasks[0] = '4-x'", "write it as '4-9'"]),
        ("02_capacity", "tasks: []", ["tasks = []", "at least 1"]),
        ("common", "widths: [4, 0]", ["widths[1] = 0", "greater than or equal to 1"]),
        ("02_capacity", "further_widths: [-1]", ["further_widths[0] = -1", "or equal to 0"]),
        ("02_capacity", "budgets: [100]", ["budgets[0] = 100", "tuple"]),
        ("02_capacity", "budgets: [[0, 0.1]]", ["budgets[0][0] = 0", "or equal to 1"]),
        ("02_capacity", "budgets: [[100, 0]]", ["budgets[0][1] = 0", "greater than 0"]),
        ("02_capacity", "equal_budgets: [[100, 0.3]]", ["equal_budgets = ", "at least 2"]),
        ("02_capacity", "scales: [0]", ["scales[0] = 0", "greater than 0"]),
        ("02_capacity", "row_counts: [10]", ["row_counts[0] = 10", "or equal to 20"]),
        ("02_capacity", "share: 99", ["share = 99", "fraction", "99 % is 0.99"]),
        ("common", "widths: [4, -2]", ["widths[1] = -2", "greater than or equal to 1"]),
        ("common", "widths: [4.5]", ["widths[0] = 4.5", "integer"]),
        ("common", "widths: 4", ["widths = 4", "list"]),
        ("common", "widths: [5]", ["widths", "5", "cannot replay", "'published'"]),
        ("common", "limit: true", ["limit = True", "integer"]),
        ("common", "jobs: 0", ["jobs = 0", "-1 for one a core"]),
        ("common", "device: gpu", ["device = 'gpu'", "'cuda'"]),
        (
            "common",
            "scheduler: localhost:8786",
            ["scheduler = 'localhost:8786'", "tcp://host:port"],
        ),
        ("common", "scheduler: http://host:8786", ["tls://host:port, or null"]),
        ("common", "scheduler: tcp://host", ["scheduler = 'tcp://host'", "tcp://host:port"]),
        ("common", "scheduler: tcp://host:88888", ["'tcp://host:88888'", "tcp://host:port"]),
        ("common", "scheduler: tcp://host:8786/a", ["'tcp://host:8786/a'", "tcp://host:port"]),
        ("common", "scheduler: 8786", ["scheduler = 8786", "string"]),
        ("common", "dataset: MNSIT", ["dataset = 'MNSIT'", "did you mean 'MNIST'?"]),
        ("common", "profile: paper", ["profile must be 'smoke'"]),
        ("04_robustness", "corruptions: [gausian_noise]", ["did you mean 'gaussian_noise'?"]),
        (
            "04_robustness",
            "corruptions: [rain]",
            ["corruptions[0]", "'rain'", "allowed are gaussian_noise"],
        ),
        ("04_robustness", "severity: 6", ["severity = 6", "less than or equal to 5"]),
        ("04_robustness", "severity: -1", ["severity = -1", "greater than or equal to 1"]),
        ("04_robustness", "severity: 2.5", ["severity = 2.5", "integer"]),
        ("03_pruning", "methods: [magnitud]", ["methods[0]", "did you mean 'magnitude'?"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_value_is_answered_with_file_key_value_and_what_is_allowed(
    profile, capsys, stem, text, said
):
    change(profile, stem, text)
    answer = refused(profile, capsys)
    assert f"{stem}.yaml: " in answer
    for words in said:
        assert words in answer


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- 4\n- 24\n", "give 'name: value' lines, not list"),
        (b"just text", "give 'name: value' lines, not str"),
        (b"widths: [4", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"1: 2", "unknown parameter"),
    ],
)
def test_a_file_that_holds_no_parameters_is_answered_with_its_name(profile, capsys, content, said):
    (profile / "02_capacity.yaml").write_bytes(content)
    answer = refused(profile, capsys)
    assert "02_capacity.yaml" in answer
    assert said in answer


def test_a_tag_that_would_run_code_is_refused_and_runs_nothing(profile, capsys, tmp_path):
    change(profile, "common", f"limit: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']")
    assert "common.yaml is not YAML" in refused(profile, capsys)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("stem", ["common", *NOTEBOOKS])
def test_a_missing_file_is_named(profile, capsys, stem):
    (profile / f"{stem}.yaml").unlink()
    assert f"{stem}.yaml is missing" in refused(profile, capsys)


def test_a_file_that_no_notebook_reads_is_named(profile, capsys):
    (profile / "02_capacity.yaml").rename(profile / "02_capacit.yaml")
    (profile / "02_capacity.yaml").write_text("", "utf-8")
    answer = refused(profile, capsys)
    assert "02_capacit.yaml" in answer
    assert "did you mean '02_capacity'?" in answer


def test_an_unknown_profile_is_answered_with_the_nearest(capsys):
    answer = refused(ROOT / "params" / "smok", capsys)
    assert "unknown profile 'smok'" in answer
    assert "did you mean 'smoke'?" in answer


def test_without_one_folder_it_says_how_it_is_called(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main([])
    assert capsys.readouterr().err.startswith("usage: python -m lib.study.parameters")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("jobs: 0", "-y: jobs = 0: give a number of processes of at least 1"),
        ("scheduler: host", "-y: scheduler = 'host': give a Dask scheduler as tcp://host:port"),
        ("dataset: KMINST", "did you mean 'KMNIST'?"),
        ("jbos: 2", "-y: unknown parameter of 01_tasks 'jbos'"),
        ("tasks: [0-2]", "cannot replay"),
        ("jobs", "-y 'jobs': give 'name: value' lines, not str"),
        ("jobs: [", "is not YAML"),
    ],
)
def test_what_is_given_beside_a_profile_is_checked_as_what_stands_in_it(given, said, capsys):
    smoke = str(ROOT / "params" / "smoke")
    assert main([smoke, "-y", "jobs: 2", "-y", "scheduler: tls://host:8786"]) == 0
    assert main([smoke, "-y", given]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r".+\n", err)
    assert said in err


def test_a_notebook_opened_by_hand_checks_its_own_variables():
    with pytest.raises(
        parameters.UserError, match=r"^notebook 02_capacity: threshold = 90: .*0\.9$"
    ):
        check_notebook("02_capacity", defaults("02_capacity") | {"threshold": 90})


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
