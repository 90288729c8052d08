"""make runs again what has changed or was not finished, and nothing else."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import checkout
import psutil
import pytest
import strangers
from conftest import TINY
from small_study import alive, held
from test_setup import program
from test_store import content

from lib import ROOT
from lib.study.parameters import NOTEBOOKS


@pytest.fixture
def project(tmp_path) -> Path:
    """A checkout with a virtual environment that counts as installed, and is yet to be filled."""
    folder = checkout.made(tmp_path / strangers.FOLDER)
    checkout.profile(folder, "tiny", **TINY)
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).touch()
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / ".installed").touch()
    return folder


TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


NOTHING_DONE = """
for last in "$@"; do :; done
case "$2" in papermill)
    echo "$last" >>called
    [ ! -e stuck ] || sleep 600
    [ ! -e broken ] || exit 1
    echo "from $(cat lib/seeds.py | wc -c)" >"$last"
esac
"""


@pytest.fixture
def counted(project) -> Path:
    """That checkout with a papermill that only counts how often it was called."""
    program(project / ".venv" / "bin" / "python", NOTHING_DONE)
    return project


TARGET = "build/tiny/notebooks/02_capacity.ipynb"


def make(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start make in a process group of its own."""
    command = ["make", *(arguments or (TARGET, "PROFILE=tiny"))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=project, start_new_session=True, encoding="utf-8", **pipes)


def calls(project: Path) -> int:
    """How often papermill has been called."""
    return len((project / "called").read_text("utf-8").splitlines())


def calls_after_make(project: Path) -> int:
    """How often papermill has been called after one more make, which ends well."""
    run = make(project)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert (project / TARGET).exists()
    return calls(project)


def inputs(project: Path) -> list[Path]:
    """Some of what an executed notebook is made from, a file of each kind."""
    params = project / "params" / "tiny"
    return [
        project / "notebooks" / "02_capacity.ipynb",
        *(params / "common.yaml", params / "02_capacity.yaml"),
        *(project / "lib" / "seeds.py", project / "lib" / "measures" / "capacity.py"),
        project / "lib" / "output" / "figures" / "paper.mplstyle",
        project / "published" / "fig7_occlusion.csv",
    ]


def test_make_runs_a_notebook_once_whatever_the_times_of_files_are(counted):
    assert [calls_after_make(counted), calls_after_make(counted)] == [1, 1]
    for year in (1980, 2100):
        then = datetime(year, 1, 1).timestamp()
        for path in inputs(counted):
            os.utime(path, (then, then))
        assert calls_after_make(counted) == 1
        os.utime(counted / TARGET, (then, then))
        assert calls_after_make(counted) == 1


def test_make_runs_a_notebook_again_where_the_content_of_an_input_has_changed(counted):
    future = datetime(2100, 1, 1).timestamp()
    expected = calls_after_make(counted)
    for path in inputs(counted):
        before = path.read_bytes()
        for text in (before + b" \n", before):
            os.utime(counted / TARGET, (future, future))
            path.write_bytes(text)
            expected += 1
            assert calls_after_make(counted) == expected
            assert calls_after_make(counted) == expected


def test_make_runs_a_notebook_once_also_where_a_data_set_is_downloaded_meanwhile(counted):
    (counted / "data").unlink()
    (counted / "data" / "KMNIST" / "raw").mkdir(parents=True)
    (counted / "data" / "MNIST").symlink_to(ROOT / "data" / "MNIST")
    assert calls_after_make(counted) == 1
    (counted / "data" / "KMNIST" / "raw" / "downloaded.gz").touch()
    assert calls_after_make(counted) == 1


def test_make_runs_a_notebook_again_that_failed_or_was_killed(counted):
    assert calls_after_make(counted) == 1
    source = counted / "lib" / "seeds.py"
    before = source.read_bytes()
    for expected, fault in [(2, "broken"), (4, "stuck")]:
        source.write_bytes(before + b"\n")
        (counted / fault).touch()
        run = make(counted)
        while calls(counted) < expected:
            time.sleep(0.001)
        if fault == "stuck":
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        assert run.returncode != 0
        (counted / fault).unlink()
        source.write_bytes(before)  # of which there is a result, but not the latest
        assert calls_after_make(counted) == expected + 1


def kill_tree(root: int) -> None:
    """kill -9 for a process and all below it: papermill's kernel has a process group of its own."""
    top = psutil.Process(root)
    processes = [top, *top.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    while any(map(alive, processes)):
        time.sleep(0.001)


@pytest.mark.slow
def test_make_goes_on_after_a_kill_and_trains_nothing_again_that_was_finished(
    executed, project, cache, monkeypatch
):
    """Of what `make paper` makes, one notebook is run, by papermill, with a small profile."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    program(project / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    tables = Path("build", "tiny", "figures", "01_tasks")  # which verdicts of the next rest on
    shutil.copytree(executed / tables, project / tables)
    run = make(project)
    while len(before := held(cache)) < 2 and run.poll() is None:
        time.sleep(0.01)
    kill_tree(run.pid)
    before = held(cache)
    run.communicate()
    run = make(project)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    after = held(cache)
    assert 2 <= len(before) < len(after)
    assert after.items() >= before.items()
    assert content(cache) == content(executed / "cache")
    results = Path("build", "tiny", "figures", "02_capacity")
    assert content(project / results) == content(executed / results)


def test_make_lists_every_target_that_says_what_it_is_for(project):
    said, _ = make(project, "help").communicate()
    listed = re.findall(r"^make ([a-z-]+) +\S", said, re.MULTILINE)
    assert listed == TARGETS
    assert {"paper", "test", "cache", "clean-cache"} <= set(listed)


NOTED = """
echo "$2|${LOW_CAPACITY_CACHE-}|$PYTHONPATH|$IPYTHONDIR|${PYTHONSTARTUP-unset}" >>asked
case "$2" in papermill)
    mkdir -p build/verify_smoke/figures
    for last in "$@"; do :; done
    echo "$*" | tee build/verify_smoke/figures/table.csv >"$last"
esac
"""
TYPESET = """
for each in "$@"; do case "$each" in -outdir=*) echo PDF >"${each#*=}/main.pdf"; esac; done
"""


@pytest.fixture
def noted(project, tmp_path, monkeypatch) -> Path:
    """That checkout, of somebody with settings, with programs that only note what they are told."""
    program(project / ".venv" / "bin" / "python", NOTED)
    for name in ("bin", "settings"):
        (tmp_path / name).mkdir()
    for name, does in {"latexmk": TYPESET, "pdflatex": "", "kpsewhich": ""}.items():
        program(tmp_path / "bin" / name, does)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("LOW_CAPACITY_CACHE")
    for name, value in strangers.settings(tmp_path / "settings").items():
        monkeypatch.setenv(name, value)
    return project


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_every_target_in_a_folder_of_any_name_whatever_a_user_has_set(noted, target):
    for name in ("tests/smoke", "benchmarks"):
        (noted / name).mkdir(parents=True)
    before = set(noted.parent.rglob("*"))
    run = make(noted, target, "PROFILE=smoke")
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert all(path.is_relative_to(noted) for path in set(noted.parent.rglob("*")) - before)
    if target in ("verify", "expected"):
        told = f"papermill|build/verify_smoke/cache|{noted}|{noted}/build/ipython|unset"
        asked = (noted / "asked").read_text("utf-8").splitlines()
        assert asked.count(told) == len(NOTEBOOKS)
    if target == "expected":
        assert (noted / "tests" / "smoke" / "table.csv").is_file()
