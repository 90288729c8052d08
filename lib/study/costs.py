"""What training costs: FLOPs, counted, and the time they take here, from a short trial."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from joblib import cpu_count

from lib.errors import UserError
from lib.networks.training import EVERY
from lib.study import backends
from lib.study.backends import Machine
from lib.study.shard import Shard, split_of
from lib.study.trained import missing_widths, together, train_networks
from lib.tasks import datasets

Speed = dict[str, tuple[float, float]]
"""By protocol: seconds a shard takes beside its products, and seconds a FLOP, on one core."""

TRIED = 5
"""How many times as many steps the longer of two trials has more than the shorter."""


@cache
def on_disk(dataset: str) -> bool:
    """Whether a data set can be read without a network."""
    if dataset == "MNIST":
        return True
    try:
        datasets.SOURCES[dataset].fetch("train", False)
    except UserError:
        return False
    return True


@cache
def size(dataset: str, task: str, split: str, limit: int | None) -> tuple[float, int]:
    """Training rows and lit pixels of a task, at seed 0: at others they differ by few.

    For a data set that is not on disk: MNIST's rows, by as much more as its file has, all lit.
    """
    if on_disk(dataset):
        rows = split_of(dataset, task, split, 0, limit)
        return len(rows.train), int(rows.lit.sum())
    source, mnist = (datasets.SOURCES[name] for name in (dataset, "MNIST"))
    more = 1 if limit else source.rows / mnist.rows
    return size("MNIST", task, split, limit)[0] * more, datasets.SIDE**2


def flops(shard: Shard) -> float:
    """Floating-point operations of the two large products in all steps of all networks."""
    return flops_of_any(replace(shard, seed=0))


@cache
def flops_of_any(shard: Shard) -> float:
    """The FLOPs of a shard whatever its seed."""
    rows, lit = size(shard.dataset, shard.task, shard.protocol.split, shard.limit)
    a_step = rows / np.ceil(rows / (shard.protocol.batch or rows))  # the mean over an epoch
    return 4 * a_step * (lit + 1) * shard.protocol.steps * sum(shard.widths)


def trial(shard: Shard, steps: int) -> float:
    """Processor seconds that a shard takes from its rows on disk, with so many steps."""
    short = replace(shard, protocol=replace(shard.protocol, steps=steps))
    split_of.cache_clear()
    begin = time.process_time()
    for _ in train_networks(short, [steps]):
        pass
    return time.process_time() - begin


def speed(wanted: Iterable[Shard]) -> Speed:
    """How fast all cores are at once, from a few steps of a shard a protocol.

    The shard is the one with the most FLOPs. The least of a few trials is taken: other programs can
    only make them longer.
    """
    found, cores = {}, cpu_count()
    rising = sorted((replace(s, dataset="MNIST", device="cpu") for s in wanted), key=flops)
    examples = {shard.protocol.name: shard for shard in rising}
    for name, shard in examples.items():
        few = 1 if shard.protocol.batch is None else EVERY
        more = min(TRIED * few, max(1, shard.protocol.steps - few))
        work = [(shard, steps) for steps in 3 * (few, few + more) for _ in range(cores)]
        seconds = backends.run(trial, work, Machine(jobs=cores), f"calibration, {name}")
        short, longer = np.reshape(seconds, (3, 2, cores)).min(axis=(0, 2))
        a_step = max(longer - short, 0.0) / more
        alike = replace(shard, protocol=replace(shard.protocol, steps=1))
        found[name] = max(short - few * a_step, 0.0), a_step / flops(alike)
    return found


def costs(wanted: Sequence[Shard], fast: Speed) -> pd.DataFrame:
    """One row a training: what it is, FLOPs, whether the store has it, and seconds still to go.

    A training that passes through others is one (`trained.together`); their shards and networks
    count beside it.
    """
    rows = []
    for group in together(wanted):
        widths = sorted({width for shard in group for width in shard.widths})
        longest = replace(group[-1], widths=tuple(widths))
        here = on_disk(longest.dataset)
        missing = {w for s in group for w in (missing_widths(s) if here else s.widths)}
        setup, a_flop = fast[longest.protocol.name]
        left = flops(replace(longest, widths=tuple(sorted(missing))))
        rows.append(
            {
                "dataset": longest.dataset,
                "protocol": longest.protocol.name,
                "shards": len(group),
                "networks": sum(len(shard.widths) for shard in group),
                "flops": flops(longest),
                "in cache": 0 if missing else len(group),
                "seconds": setup + left * a_flop if missing else 0.0,
            }
        )
    return pd.DataFrame(rows)
