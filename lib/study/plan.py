"""What a profile trains, counted and timed: `python -m lib.study.plan params/<profile>`.

Each notebook says itself which networks it trains, in its cell tagged `shards`. That cell alone is
executed here, with the profile's parameters; a few steps are trained to learn how fast this machine
is, and nothing is kept. What notebook 03 trains after pruning is not counted: it is a measure of
the networks counted here.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import cpu_count

from lib.errors import told, unknown
from lib.study import parameters
from lib.study.backends import Machine
from lib.study.costs import Speed, costs, on_disk, speed
from lib.study.shard import Shard
from lib.study.trained import placed
from lib.tasks import datasets


def named(notebook: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a notebook's cell tagged `shards` gives under these parameters, by name.

    A notebook that trains nothing has no such cell.
    """
    names = dict(settings)
    for source in parameters.cells(notebook, "shards"):
        exec(compile(source, f"{notebook}, cell `shards`", "exec"), names)
    return {name: value for name, value in names.items() if name not in {*settings, "__builtins__"}}


def within(value: object) -> Iterator[Shard]:
    """The shards in a value, or in what it holds."""
    if isinstance(value, Shard):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from within(each)


def every_shard(profile: Mapping[str, Mapping[str, Any]]) -> list[Shard]:
    """Each shard that the notebooks of a profile have trained, once, with all its widths."""
    widths: dict[Shard, set[int]] = {}
    for notebook, settings in profile.items():
        for shard in within(named(notebook, settings)):
            widths.setdefault(replace(shard, widths=()), set()).update(shard.widths)
    return [replace(shard, widths=tuple(sorted(found))) for shard, found in widths.items()]


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, length in {"days": 86400, "h": 3600, "min": 60}.items():
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def summary(table: pd.DataFrame) -> str:
    """The costs by data set and protocol, and of all together, as text."""
    every = pd.concat([table, table.assign(dataset="all", protocol="")])
    sums = every.groupby(["dataset", "protocol"], sort=False).sum().reset_index()
    sums["TFLOP"] = sums.pop("flops") / 1e12
    seconds = sums.pop("seconds")
    sums["left, one core"] = seconds.map(duration)
    sums["left, this machine"] = (seconds / cpu_count()).map(duration)
    return sums.to_string(index=False, float_format="{:,.1f}".format)


def sources(wanted: Sequence[Shard], fast: Speed) -> str:
    """Where the numbers of a plan come from."""
    reached = ", ".join(f"{1e-9 / a_flop:.0f} ({name})" for name, (_, a_flop) in fast.items())
    lines = [
        "Time is that of training alone, on the processor, one thread a shard. Measured just now,"
        f" GFLOP/s a core with all {cpu_count()} busy: {reached}."
    ]
    absent = [name for name in dict.fromkeys(s.dataset for s in wanted) if not on_disk(name)]
    if absent:
        lines.append(
            f"Not on disk: {', '.join(absent)}; rows are MNIST's, by as much more as the training"
            " file has; all pixels count as lit, which is the most there can be."
        )
    return "\n".join(lines)


@told
def main(arguments: list[str]) -> None:
    """Print the plan of a profile; 0, or 2 and one sentence where something given is wrong."""
    parser = argparse.ArgumentParser("python -m lib.study.plan", description="Count a study.")
    parser.add_argument("profile", type=Path, help="a folder of params/")
    parser.add_argument("--datasets", nargs="+", help="in the place of the profile's own")
    options = parser.parse_args(arguments)
    profile = parameters.read_profile(options.profile)
    names = options.datasets or [profile["02_capacity"]["dataset"]]
    for name in names:
        if name not in datasets.SOURCES:
            raise unknown("dataset", name, datasets.SOURCES)
    wanted = [
        shard
        for name in names
        for shard in every_shard({n: {**s, "dataset": name} for n, s in profile.items()})
    ]
    where = {name: profile["02_capacity"][name] for name in ("device", "scheduler")}
    wanted = placed(wanted, Machine(**where))
    fast = speed(wanted)
    print(summary(costs(wanted, fast)), sources(wanted, fast), sep="\n\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
