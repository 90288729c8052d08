"""What was finished is kept, found again, checked, and never half written."""

import errno
import importlib
import inspect
import os
import resource
import runpy
import signal
import stat
import subprocess
import sys
from pathlib import Path

import grimp
import made_up
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky import get_reusable_executor

from lib import ROOT, measures, study
from lib.errors import UserError
from lib.networks import training
from lib.networks.protocols import PROTOCOLS
from lib.study import measuring, store
from lib.study import shard as shard_of
from lib.study import trained as trained_networks
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
    store.put_networks("a/b", "one", TENSORS)
    store.put_networks("a/b", "two", {"x": torch.zeros(0)})
    tensors, _ = store.networks("a/b")
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0, equal_nan=True)
    assert store.networks("a/c") == []


def test_the_same_content_has_the_same_bytes_in_any_order(cache):
    store.put_networks("one", "x", TENSORS)
    store.put_networks("two", "x", dict(reversed(TENSORS.items())))
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
    folder = shard().folder
    monkeypatch.setattr(store, "checksum", lambda _: path.unlink())
    with pytest.warns(UserWarning, match="fails its checksum"):
        assert store.networks(folder) == []


@pytest.fixture
def trained(monkeypatch):
    """The shards that were trained, with the widths that were, as they are trained."""
    seen = []
    original = trained_networks.train_networks

    def noted(shard, stops):
        seen.append((shard.task, shard.protocol.name, shard.seed, shard.widths))
        return original(shard, stops)

    monkeypatch.setattr(trained_networks, "train_networks", noted)
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
    monkeypatch.setattr(shard_of, "code", lambda: "other code")
    assert base.folder not in folders


def reached_from(*modules: str) -> set[str]:
    """The files of lib that modules import, those that these import included.

    Not those of `study`, which hand out work and keep what comes of it, and not what all stand on.
    """
    graph, found, todo = grimp.build_graph("lib"), set(), list(modules)
    while todo:
        if (module := todo.pop()) not in found and not module.startswith("lib.study"):
            found.add(module)
            todo += graph.find_modules_directly_imported_by(module)
    places = [ROOT.joinpath(*module.split(".")) for module in found - {"lib", "lib.errors"}]
    files = [path.with_suffix(".py") for path in places if not path.is_dir()]
    return {str(path.relative_to(ROOT / "lib")) for path in files}


def test_the_key_of_networks_holds_every_file_that_their_training_reaches():
    reached = reached_from("lib.networks.training", "lib.networks.protocols", "lib.tasks.pairs")
    assert reached == set(shard_of.CODE)


MEASURES = [f"lib.measures.{path.stem}" for path in (ROOT / "lib" / "measures").glob("[a-z]*.py")]


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_names_all_the_files_that_its_kept_tables_rest_on(name):
    module = importlib.import_module(name)
    function = next(f for f in vars(module).values() if inspect.getmodule(f) is module)
    named = [ROOT / "lib" / name for name in measuring.rests_on(function)]
    files = {str(p.relative_to(ROOT / "lib")) for n in named for p in (n, *n.rglob("*.py"))}
    assert reached_from(name) <= files | set(shard_of.CODE)


@pytest.mark.parametrize("name", ["one.py", "folder/two.py", "folder/deep/three.py"])
def test_a_key_changes_with_any_word_of_a_file_that_it_names(tmp_path, monkeypatch, name):
    """Comments included: better trained anew than wrong."""
    monkeypatch.setattr(shard_of, "ROOT", tmp_path)
    for each in ("one.py", "folder/two.py", "folder/deep/three.py", "other.py"):
        (tmp_path / "lib" / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / each).write_text("x = 1\n", "utf-8")
    code = shard_of.code.__wrapped__
    before = code(("one.py", "folder"))
    (tmp_path / "lib" / "other.py").write_text("x = 2\n", "utf-8")
    assert code(("one.py", "folder")) == before
    (tmp_path / "lib" / name).write_text("x = 1  # one\n", "utf-8")
    assert code(("one.py", "folder")) != before


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


def test_of_two_that_write_a_file_at_once_each_writes_all_of_its_own(tmp_path, monkeypatch):
    """The second finishes while the first is about to; the last to finish is what is there."""
    path, original = tmp_path / "x.csv", Path.replace

    def overtaken(aside, target):
        monkeypatch.setattr(Path, "replace", original)
        store.write(path, b"second")
        assert path.read_bytes() == b"second"
        return original(aside, target)

    monkeypatch.setattr(Path, "replace", overtaken)
    store.write(path, b"first")
    assert content(tmp_path) == {"x.csv": b"first"}


def test_a_file_that_cannot_be_written_to_its_end_is_not_there_at_all(cache):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*File too large"):
            store.put_networks("folder", "x", {"large": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert content(cache) == {}


INTERRUPTED = """
import sys
import time
import made_up, torch
from lib import study
from lib.networks import training
from lib.study import store, trained
from lib.tasks import datasets
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

trained.train_networks = counted(trained.train_networks)
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
    left = list(cache.rglob("*.partial"))
    assert len(left) == (at == "writing")
    study.train(wanted)
    for path in left:
        path.unlink()  # as `make clean-cache` does
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
        scores = study.asked(study.load_shard(each), measures.capacity)
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


NAMES = st.text("abc_", min_size=1, max_size=5)
COLUMNS = st.sampled_from(
    [
        st.integers(-(2**63), 2**63 - 1),
        st.booleans(),
        st.floats(allow_subnormal=True),
        st.floats(width=32),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5),
        st.sampled_from(["nan", "", "None", "1", "a,b", '"']),
    ]
)


@st.composite
def any_table(draw) -> pd.DataFrame:
    """A table of the types that a measurement has."""
    rows = draw(st.integers(1, 5))
    columns = draw(st.dictionaries(NAMES, COLUMNS, min_size=1, max_size=4))
    values = {n: draw(st.lists(each, min_size=rows, max_size=rows)) for n, each in columns.items()}
    table = pd.DataFrame(values)
    floats = table.select_dtypes("float64").columns
    single = draw(st.lists(st.sampled_from(list(floats)), unique=True)) if len(floats) else []
    with np.errstate(over="ignore"):
        return table.astype(dict.fromkeys(single, np.float32))


@given(any_table())
def test_a_kept_table_is_the_very_table_that_it_was(table):
    again = store.from_csv(store.as_csv(table))
    assert (again.dtypes == table.dtypes).all()
    for name in table:
        one, other = (each[name].to_numpy() for each in (again, table))
        if table[name].dtype.kind == "f":
            signs = (np.where(np.isnan(each), 0, np.signbit(each)) for each in (one, other))
            np.testing.assert_array_equal(*signs)
        np.testing.assert_array_equal(one, other)
    assert store.as_csv(again) == store.as_csv(table)


def test_a_resumed_run_has_the_table_of_the_first(digits):
    wanted = study.shards("MNIST", ["4-9"], {"published": [0, 42], "described": [3]}, [2, 8])
    first, again = (study.table(wanted, measures.capacity, keep=True) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_what_differs_by_protocol_reaches_each_and_is_the_key_of_its_own_alone(digits, cache):
    wanted = study.shards("MNIST", ["4-9"], {"published": [0], "described": [0]}, [2])

    def folders(**given: object) -> set[str]:
        table = study.table(wanted, noted, keep=True, by_protocol={"value": given})
        assert table.value.tolist() == [given.get("published", -1), given.get("described", -1)]
        return {str(path.parent) for path in cache.rglob("*.csv")}

    before = folders(published=1, described=2)
    after = folders(published=1, described=3)
    assert len(before) == 2
    assert len(after) == 3
    assert len(folders(published=1)) == 4


def noted(run, value):
    return pd.DataFrame({"network": [0], "value": [-1 if value is None else value]})


def test_a_measure_may_yield_its_tables_one_by_one(digits):
    def one_by_one(run):
        for place in (1, 0, 1):
            yield pd.DataFrame({"network": [place], "place": [place]})

    table = study.table([shard(0, (2, 8))], one_by_one)
    assert table[["width", "place"]].to_numpy().tolist() == [[8, 1], [2, 0], [8, 1]]


def test_a_large_table_of_results_is_compressed_to_the_same_bytes_and_replaces_a_plain_one(
    tmp_path, monkeypatch
):
    table = pd.DataFrame({"x": range(100)})
    store.write_table(table, tmp_path / "x.csv")
    monkeypatch.setattr(store, "LARGE", 100)
    for _ in range(2):
        store.write_table(table, tmp_path / "x.csv")
        assert content(tmp_path).keys() == {"x.csv.gz"}
    packed = (tmp_path / "x.csv.gz").read_bytes()
    store.write_table(table, tmp_path / "y.csv")
    assert (tmp_path / "y.csv.gz").read_bytes() == packed
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "x.csv.gz"), table)
    store.write_table(table.iloc[:3], tmp_path / "x.csv")
    assert "x.csv.gz" not in content(tmp_path)


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
    files = store.contents()
    assert files.groupby("protocol").size().to_dict() == {"described": 1, "published": 4}
    assert sorted(files.state) == ["corrupt", "partial", "whole", "whole", "whole"]
    assert files.MB.sum() == pytest.approx(size(filled) / 1e6)
    assert store.main([]) == 0
    assert f"5 files, {size(filled) / 1e6:.1f} MB in {filled}" in capsys.readouterr().out


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
