"""The files that set the project up agree, and say in one sentence what is missing."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
GROUPS = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
DIRECT = [Requirement(line) for group in GROUPS for line in group]
LOCK = [
    Requirement(line.split("#")[0])
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    if line.split("#")[0].strip()
]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8")


in_git = pytest.mark.skipif(git("rev-parse").returncode != 0, reason="not a git checkout")


def test_the_lock_pins_every_package_to_one_version():
    assert all([part.operator for part in pin.specifier] == ["=="] for pin in LOCK)
    names = [canonicalize_name(pin.name) for pin in LOCK]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("direct", DIRECT, ids=str)
def test_the_lock_pins_each_direct_dependency_within_its_range(direct):
    pins = [pin for pin in LOCK if canonicalize_name(pin.name) == canonicalize_name(direct.name)]
    assert len(pins) == 1
    assert pins[0].marker is None
    version = str(pins[0].specifier).removeprefix("==")
    assert version in direct.specifier


def test_the_lock_names_no_index_and_no_local_file():
    assert not any(pin.url for pin in LOCK)
    assert not re.search(
        r"^-|://|@ file", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE
    )


def test_conda_installs_the_same_lock_and_the_project():
    pip = next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e ."]
    assert ENVIRONMENT["name"] == PROJECT["name"]


def test_conda_and_continuous_integration_use_a_python_that_the_project_admits():
    admitted = SpecifierSet(PROJECT["requires-python"])
    conda = next(entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python="))
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert conda.removeprefix("python=") in tested
    assert all(version in admitted for version in tested)


@in_git
def test_git_ignores_no_source_even_where_lib_is_ignored_everywhere(tmp_path):
    excludes = tmp_path / "ignore"
    excludes.write_text("lib\nlib/\n", "utf-8")
    sources = [str(path.relative_to(ROOT)) for path in (ROOT / "lib").rglob("*.py")]
    answer = git("-c", f"core.excludesFile={excludes}", "check-ignore", "--no-index", *sources)
    assert (answer.returncode, answer.stdout) == (1, "")


@in_git
def test_git_ignores_unpacked_data_and_keeps_the_archives():
    raw = "data/MNIST/raw"
    unpacked, packed = f"{raw}/train-labels-idx1-ubyte", f"{raw}/train-labels-idx1-ubyte.gz"
    answer = git("check-ignore", "--no-index", unpacked, packed, "data/KMNIST/raw/a.gz")
    assert answer.stdout.splitlines() == [unpacked, "data/KMNIST/raw/a.gz"]


@in_git
def test_no_file_names_a_path_of_one_machine():
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    private = re.compile(rb"(?<![\w+/=.~$}-])/(work|opt|root|home|Users)/\w")  # not inside base64
    named = {}
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content and (found := private.search(content)):
            named[name] = found.group().decode()
    assert named == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_one_cell_of_parameters_and_it_is_its_first_code(path):
    code = [
        cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    tagged = ["parameters" in cell["metadata"].get("tags", []) for cell in code]
    assert tagged.index(True) == 0
    assert sum(tagged) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_changes_only_where_a_result_does(path):
    text = path.read_text("utf-8")
    assert " at 0x" not in text, "the address of an object is another at every run: make stored"
    for cell in json.loads(text)["cells"]:
        streams = [output["name"] for output in cell.get("outputs", ()) if "name" in output]
        assert streams in ([], ["stdout"])


def run(script: str, *arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    """A set-up script where only the programs in `path` exist."""
    command = ["/bin/sh", str(ROOT / "scripts" / script), *arguments]
    return subprocess.run(command, env={"PATH": str(path)}, capture_output=True, encoding="utf-8")


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)


def test_without_tex_and_without_apt_one_sentence_names_the_packages_and_conda(tmp_path):
    answer = run("tex.sh", path=tmp_path)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert "texlive-latex-extra" in answer.stderr
    assert "conda" in answer.stderr


def test_without_a_browser_and_without_apt_one_sentence_names_the_packages(tmp_path):
    answer = run("browser.sh", path=tmp_path)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1
    assert "chromium-driver" in answer.stderr


def test_a_browser_that_is_there_is_not_installed_again(tmp_path):
    for name in ("chromedriver", "google-chrome"):
        program(tmp_path / name, "")
    assert run("browser.sh", path=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, "there is no 'python3'"),
        ('case "$2" in *version_info*) exit 1;; *) echo 3.10.4;; esac', "'python3' is 3.10.4"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "python3-venv"),
    ],
    ids=["absent", "old", "without venv"],
)
def test_without_a_usable_python_one_sentence_says_what_to_install(tmp_path, body, sentence):
    if body is not None:
        program(tmp_path / "python3", body)
    answer = run("venv.sh", str(tmp_path / "venv"), "python3", path=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert sentence in answer.stderr
    assert not (tmp_path / "venv").exists()
