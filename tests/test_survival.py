"""A run that is killed, has no space, may not write, or is not alone loses nothing it finished."""

import ast
import ctypes
import itertools
import os
import pickle
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import small_study
import yaml
from small_study import alive, held
from test_store import content, entry, flipped, shard

from lib import ROOT, measures, study
from lib.errors import UserError
from lib.study import parameters, store

# A study that is killed, and killed again


def results(cache: Path) -> dict[str, bytes]:
    """What the small study leaves in its cache, but for its log and what a kill left half made."""
    leave = ("log", ".partial")
    return {name: data for name, data in content(cache).items() if not name.endswith(leave)}


def finish(cache: Path) -> None:
    """Run the small study to its end."""
    run = small_study.start(cache)
    run.join()
    assert run.exitcode == 0


def of_group(group: int) -> list[psutil.Process]:
    """The processes of a group that still run."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and alive(process):
                found.append(process)
    return found


def kill(run: BaseProcess) -> bool:
    """kill -9 for a run and all that it has started; whether it was at work until then."""
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    while of_group(run.pid):
        time.sleep(0.001)
    for semaphore in Path("/dev/shm").glob(f"sem.loky-{run.pid}-*"):
        semaphore.unlink()  # joblib would have, but that process was killed as well
    run.join()
    assert run.exitcode in (0, -signal.SIGKILL)
    return run.exitcode != 0


def interrupt(cache: Path, jobs: int, lines: int, delay: float) -> bool:
    """Go on with the small study, and kill it that many seconds after it has said so many lines.

    Whatever was finished before is then as it was, and its training was not begun again. Whether
    it was at work until then.
    """
    before, said = held(cache), len(small_study.log(cache))
    run = small_study.start(cache, jobs)
    while len(small_study.log(cache)) < said + lines and run.exitcode is None:
        time.sleep(0.001)
    time.sleep(delay)
    at_work = kill(run)
    assert held(cache).items() >= before.items()
    finished = {str(Path(name).parent) for name in before}
    assert finished.isdisjoint(small_study.begun(small_study.log(cache)[said:]))
    return at_work


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Iterator[dict[str, bytes]]:
    """What the small study leaves when nothing happens to it."""
    with pytest.MonkeyPatch.context() as patch:  # for the server, and for what joblib starts
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(Path(__file__).parent)]))
        patch.setenv("OMP_NUM_THREADS", "1")
        cache = tmp_path_factory.mktemp("undisturbed")
        finish(cache)
        assert sorted(small_study.begun(small_study.log(cache))) == sorted(small_study.FOLDERS)
        assert {str(Path(name).parent) for name in held(cache)} == small_study.FOLDERS
        yield results(cache)


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "kills"), [(1, 17), (2, 3)])
def test_a_study_killed_at_random_moments_trains_nothing_twice_and_ends_with_the_same_bytes(
    undisturbed, tmp_path, jobs, kills
):
    """A run that reaches its end before its kill is compared, and another study begun."""
    rng = np.random.default_rng(jobs)
    for number in itertools.count():
        cache = tmp_path / str(number)
        at_work = True
        while kills and at_work:
            at_work = interrupt(cache, jobs, rng.integers(1, 5), rng.uniform(0, 0.05))
            kills -= at_work
        finish(cache)
        assert results(cache) == undisturbed
        if not kills:
            break


def test_two_studies_at_once_on_one_cache_both_end_well_and_with_the_same_bytes(
    undisturbed, tmp_path
):
    runs = [small_study.start(tmp_path / "cache") for _ in range(2)]
    while not small_study.log(tmp_path / "cache"):
        time.sleep(0.001)
    assert [run.exitcode for run in runs] == [None, None]
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0, 0]
    assert results(tmp_path / "cache") == undisturbed


# A disk that is full, and a folder that may not be written


def mounted(*arguments: str | Path) -> None:
    """Call mount, or skip the test where that is not permitted."""
    if shutil.which("mount") is None:
        pytest.skip("there is no 'mount' here")
    call = subprocess.run(["mount", *arguments], capture_output=True, encoding="utf-8")
    if call.returncode:
        pytest.skip(f"nothing can be mounted here: {call.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path, monkeypatch) -> Iterator[Path]:
    """A cache on a disk of 100 kB, which is enough for two or three shards."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted("-t", "tmpfs", "-o", "size=100k", "tmpfs", disk)
    monkeypatch.setattr(store, "CACHE", disk / "cache")
    yield disk / "cache"
    subprocess.run(["umount", "--lazy", disk], check=True)


def finished_elsewhere(wanted: list[study.Shard], folder: Path) -> dict[str, bytes]:
    """What a run leaves to which nothing happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "CACHE", folder)
        study.train(wanted)
    return content(folder)


def test_a_full_disk_is_one_sentence_and_with_space_a_run_goes_on_with_what_was_finished(
    digits, small_disk, tmp_path
):
    wanted = [shard(seed) for seed in range(6)]
    sentence = r"^cannot write \S+: No space left on device; what was finished before is kept$"
    with pytest.raises(UserError, match=sentence):
        study.train(wanted)
    before = held(small_disk)
    assert 1 <= len(before) <= 5
    assert content(small_disk).keys() == before.keys()
    mounted("-o", "remount,size=4m", small_disk.parent)
    study.train(wanted)
    assert held(small_disk).items() >= before.items()
    assert content(small_disk) == finished_elsewhere(wanted, tmp_path / "undisturbed")


def test_where_a_file_may_not_grow_on_a_run_without_the_limit_goes_on_with_what_was_finished(
    digits, cache, tmp_path
):
    wanted = [shard(0, (2,)), shard(1, (2, 16, 64)), shard(2, (4,))]
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, most))
    try:
        with pytest.raises(UserError, match=r"^cannot write \S+: File too large; what was"):
            study.train(wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    finished = held(cache)
    assert [Path(name).parent for name in finished] == [Path(wanted[0].folder)]
    assert content(cache).keys() == finished.keys()
    study.train(wanted)
    assert held(cache).items() >= finished.items()
    assert content(cache) == finished_elsewhere(wanted, tmp_path / "undisturbed")


@contextmanager
def no_privilege() -> Iterator[None]:
    """This thread without root's right to read and write whatever the permissions are.

    Capabilities 1 and 2 of Linux (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) are put down and taken up.
    """
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective, sets[0] = sets[0], sets[0] & ~0b110
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


@contextmanager
def no_permission(folder: Path) -> Iterator[None]:
    """A folder and all in it without permission to write."""
    inside = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in inside]
    for path in inside:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with no_privilege():
            yield
    finally:
        for path, mode in zip(inside, modes, strict=True):
            path.chmod(mode)


@contextmanager
def read_only_mount(folder: Path) -> Iterator[None]:
    """A folder mounted on itself, to be read only."""
    mounted("--bind", folder, folder)
    try:
        mounted("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


READ_ONLY = pytest.mark.parametrize(
    ("read_only", "because"),
    [(no_permission, "Permission denied"), (read_only_mount, "Read-only file system")],
)
Barred = Callable[[Path], AbstractContextManager[None]]


@READ_ONLY
def test_a_read_only_cache_gives_what_it_holds(digits, cache, read_only: Barred, because):
    study.train([shard()])
    table, files = study.table([shard()], measures.capacity), content(cache)
    with read_only(cache):
        pd.testing.assert_frame_equal(study.table([shard()], measures.capacity), table)
    assert content(cache) == files


@READ_ONLY
def test_what_cannot_be_kept_in_a_read_only_cache_is_one_sentence(
    digits, cache, read_only: Barred, because
):
    study.train([shard()])
    files = content(cache)
    with (
        pytest.raises(UserError, match=rf"^cannot write \S+: {because}; what was .+ is kept$"),
        read_only(cache),
    ):
        study.train([shard(), shard(1)])
    assert content(cache) == files


@READ_ONLY
def test_a_damaged_file_in_a_read_only_cache_is_left_there_with_a_warning(
    digits, cache, read_only: Barred, because
):
    study.train([shard(), shard(1)])
    flipped(entry(cache, shard()))
    files = content(cache)
    with (
        pytest.warns(UserWarning, match=rf"fails its checksum: left there \({because}\)"),
        read_only(cache),
    ):
        missing = [study.missing_widths(shard(seed)) for seed in (0, 1)]
    assert missing == [[2, 4], []]
    assert content(cache) == files


def test_a_file_that_may_not_be_read_is_one_sentence(digits, cache):
    study.train([shard()])
    entry(cache, shard()).chmod(0)
    with pytest.raises(UserError, match=r"^cannot read \S+: Permission denied;"), no_privilege():
        study.train([shard()])


# A clock that jumps


@pytest.mark.parametrize("year", [1980, 2100])
def test_neither_the_times_of_files_nor_the_clock_change_what_is_trained_or_its_bytes(
    digits, cache, monkeypatch, year
):
    wanted = [shard(seed) for seed in range(3)]
    study.train(wanted)
    whole = content(cache)
    entry(cache, wanted[1]).unlink()
    then = datetime(year, 1, 1).timestamp()
    for path in (cache, *cache.rglob("*")):
        os.utime(path, (then, then))
    before = held(cache)
    jumps = np.random.default_rng(year)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(0, 2 * then))
    study.train(wanted)
    assert held(cache).items() >= before.items()
    assert content(cache) == whole


# What a file may not do


@pytest.mark.parametrize("profile", ["../../x", "/tmp/x", "x/../../y", "..", "x\n", ""])
def test_a_profile_is_no_way_out_of_the_output_folder(tmp_path, capsys, profile):
    folder = shutil.copytree(ROOT / "params" / "smoke", tmp_path / "smoke")
    values = yaml.safe_load((folder / "common.yaml").read_text("utf-8")) | {"profile": profile}
    (folder / "common.yaml").write_text(yaml.safe_dump(values), "utf-8")
    assert parameters.main([str(folder)]) == 2
    assert f"common.yaml: profile = {profile!r}" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"^notebook 02_capacity: profile = "):
        parameters.check_notebook("02_capacity", parameters.defaults("02_capacity") | values)


RUNS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"} | {
    *("torch.load", "joblib.load", "np.load", "numpy.load", "pd.read_pickle", "pandas.read_pickle"),
    *("yaml.load", "yaml.full_load", "yaml.unsafe_load", "eval", "exec"),
}
"""Modules and functions that run what a file says."""


def named(source: str) -> set[str]:
    """The modules that Python code imports, and the names of the functions that it calls."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    parts = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    members = {f"{node.module}.{name.name}" for node in parts for name in node.names}
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    return modules | {str(node.module) for node in parts} | members | calls


def test_what_would_run_code_is_noticed():
    found = named("import pickle\nfrom torch import load\njoblib.load(x)\nmodel.eval()")
    assert found & RUNS_CODE == {"pickle", "torch.load", "joblib.load"}


@pytest.mark.parametrize("path", sorted((ROOT / "lib").rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_loads_a_pickle_or_anything_else_that_could_run_code(path):
    allowed = {
        "plan": {"exec"},  # of the notebooks' own cells
        "parameters": {"yaml.load"},  # by a loader that is a SafeLoader
    }
    assert named(path.read_text("utf-8")) & RUNS_CODE <= allowed.get(path.stem, set())


class Trap:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickle_in_the_cache_is_set_aside_and_runs_nothing(digits, cache, tmp_path):
    trap = pickle.dumps(Trap(tmp_path / "made"))
    name = f"{shard().folder}/w2-4.{store.checksum(trap)}.safetensors"
    store.write(cache / name, trap)
    with pytest.warns(UserWarning, match="is not one of the store's files: set aside"):
        study.train([shard()])
    assert not (tmp_path / "made").exists()
    assert (cache / name).with_suffix(".corrupt").read_bytes() == trap
    assert len(study.load_shard(shard()).networks) == 2
