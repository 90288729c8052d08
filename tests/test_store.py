"""What was finished is kept, found again, checked, and never half written."""

import ast
import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import made_up
import pandas as pd
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from lib import ROOT, measures, store, study
from lib.backends import Machine
from lib.errors import UserError
from lib.protocols import PROTOCOLS

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


@pytest.fixture
def trained(monkeypatch):
    """The shards that were trained, with the widths that were, as they are trained."""
    seen = []
    original = study.train_shard

    def noted(shard, widths, device):
        seen.append((shard.task, shard.protocol.name, shard.seed, tuple(widths)))
        original(shard, widths, device)

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
        study.Shard("MNIST", "4-9", study.changed("published", epochs=50), base.widths, 0),
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
    (tmp_path / "one.py").write_text(SOURCE)
    (tmp_path / "two.py").write_text(source)
    one, two = (store.code_hash([tmp_path / name]) for name in ("one.py", "two.py"))
    assert (one == two) is same


def imported(module: str) -> set[str]:
    """The modules of lib that a module of lib imports, those that they import included."""
    tree = ast.parse((ROOT / "lib" / f"{module}.py").read_text())
    lines = [line for line in ast.walk(tree) if isinstance(line, ast.ImportFrom)]
    found = {line.module.removeprefix("lib.") for line in lines if line.module.startswith("lib.")}
    return found.union(*(imported(each) for each in found))


def test_the_cache_key_holds_the_code_of_every_module_that_training_uses():
    hashed = {module.__name__.removeprefix("lib.") for module in study.CODE}
    used = {"training", *imported("training"), *imported("seeds")}
    assert used - {"errors"} == hashed


def test_where_a_folder_cannot_be_made_one_sentence_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
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
    store.os.fsync = waiting(store.os.fsync)
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
        text=True,
    )
    assert run.stdout.readline() == "in the middle\n"
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    kept = {path: path.read_bytes() for path in cache.rglob("*.safetensors")}
    assert set(kept) == {entry(cache, each) for each in wanted[:2]}
    study.train(wanted)
    assert [seed for _, _, seed, _ in trained] == [2, 3]
    resumed = {name: data for name, data in content(cache).items() if name.endswith("tensors")}
    monkeypatch.setattr(store, "CACHE", tmp_path / "uninterrupted")
    study.train(wanted)
    assert resumed == content(tmp_path / "uninterrupted")


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


def test_a_learning_curve_in_a_table_is_that_of_its_network_however_long_others_are(digits):
    short = study.changed("converged", epochs=30, batch=16, learning_rate=0.01, patience=2)
    wanted = [study.Shard("MNIST", "0-1", short, (1, 2, 8), seed) for seed in (0, 1)]
    table = study.table(wanted, measures.curves)
    lengths = set()
    for each in wanted:
        for curve, values in study.load_shard(each).curves.items():
            for place, width in enumerate(each.widths):
                mine = values[:, place][~values[:, place].isnan()].tolist()
                of_network = (table.seed == each.seed) & (table.width == width)
                rows = table[of_network & (table.curve == curve)]
                assert rows.value.tolist() == mine
                assert rows.epoch.tolist() == list(range(len(mine)))
                lengths.add(len(mine))
    assert len(lengths) > 1
