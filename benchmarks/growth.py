"""How time and memory grow with networks, widths and rows: each point in a process of its own.

A point is trained as `lib.study` trains, one shard after another, without writing to the store.
`python -m benchmarks.growth POINT`, with a point as JSON, measures one and prints it as JSON.
"""

import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib import ROOT, seeds
from lib.networks import protocols, training
from lib.study import Shard, changed
from lib.tasks import datasets

MIB = 2**20 if sys.platform == "darwin" else 2**10
"""What `ru_maxrss` counts to a mebibyte: bytes on macOS, kibibytes elsewhere."""

SHARDS = (1, 10, 100, 910)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
LIMITS = (640, 1280, 2560, 5120, 10240)


@dataclass(frozen=True)
class Point:
    """What is trained: `shards` seeds of these widths on 4-9, `steps` full-batch steps each.

    axis: what grows; value: how far. limit: rows of the pair before the 80/20 split, None for all.
    """

    axis: str
    value: int
    widths: tuple[int, ...]
    shards: int
    limit: int | None
    steps: int

    def shard(self, seed: int) -> Shard:
        """One shard; seeds count up."""
        protocol = changed("described", steps=self.steps)
        return Shard("MNIST", "4-9", protocol, tuple(self.widths), seed, self.limit)


def points(quick: bool) -> list[Point]:
    """Every point of the three curves; `quick` takes two small ones of the first."""
    published = protocols.PUBLISHED_WIDTHS
    if quick:
        return [Point("networks", 11 * n, published, n, 1280, 1) for n in (1, 3)]
    return [
        *(Point("networks", 11 * n, published, n, 1280, 2) for n in SHARDS),
        *(Point("width", w, (w,) * (1024 // w), 3, None, 5) for w in WIDTHS),
        *(Point("rows", 4 * n // 5, published, 5, n, 10) for n in LIMITS),
    ]


def peak() -> float:
    """The most memory that this process has held so far, in MiB.

    On Linux, of this program alone: `ru_maxrss` begins with what the process that started it held.
    """
    status = Path("/proc/self/status")
    lines = status.read_text("utf-8").splitlines() if status.is_file() else []
    held = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    if held:
        return int(held[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def train_one(shard: Shard) -> float:
    """Make a shard's rows and networks as `lib.study` does, train them; seconds of training."""
    begin = protocols.initial(
        shard.protocol, shard.dataset, shard.task, list(shard.widths), shard.seed
    )
    order = seeds.generator(shard.dataset, shard.task, "order", shard.seed)
    split = shard.split
    start = time.perf_counter()
    training.train(begin, split, shard.protocol, order)
    return time.perf_counter() - start


def measure(point: Point) -> dict[str, object]:
    """Time and peak memory of one point, after a small shard to warm up."""
    datasets.load("MNIST")
    train_one(replace(point, widths=(2,), limit=640, steps=1).shard(point.shards))
    base, start = peak(), time.perf_counter()
    trained = [train_one(point.shard(seed)) for seed in range(point.shards)]
    seconds = time.perf_counter() - start
    return {
        "axis": point.axis,
        "value": point.value,
        "networks": len(point.widths) * point.shards,
        "units": sum(point.widths) * point.shards,
        "rows": len(point.shard(point.shards - 1).split.train),
        "steps": point.steps,
        "threads": torch.get_num_threads(),
        "seconds": seconds,
        "seconds_training": sum(trained),
        "seconds_a_shard": float(np.median(trained)),
        "base_mib": base,
        "peak_mib": peak(),
    }


def measured(point: Point) -> dict[str, object]:
    """The same in a fresh process, so that no other point's memory is seen."""
    command = [sys.executable, "-m", "benchmarks.growth", json.dumps(asdict(point))]
    answer = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return json.loads(answer.stdout)


COST = {"networks": "seconds", "width": "seconds_a_shard", "rows": "seconds_a_shard"}
"""The cost that grows: of everything with the networks, of training one shard with the others."""


def slope(x: pd.Series, y: pd.Series) -> float:
    """The slope of y against x on logarithmic axes, by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def table(quick: bool) -> pd.DataFrame:
    """Every point measured, with the slopes of its curve repeated in each of its rows."""
    rows = []
    with ThreadPoolExecutor(2 if quick else 1) as waiting:
        for row in waiting.map(measured, points(quick)):
            rows.append(row)
            print(f"  {row['axis']} {row['value']}: {row['seconds']:.2f} s", flush=True)
    found = pd.DataFrame(rows)
    for axis, part in found.groupby("axis"):
        found.loc[part.index, "slope_seconds"] = slope(part.value, part[COST[str(axis)]])
        found.loc[part.index, "slope_peak"] = slope(part.value, part.peak_mib)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Point(**json.loads(sys.argv[1])))))
