"""What tests give workers to do; it imports little, since each new worker has to import it."""

import os
import signal
from pathlib import Path

import torch
from threadpoolctl import threadpool_info

from lib.errors import UserError


def threads(_: int) -> tuple[set[int], int]:
    """How many threads each library here has, and the number of this process."""
    found = {library["num_threads"] for library in threadpool_info()}
    return found | {torch.get_num_threads()}, os.getpid()


def reads(_: int) -> tuple[int, int]:
    """The number of this process, and how often it has read the data by now."""
    from lib.tasks import datasets

    datasets.load("MNIST")
    return os.getpid(), datasets.load.cache_info().misses


def refuse(shard: str) -> str:
    """What a task does that finds its parameters wrong."""
    if shard == "bad":
        raise UserError("width 0 is not allowed")
    return shard


def kill(shard: str, log: Path) -> str:
    """Note the shard; of the bad one, kill the worker."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{shard}\n")
    if shard == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


def train_unless_killed(shard, group) -> None:
    """Train a shard; but at seed 1, the first time beside this cache, kill the worker."""
    from lib.study import store, trained

    asked = store.CACHE.parent / "asked"
    if shard.seed == 1 and not asked.exists():
        asked.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    trained.train_shards(shard, group)
