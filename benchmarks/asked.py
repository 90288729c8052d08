"""How long what is asked of trained networks takes: `python -m benchmarks.asked`.

550 networks: five pairs, eleven widths, ten seeds of `described`, trained first where the store has
them not. Two processes, as the notebooks run; a time is that of the second of two turns, from
handing out the work to the last table, and so with rows that each process has read before.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch

from lib import measures, saliency, seeds, study
from lib.measures.base import frame
from lib.networks.protocols import PUBLISHED_WIDTHS
from lib.robustness import adversary, corruptions
from lib.study import Machine, Run, store
from lib.tasks import PUBLISHED_ORDER

HERE = Path(__file__).resolve().parent
EPSILON, STEPS = 0.05, 40


def mapped(run: Run, method: str, rows: int) -> pd.DataFrame:
    """The maps of a kind, and of each network the largest value, so that a table comes back."""
    maps = saliency.maps(run.networks, run.shard.scored.images[:rows], method)
    return frame(len(run.networks), largest=maps.amax((1, 2)))


def attacked(run: Run, rows: int) -> pd.DataFrame:
    """The share of rows that withstand projected gradient descent of 40 steps."""
    some, shard = run.shard.scored.take(torch.arange(rows)), run.shard
    draw = seeds.generator(shard.dataset, shard.task, "benchmark", shard.seed)
    images = adversary.pgd(run.networks, some, EPSILON, steps=STEPS, generator=draw)
    held = adversary.withstood(run.networks, images, some.labels)
    return frame(len(run.networks), share=held.double().mean(1))


Question = tuple[str, float, Callable[..., pd.DataFrame], dict[str, object]]


def questions(quick: bool) -> list[Question]:
    """What is asked, within how many seconds, the measure and its options."""
    rows, few = (20, 10) if quick else (1000, 500)
    fifteen = [name for name, each in corruptions.CORRUPTIONS.items() if each.mnist_c]
    return [
        *((f"maps: {method}", 10, mapped, {"method": method, "rows": rows})
          for method in saliency.METHODS),
        ("fifteen corruptions", 180, measures.corrupted,
         {"corruptions": fifteen[: 2 if quick else None]}),
        (f"PGD, {STEPS} steps", 180, attacked, {"rows": few}),
    ]  # fmt: skip


def timed(shards: Sequence[study.Shard], question: Question, machine: Machine) -> float:
    """Seconds of the second of two turns; the first is on a few shards."""
    _, _, measure, options = question
    study.table(shards[: 2 * machine.jobs], measure, machine, **options)
    begin = time.perf_counter()
    study.table(shards, measure, machine, **options)
    return time.perf_counter() - begin


def main(arguments: Sequence[str]) -> None:
    """Ask everything, and write benchmarks/asked.csv (build/benchmarks with --quick)."""
    parser = argparse.ArgumentParser("python -m benchmarks.asked", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few networks and rows")
    quick = parser.parse_args(arguments).quick
    widths, order = ((2, 8), range(1)) if quick else (PUBLISHED_WIDTHS, range(10))
    given = {"described": list(order)}
    shards = study.shards(
        "MNIST", PUBLISHED_ORDER, given, widths, 1000 if quick else None,
        **({"steps": 2} if quick else {}),
    )  # fmt: skip
    machine = Machine(2, "cpu", None)
    study.train(shards, machine)
    networks = sum(len(shard.widths) for shard in shards)
    rows = [
        {"asked": each[0], "networks": networks, "seconds": timed(shards, each, machine)}
        | {"limit": each[1]}
        for each in questions(quick)
    ]
    table = pd.DataFrame(rows).round({"seconds": 1})
    folder = Path("build/benchmarks") if quick else HERE
    store.write_table(table, folder / "asked.csv")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main(sys.argv[1:])
