"""What was finished is kept, found again, checked, and never half written."""

import ast
import errno
import os
import resource
import runpy
import signal
import stat
import subprocess
import sys
from pathlib import Path

import made_up
import pandas as pd
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from lib import ROOT, measures, study
from lib.errors import UserError
from lib.networks import training
from lib.networks.protocols import PROTOCOLS
from lib.study import store
from lib.study.backends import Machine

TENSORS = {
    "weights": torch.arange(12.0).reshape(3, 4).T,
    "owner": torch.tensor([0, 0, 1]),
    "lit": torch.tensor([True, False]),
    "gap": torch.tensor([1.0, torch.nan]),
}


def content(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its path in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_put_is_got_again(cache):
    store.put("a/b", "one", TENSORS, {"widths": [2, 4]})
    store.put("a/b", "two", {"x": torch.zeros(0)}, {})
    (tensors, facts), (_, none) = store.get("a/b")
    assert facts == {"widths": [2, 4]}
    assert none == {}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0, equal_nan=True)
    assert store.get("a/c") == []


def test_the_same_content_has_the_same_bytes_in_any_order(cache):
    store.put("one", "x", TENSORS, {"a": 1, "b": 2})
    store.put("two", "x", dict(reversed(TENSORS.items())), {"b": 2, "a": 1})
    assert content(cache / "one") == content(cache / "two")


def shard(seed: int = 0, widths: tuple[int, ...] = (2, 4)) -> study.Shard:
    return study.Shard("MNIST", "4-9", PROTOCOLS["published"], widths, seed)


def entry(cache: Path, wanted: study.Shard) -> Path:
    (path,) = (cache / wanted.folder).glob("*.safetensors")
    return path


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flipped, truncated, emptied])
def test_a_damaged_file_is_set_aside_with_a_warning_and_computed_again(digits, cache, damage):
    study.train([shard()])
    path = entry(cache, shard())
    whole = path.read_bytes()
    damage(path)
    damaged = path.read_bytes()
    with pytest.warns(UserWarning, match="fails its checksum: set aside, and computed again"):
        study.train([shard()])
    assert path.read_bytes() == whole
    assert path.with_suffix(".corrupt").read_bytes() == damaged
    assert len(study.load_shard(shard()).networks) == 2


def test_a_damaged_file_that_another_run_has_set_aside_meanwhile_is_left_out(
    digits, cache, monkeypatch
):
    study.train([shard()])
    path = entry(cache, shard())
    monkeypatch.setattr(store, "checksum", lambda _: path.unlink())
    with pytest.warns(UserWarning, match="fails its checksum"):
        assert store.get(shard().folder) == []


@pytest.fixture
def trained(monkeypatch):
    """The shards that were trained, with the widths that were, as they are trained."""
    seen = []
    original = study.train_shard

    def noted(shard, widths):
        seen.append((shard.task, shard.protocol.name, shard.seed, tuple(widths)))
        original(shard, widths)

    monkeypatch.setattr(study, "train_shard", noted)
    return seen


def test_what_is_stored_is_not_trained_again_and_of_a_shard_only_what_is_missing(digits, trained):
    study.train([shard(0, (2, 4))])
    study.train([shard(0, (4, 2))])
    study.train([shard(0, (4, 8, 2)), shard(1, (2,))])
    assert [(seed, widths) for _, _, seed, widths in trained] == [(0, (2, 4)), (0, (8,)), (1, (2,))]


def test_networks_are_kept_apart_by_all_that_they_depend_on(digits, monkeypatch):
    base = shard()
    others = [
        study.Shard("MNIST", "3-8", base.protocol, base.widths, 0),
        study.Shard("MNIST", "4-9", PROTOCOLS["described"], base.widths, 0),
        study.Shard("MNIST", "4-9", study.changed("published", steps=50), base.widths, 0),
        study.Shard("MNIST", "4-9", base.protocol, base.widths, 1),
        study.Shard("MNIST", "4-9", base.protocol, base.widths, 0, limit=100),
    ]
    folders = {each.folder for each in (base, *others)}
    assert len(folders) == 6
    monkeypatch.setattr(study, "code", lambda: "other code")
    assert base.folder not in folders


SOURCE = '''
def double(x):
    """Twice x."""
    return 2 * x
'''


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("def double(x):\n    return 2 * x\n", True),
        ('"""A module."""\n\n# why\ndef double(x):\n\n    return (2 * x)  # so\n', True),
        ("def double(x):\n    'Another text.'\n    return 2 * x\n", True),
        ("def double(x):\n    return 2 + x\n", False),
        ("def double(x):\n    return 3 * x\n", False),
        ("def double(y):\n    return 2 * y\n", False),
        ("def double(x):\n    return 2 * x\n\nhalf = 0.5\n", False),
    ],
)
def test_the_hash_of_code_depends_on_what_it_does_and_not_on_texts(tmp_path, source, same):
    (tmp_path / "one.py").write_text(SOURCE, "utf-8")
    (tmp_path / "two.py").write_text(source, "utf-8")
    one, two = (store.code_hash([tmp_path / name]) for name in ("one.py", "two.py"))
    assert (one == two) is same


def imported(module: str) -> set[str]:
    """The modules of lib that a module of lib imports, those that they import included."""
    tree = ast.parse((ROOT / "lib" / f"{module}.py").read_text("utf-8"))
    lines = [line for line in ast.walk(tree) if isinstance(line, ast.ImportFrom)]
    found = {line.module.removeprefix("lib.") for line in lines if line.module.startswith("lib.")}
    return found.union(*(imported(each) for each in found))


def test_the_cache_key_holds_the_code_of_every_module_that_training_uses():
    hashed = {module.__name__.removeprefix("lib.") for module in study.CODE}
    used = {"training", *imported("training"), *imported("seeds")}
    assert used - {"errors"} == hashed


def test_where_a_folder_cannot_be_made_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.raises(UserError, match=r"^cannot write \S+: Not a directory; what was") as error:
        store.write(tmp_path / "file" / "folder" / "x.csv", b"1")
    assert "\n" not in str(error.value)


def test_a_full_disk_is_one_sentence_and_leaves_no_partial_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store.write(tmp_path / "x.csv", b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"^cannot write \S+x.csv: No space left on device; what"):
        store.write(tmp_path / "x.csv", b"after")
    assert content(tmp_path) == {"x.csv": b"before"}


def test_a_name_and_the_folders_above_it_are_synced_once_they_are_there(tmp_path, monkeypatch):
    """Else a power cut could take a file away that was said to be kept."""
    synced = []
    original = os.fsync

    def noted(descriptor):
        facts = os.fstat(descriptor)
        path = next(p for p in tmp_path.rglob("*") if os.path.samestat(p.stat(), facts))
        synced.append((path.name.rpartition(".")[2], sorted(each.name for each in path.glob("*"))))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    (tmp_path / "a").mkdir()
    store.write(tmp_path / "a" / "b" / "c" / "x.csv", b"1")
    assert synced == [("a", ["b"]), ("b", ["c"]), ("partial", []), ("c", ["x.csv"])]


def test_a_folder_that_cannot_be_synced_is_no_error_and_a_failing_disk_is(tmp_path, monkeypatch):
    original = os.fsync

    def of_folders(number):
        def fsync(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            original(descriptor)

        return fsync

    monkeypatch.setattr(os, "fsync", of_folders(errno.EINVAL))
    store.write(tmp_path / "x.csv", b"1")
    assert content(tmp_path) == {"x.csv": b"1"}
    monkeypatch.setattr(os, "fsync", of_folders(errno.EIO))
    with pytest.raises(UserError, match=r"^cannot write \S+x.csv: Input/output error; what"):
        store.write(tmp_path / "x.csv", b"2")


def test_of_two_that_write_a_file_at_once_the_one_that_is_overtaken_leaves_it_whole(tmp_path):
    path = tmp_path / "x.csv"

    def overtaken(file):
        file.write(b"half")
        store.write(path, b"whole")
        file.write(b" and half")

    store.write_with(path, overtaken)
    assert content(tmp_path) == {"x.csv": b"whole"}


def test_what_a_killed_run_left_aside_goes_when_its_file_is_there_and_nothing_else_does(tmp_path):
    leftover = f".x.csv.{'0' * 16}.partial"
    others = [f".y.csv.{'0' * 16}.partial", f".x.csv.z.{'0' * 16}.partial", ".x.csv.partial", "x"]
    for name in (leftover, *others):
        (tmp_path / name).write_bytes(b"half")
    store.write(tmp_path / "x.csv", b"whole")
    assert content(tmp_path).keys() == {"x.csv", *others}


def test_what_was_left_beside_a_stored_file_goes_when_that_is_next_read(digits, cache):
    study.train([shard()])
    before = content(cache)
    path = entry(cache, shard())
    path.with_name(f".{path.name}.{'0' * 16}.partial").write_bytes(b"half")
    study.train([shard()])
    assert content(cache) == before


def test_a_failure_of_what_writes_is_not_taken_for_a_file_that_another_run_has_finished(tmp_path):
    store.write(tmp_path / "x.csv", b"before")
    with pytest.raises(UserError, match=r"^cannot write \S+x.csv: No such file"):
        store.write_with(tmp_path / "x.csv", lambda _: Path(tmp_path / "absent").read_bytes())
    assert content(tmp_path) == {"x.csv": b"before"}


def test_a_file_that_cannot_be_written_to_its_end_is_not_there_at_all(cache):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*File too large"):
            store.put("folder", "x", {"large": torch.zeros(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert content(cache) == {}


INTERRUPTED = """
import sys
import time
import made_up, torch
from lib import datasets, store, study, training
import test_store
torch.set_num_threads(1)
datasets.load = made_up.dataset
at = sys.argv[1]
shards = []

def wait(*_):
    if len(shards) == 3:
        print("in the middle", flush=True)
        time.sleep(600)

def counted(original):
    def of(*arguments):
        shards.append(arguments)
        return original(*arguments)
    return of

def waiting(original):
    def of(*arguments):
        wait()
        return original(*arguments)
    return of

study.train_shard = counted(study.train_shard)
if at == "training":
    training.Layers.step = waiting(training.Layers.step)
else:
    store.Path.replace = waiting(store.Path.replace)  # all is written, and not yet in its place
study.train([test_store.shard(seed) for seed in range(4)])
"""


@pytest.mark.parametrize("at", ["training", "writing"])
def test_a_killed_run_keeps_its_finished_shards_and_the_next_trains_the_others(
    digits, cache, trained, tmp_path, monkeypatch, at
):
    wanted = [shard(seed) for seed in range(4)]
    path = os.pathsep.join([str(ROOT), str(Path(made_up.__file__).parent)])
    run = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, at],
        env={**os.environ, "PYTHONPATH": path, "LOW_CAPACITY_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    assert run.stdout.readline() == "in the middle\n"
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    kept = {path: path.read_bytes() for path in cache.rglob("*.safetensors")}
    assert set(kept) == {entry(cache, each) for each in wanted[:2]}
    assert len(list(cache.rglob("*.partial"))) == (at == "writing")
    study.train(wanted)
    assert [seed for _, _, seed, _ in trained] == [2, 3]
    monkeypatch.setattr(store, "CACHE", tmp_path / "uninterrupted")
    study.train(wanted)
    assert content(cache) == content(tmp_path / "uninterrupted")


@pytest.mark.slow
def test_two_processes_give_the_table_that_one_gives(cache, tmp_path, monkeypatch):
    seeds = {"published": [0, 42], "converged": [0]}
    wanted = study.shards("MNIST", ["4-9"], seeds, [2, 8], limit=200)
    one = study.table(wanted, measures.capacity)
    monkeypatch.setattr(store, "CACHE", tmp_path / "two")
    monkeypatch.setenv("LOW_CAPACITY_CACHE", str(tmp_path / "two"))
    get_reusable_executor().shutdown(wait=True)  # so that its processes see this cache
    two = study.table(wanted, measures.capacity, Machine(jobs=2))
    get_reusable_executor().shutdown(wait=True)
    assert content(cache).keys()
    assert content(cache).keys() == content(tmp_path / "two").keys()
    pd.testing.assert_frame_equal(one, two, rtol=0, atol=1e-6)


def test_a_table_says_first_which_network_each_row_is_of(digits):
    seeds = {"published": [0, 42], "described": [3]}
    wanted = study.shards("MNIST", ["0-1", "4-9"], seeds, [2, 8])
    table = study.table(wanted, measures.capacity)
    assert list(table.columns[:5]) == ["dataset", "task", "protocol", "width", "seed"]
    assert len(table) == 12
    for each in wanted:
        scores = measures.capacity(study.load_shard(each))
        rows = table[
            (table.task == each.task)
            & (table.protocol == each.protocol.name)
            & (table.seed == each.seed)
        ]
        assert rows.width.tolist() == [2, 8]
        assert rows.f1_test.tolist() == scores.f1_test.tolist()


def test_a_csv_has_six_digits_and_one_kind_of_line_end(tmp_path):
    table = pd.DataFrame({"task": ["4-9"], "f1": [1 / 3], "w": [float("nan")]})
    store.write_table(table, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"task,f1,w\n4-9,0.333333,\n"


def test_what_is_got_comes_in_one_order_in_every_process():
    names = [f"tensor{number}" for number in range(30)]
    store.put("folder", "x", {name: torch.zeros(1) for name in names}, {})
    ((tensors, _),) = store.get("folder")
    assert list(tensors) == sorted(names)


@pytest.mark.parametrize(("name", "steps"), [("described", 4), ("converged", 230)])
def test_a_learning_curve_in_a_table_is_that_of_its_network_at_its_steps(digits, name, steps):
    short = study.changed(name, steps=steps)
    wanted = [study.Shard("MNIST", "0-1", short, (1, 2, 8), seed) for seed in (0, 1)]
    table = study.table(wanted, measures.curves)
    for each in wanted:
        for curve, values in study.load_shard(each).curves.items():
            for place, width in enumerate(each.widths):
                of_network = (table.seed == each.seed) & (table.width == width)
                rows = table[of_network & (table.curve == curve)]
                assert rows.value.tolist() == values[:, place].tolist()
                assert rows.step.tolist() == training.points(short)


@pytest.fixture
def filled(digits, cache) -> Path:
    """A cache with three whole entries, a damaged one that was set aside, and a leftover."""
    study.train([shard(0), shard(1, (2,)), study.Shard("MNIST", "0-1", *DESCRIBED)])
    flipped(entry(cache, shard(0)))
    with pytest.warns(UserWarning, match="set aside"):
        study.train([shard(0)])
    folder = cache / shard(1).folder
    (folder / f".w2.{'0' * 16}.safetensors.{'1' * 16}.partial").write_bytes(bytes(1000))
    return cache


DESCRIBED = (PROTOCOLS["described"], (2, 4, 8), 0)


def size(folder: Path) -> int:
    return sum(len(data) for data in content(folder).values())


def test_the_size_of_the_cache_is_told_by_data_set_and_protocol(filled, capsys):
    table = store.sizes()
    assert table.index.tolist() == [("MNIST", "described"), ("MNIST", "published")]
    assert table.shards.tolist() == [1, 2]
    assert table.networks.tolist() == [3, 3]
    assert table.entries.tolist() == [1, 2]
    assert table.corrupt.tolist() == [0, 1]
    assert table.partial.tolist() == [0, 1]
    assert table.MB.sum() == pytest.approx(size(filled) / 1e6)
    assert store.main([]) == 0
    assert (
        f"3 shards, 6 networks, 0 tables, {size(filled) / 1e6:.1f} MB in {filled}"
        in capsys.readouterr().out
    )


def test_an_entry_with_a_damaged_header_is_counted_as_holding_no_network(filled):
    emptied(entry(filled, shard(0)))
    assert store.sizes().networks.tolist() == [3, 1]


def test_a_cache_that_is_not_there_holds_nothing_and_nothing_is_removed(cache, capsys):
    assert [store.main([]), store.main(["clean"])] == [0, 0]
    said = f"no trained networks in {cache}\nfreed 0.0 MB: removed 0 files in {cache}\n"
    assert capsys.readouterr().out == said
    assert not cache.exists()


def test_clean_removes_the_cache_and_says_how_much_that_frees(filled, capsys):
    before = size(filled)
    assert store.main(["clean"]) == 0
    assert capsys.readouterr().out == f"freed {before / 1e6:.1f} MB: removed 5 files in {filled}\n"
    assert not filled.exists()


def test_clean_removes_nothing_that_the_store_did_not_make(filled):
    """As where LOW_CAPACITY_CACHE names a folder that somebody keeps other things in."""
    seed = shard(0).folder
    check = "0" * 16
    mine = [
        *("thesis.tex", f"w2.{check}.safetensors", "networks/lan.txt", "networks/office/map.txt"),
        *(f"{seed}/notes.txt", f"{seed}/model.safetensors", f"{seed}/.w2.partial"),
        *(f"other/{seed}/w2.{check}.safetensors", f"networks/w2.{check}.safetensors"),
        f"networks/MNIST/published/4-9/seed0/w2.{check}.safetensors",
    ]
    for name in mine:
        (filled / name).parent.mkdir(parents=True, exist_ok=True)
        (filled / name).write_bytes(b"mine")
    (filled / "networks" / "empty").mkdir()
    said = store.clean()
    assert content(filled).keys() == set(mine)
    assert (filled / "networks" / "empty").is_dir()
    assert "removed 5 files" in said
    assert f"left 7 that the cache did not make, such as {filled}" in said


def test_what_is_asked_of_the_cache_wrongly_is_answered_with_how_to_ask(capsys):
    assert store.main(["all"]) == 2
    assert capsys.readouterr().err == "usage: python -m lib.study.store [clean]\n"


@pytest.mark.parametrize(
    ("given", "place"),
    [("", ROOT / "build" / "cache"), ("some/where", ROOT / "some" / "where"), ("~", Path.home())],
)
def test_the_cache_is_one_folder_wherever_a_program_is_started(monkeypatch, tmp_path, given, place):
    monkeypatch.setenv("LOW_CAPACITY_CACHE", given)
    monkeypatch.chdir(tmp_path)
    assert runpy.run_path(str(Path(store.__file__)))["CACHE"] == place
