"""A small study on a slow disk that says what it does: to be killed at any moment.

It runs in a process group of its own, forked from a server that has imported everything; what it
starts in turn, such as the processes of joblib, is in that group too.
"""

import multiprocessing
import os
import time
from contextlib import redirect_stderr
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import torch
from joblib.externals.loky import get_reusable_executor

from lib import measures, study
from lib.study import store, trained
from lib.study.backends import Machine

SEEDS = {"published": [0, 42], "described": [0, 1, 2], "converged": [0]}
SHARDS = study.shards("MNIST", ["0-1", "4-9"], SEEDS, widths=[2, 8], limit=100)
FOLDERS = {shard.folder for shard in SHARDS}

train_shards, fsync = trained.train_shards, os.fsync


def say(*words: object) -> None:
    """Add a line to the log, which outlives whoever writes it."""
    with Path(os.environ["LOW_CAPACITY_CACHE"], "log").open("a", encoding="utf-8") as file:
        print(*words, file=file)


def slow_fsync(descriptor: int) -> None:
    """A pause when all is written, and not yet for good, so that a kill may well meet it there."""
    say("writing")
    time.sleep(0.02)
    fsync(descriptor)


def logged(longest: study.Shard, group: list[study.Shard]) -> None:
    """Train a shard, and first say so; in whichever process that is."""
    os.fsync = slow_fsync
    say("training", longest.folder)
    train_shards(longest, group)


def work(cache: Path, jobs: int) -> None:
    """The whole study into a cache, and a table of it beside the networks."""
    os.setpgrp()
    torch.set_num_threads(1)
    os.environ |= {"LOW_CAPACITY_CACHE": str(cache), "JOBLIB_TEMP_FOLDER": str(cache.parent)}
    store.CACHE = cache
    trained.train_shards = logged
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stderr(nowhere),
    ):  # progress bars
        table = study.table(SHARDS, measures.capacity, Machine(jobs))
    store.write_table(table, cache / "table.csv")
    if jobs > 1:  # else the end of this process waits for their idleness
        get_reusable_executor().shutdown()


def start(cache: Path, jobs: int = 1) -> BaseProcess:
    """Begin, or go on with, the study on that cache."""
    cache.mkdir(exist_ok=True)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["small_study"])
    process = server.Process(target=work, args=(cache, jobs))
    process.start()
    return process


def log(cache: Path) -> list[str]:
    """What all runs on that cache have said so far, a line each."""
    path = cache / "log"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def begun(lines: list[str]) -> list[str]:
    """The folders of the shards whose training has begun, in that order, as a log says."""
    return [line.removeprefix("training ") for line in lines if line.startswith("training ")]


def held(cache: Path) -> dict[str, tuple[int, int]]:
    """Every entry with its inode and the time of its writing: others, if it is written again."""
    paths = cache.rglob("*.safetensors")
    return {
        str(path.relative_to(cache)): ((facts := path.stat()).st_ino, facts.st_mtime_ns)
        for path in paths
    }


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that is dead and not yet buried does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
