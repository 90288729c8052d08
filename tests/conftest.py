"""What every test stands on: a cache of its own, and where it asks for them, made-up digits."""

import os
from pathlib import Path

import checkout
import made_up
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings

from lib.study import shard, store
from lib.tasks import datasets
from lib.tasks.datasets import Dataset

settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")
torch.set_num_threads(1)  # nothing here is large enough for two

EXECUTED = ("01_tasks", "02_capacity")
TINY = {"limit": 300, "widths": [4, 8, 24], "curve_widths": [4, 24]}
TINY |= {"tested_widths": [4, 24], "rows": 20}  # which have to go with these


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, in this process and in those that it starts; never the real one."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(store, "CACHE", folder)
    monkeypatch.setenv("LOW_CAPACITY_CACHE", str(folder))
    shard.split_of.cache_clear()  # it keeps rows by the name of a data set
    return folder


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Made-up digits, also wherever `lib` loads a data set."""
    monkeypatch.setattr(datasets, "load", made_up.dataset)
    shard.split_of.cache_clear()
    return made_up.dataset()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test come first, and notebooks: no worker is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow and item.path.suffix != ".ipynb")


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the first two notebooks run by a profile `tiny`, a smaller `smoke`.

    One for all workers, so that nothing is written there afterwards.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "executed.lock"):
        known = shared / "executed.txt"
        if not known.exists():
            folder = checkout.made(tmp_path_factory.mktemp("first") / "checkout")
            checkout.profile(folder, "tiny", **TINY)
            for notebook in EXECUTED:
                checkout.execute(folder, notebook, "tiny")
            known.write_text(str(folder), "utf-8")
        return Path(known.read_text("utf-8"))
