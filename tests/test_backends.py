"""Work is done in this process, in several or on a Dask cluster, and ends the same in each."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import errands
import pandas as pd
import pytest
import torch
from distributed import LocalCluster
from joblib.externals.loky import get_reusable_executor
from test_store import content
from threadpoolctl import threadpool_info

from lib import measures, study
from lib.errors import UserError
from lib.statistics import minimum_widths
from lib.study import backends, store, trained
from lib.study.backends import HERE, Machine
from lib.tasks import datasets

pytestmark = pytest.mark.slow

SEEDS = {"published": [0, 42], "converged": [0, 1]}
STUDY = study.shards("MNIST", ["4-9"], SEEDS, [2, 8], limit=200)
EACH = pytest.mark.parametrize("name", ["here", "processes", "dask"])


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The cache that the workers of each backend see, for as long as they live."""
    yield {name: tmp_path_factory.mktemp(name) / "cache" for name in ("processes", "dask")}
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="module")
def cluster(caches) -> Iterator[LocalCluster]:
    """A Dask cluster of two processes."""
    get_reusable_executor().shutdown(wait=True)  # what other tests have left
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOW_CAPACITY_CACHE", str(caches["dask"]))
        options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(n_workers=2, **options) as cluster:
            yield cluster


@pytest.fixture
def use(cluster, caches, cache, monkeypatch) -> Callable[[str], Machine]:
    """The machine of a name; from then on this process and new workers see its cache."""

    def machine(name: str) -> Machine:
        folder = caches.get(name, cache)
        monkeypatch.setattr(store, "CACHE", folder)
        monkeypatch.setenv("LOW_CAPACITY_CACHE", str(folder))
        address = cluster.scheduler_address if name == "dask" else None
        return Machine(jobs=2 if name == "processes" else 1, scheduler=address)

    return machine


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_trained(monkeypatch, cache, jobs):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"device is 'cuda', .* finds no GPU here: give 'cpu'"):
        study.train(STUDY, Machine(jobs=jobs, device="cuda"))
    assert not list(cache.rglob("*.safetensors"))


def test_tables_and_networks_are_the_same_to_the_byte_though_a_worker_is_killed(
    use, monkeypatch, capfd
):
    tables, networks = {}, {}
    for name in ("here", "processes", "dask"):
        machine = use(name)
        if name != "here":
            monkeypatch.setattr(trained, "train_shards", errands.train_unless_killed)
        tables[name] = study.table(STUDY, measures.capacity, machine)
        networks[name] = content(store.CACHE)
        assert (store.CACHE.parent / "asked").exists() == (name != "here")
        bars = capfd.readouterr().err
        for label in ("training", "capacity"):
            assert re.search(rf"{label}: 100%.* 4/4 ", bars)
    assert len(networks["here"]) == 4
    assert networks["here"] == networks["processes"] == networks["dask"]
    scored_by = dict.fromkeys(SEEDS, "f1_test")
    needed = minimum_widths(tables["here"], scored_by, 0.9)
    for name in ("processes", "dask"):
        pd.testing.assert_frame_equal(tables["here"], tables[name], check_exact=True)
        pd.testing.assert_frame_equal(needed, minimum_widths(tables[name], scored_by, 0.9))


def test_the_order_of_the_shards_changes_no_network(cache, tmp_path, monkeypatch):
    study.train(STUDY)
    monkeypatch.setattr(store, "CACHE", tmp_path / "backwards")
    study.train(STUDY[::-1])
    assert content(cache) == content(tmp_path / "backwards")


@EACH
def test_a_process_reads_the_data_once_for_all_its_tasks(use, name):
    datasets.load.cache_clear()
    found = backends.run(errands.reads, [(i,) for i in range(8)], use(name))
    assert {times for _, times in found} == {1}
    assert ({process for process, _ in found} == {os.getpid()}) is (name == "here")


@EACH
def test_a_task_has_one_thread_and_the_caller_keeps_its_own(use, name):
    torch.set_num_threads(2)
    before = threadpool_info()
    try:
        found = backends.run(errands.threads, [(i,) for i in range(4)], use(name))
        assert torch.get_num_threads() == 2
        assert threadpool_info() == before
    finally:
        torch.set_num_threads(1)
    assert all(counts == {1} for counts, _ in found)


def test_results_come_in_the_order_of_the_work_or_as_they_are_done(use):
    work = [(str(i),) for i in range(20)]
    assert backends.run(errands.refuse, work, use("processes")) == [name for (name,) in work]
    done = backends.as_completed(errands.refuse, work, use("processes"))
    assert sorted(done) == [(i, str(i)) for i in range(20)]


@EACH
def test_what_a_task_raises_is_raised_as_it_is(use, name):
    with pytest.raises(UserError, match=r"^width 0 is not allowed$"):
        backends.run(errands.refuse, [("good",), ("bad",), ("good",)], use(name))


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        ("code", lambda: "other", "has other code in lib, or another version of torch"),
        ("CACHE", "elsewhere", r"keeps its cache in \S+, which is not \S+elsewhere of this"),
    ],
    ids=["code", "cache"],
)
def test_a_worker_with_other_code_or_another_cache_is_refused(
    use, tmp_path, monkeypatch, what, value, said
):
    machine = use("dask")
    if what == "code":
        monkeypatch.setattr(backends, "all_code", value)
    else:
        monkeypatch.setattr(store, "CACHE", tmp_path / value)
    with pytest.raises(UserError, match=rf"^the Dask worker tcp://\S+ {said}"):
        backends.run(errands.refuse, [("good",)], machine)
    assert not list(store.CACHE.glob(".client*"))


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_a_shard_that_kills_its_worker_each_time_is_sent_again_and_then_named(
    use, cluster, name, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)  # else it takes four of them
    work = [(shard, tmp_path / "log") for shard in ("one", "bad", "two")]
    done = backends.as_completed(errands.kill, work, use(name))
    with pytest.raises(UserError, match=r"^a worker died each time that it was given bad: use few"):
        list(done)
    log = (tmp_path / "log").read_text("utf-8").split()
    assert log.count("bad") == 1 + backends.RESENT
    assert capfd.readouterr().err.count("sent again") == backends.RESENT


def test_a_worker_of_several_threads_is_refused():
    options = {"processes": False, "n_workers": 1, "dashboard_address": ":0"}
    with LocalCluster(threads_per_worker=2, protocol="tcp", **options) as cluster:
        machine = Machine(scheduler=cluster.scheduler_address)
        with pytest.raises(UserError, match=r"runs 2 tasks at once: start it with --nthreads 1$"):
            backends.run(errands.refuse, [("good",)], machine)


def test_a_scheduler_that_does_not_answer_is_one_sentence_and_without_work_not_asked(monkeypatch):
    assert backends.CONNECT_SECONDS <= 10
    monkeypatch.setattr(backends, "CONNECT_SECONDS", 1)
    machine = Machine(scheduler="tcp://127.0.0.1:9")
    said = r"^no Dask scheduler answers at tcp://127.0.0.1:9 \(.+\): start one with [^\n]*$"
    with pytest.raises(UserError, match=said):
        backends.run(errands.refuse, [("good",)], machine)
    assert backends.run(errands.refuse, [], machine) == []


def test_what_another_run_has_trained_meanwhile_is_not_trained_again(monkeypatch):
    narrow, shard = (replace(STUDY[0], widths=widths) for widths in ((2,), (2, 8)))
    kept, put = [], store.put_networks
    monkeypatch.setattr(
        store, "put_networks", lambda *given: (kept.append(given[2]["widths"]), put(*given))
    )
    for each in (narrow, shard, shard):
        trained.train_shards(each, [each])
    assert [widths.tolist() for widths in kept] == [[2], [8]]


def test_a_shard_is_named_by_what_it_is():
    assert str(STUDY[0]) == "MNIST 4-9 published seed 0"
    assert Machine(jobs=1, device="cpu", scheduler=None) == HERE
