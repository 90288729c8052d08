"""What a study trains, said once: the notebooks ask here, and a dry run counts and times it.

`python -m lib.study.plan params/<profile>` prints shards, networks, FLOPs and the expected time, by
data set and protocol. It trains a few steps to learn how fast this machine is, and keeps nothing.
What notebook 03 trains after pruning is not counted: it is a measure of the networks counted
here.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import cpu_count

from lib import study
from lib.errors import told, unknown
from lib.study import Shard, parameters
from lib.study.backends import Machine
from lib.study.costs import Speed, costs, on_disk, speed
from lib.tasks import ALL_PAIRS, datasets

Settings = Mapping[str, Any]
"""The parameters of a notebook by name."""


def full_batch(settings: Settings) -> str:
    """The protocol of the learning rates and first curves: the published one, if it has seeds."""
    return "published" if "published" in settings["seeds"] else "described"


def asked(
    settings: Settings,
    tasks: Iterable[str],
    seeds: dict[str, list[int]],
    widths: Iterable[int],
    **changes: object,
) -> list[Shard]:
    """Shards of a notebook's data set; `changes` replace fields of the protocols."""
    limit = settings["limit"]
    return study.shards(settings["dataset"], list(tasks), seeds, sorted(widths), limit, **changes)


def networks(settings: Settings) -> list[Shard]:
    """The networks that a notebook compares: every task, width and seed that it names."""
    named = {settings[name] for name in ("width", "narrow", "wide") if name in settings}
    tasks = dict.fromkeys([*settings["tasks"], settings["task"]])
    return asked(settings, tasks, settings["seeds"], {*settings["widths"], *named})


def beside_logistic(settings: Settings) -> list[Shard]:
    """The same, and logistic regression (width 0) beside them."""
    return with_logistic(networks(settings))


def with_logistic(shards: Iterable[Shard]) -> list[Shard]:
    """Shards with logistic regression (width 0) beside them, which `published` does not have."""
    return [
        each if each.protocol.name == "published" else replace(each, widths=(0, *each.widths))
        for each in shards
    ]


def every_pair(settings: Settings) -> list[Shard]:
    """The networks of a notebook's tasks and of the pairs beside them, further widths included.

    The protocol `published` has neither further widths nor other pairs.
    """
    tasks, others = settings["tasks"], [p for p in pairs(settings) if p not in settings["tasks"]]
    replays = {k: v for k, v in settings["seeds"].items() if k == "published"}
    ours = {k: v for k, v in settings["seeds"].items() if k != "published"}
    widths = all_widths(settings)
    return [
        *asked(settings, tasks, replays, settings["widths"]),
        *asked(settings, tasks, ours, widths),
        *asked(settings, others, settings["pair_seeds"], widths),
    ]


def pairs(settings: Settings) -> list[str]:
    """Every pair that a notebook compares: its tasks, and the pairs that it names, or all 45."""
    named = ALL_PAIRS if settings["pairs"] is None else settings["pairs"]
    return sorted({*settings["tasks"], *named})


def all_widths(settings: Settings) -> list[int]:
    """The widths of a notebook with the further ones, rising."""
    return sorted({*settings["widths"], *settings["further_widths"]})


def by_learning_rate(settings: Settings) -> dict[float, list[Shard]]:
    """The networks of a notebook's one task, trained by full batches at each learning rate.

    Logistic regression (width 0) stands beside those of `described`.
    """
    seeds = {"described": settings["budget_seeds"]}
    replays = {k: v for k, v in settings["seeds"].items() if k == "published"}
    tasks, widths = [settings["task"]], settings["widths"]
    return {
        rate: [
            *asked(settings, tasks, replays, widths, learning_rate=rate),
            *asked(settings, tasks, seeds, {0, *widths}, learning_rate=rate),
        ]
        for rate in settings["learning_rates"]
    }


Budget = tuple[int, float]
"""Full-batch steps and their learning rate, whose product is the budget."""


def budgets(settings: Settings) -> list[Budget]:
    """The budgets of a notebook, smallest first: a training goes on from a shorter one."""
    return sorted(((s, r) for s, r in settings["budgets"]), key=lambda each: each[0] * each[1])


def by_budget(settings: Settings) -> dict[tuple[Budget, float], list[Shard]]:
    """The networks trained for each budget, from each scale of initial weights.

    The first scale is for all tasks, the others for the notebook's one task.
    """
    seeds, found = {"described": settings["budget_seeds"]}, {}
    for scale in settings["scales"]:
        tasks = settings["tasks"] if scale == settings["scales"][0] else [settings["task"]]
        for steps, rate in budgets(settings):
            changes = {"steps": steps, "learning_rate": rate, "scale": scale}
            found[(steps, rate), scale] = asked(
                settings, tasks, seeds, all_widths(settings), **changes
            )
    return found


def by_equal_budget(settings: Settings) -> dict[Budget, list[Shard]]:
    """The networks of a notebook's one task, trained for one budget at several learning rates."""
    what = [settings["task"]], {"described": settings["budget_seeds"]}, all_widths(settings)
    return {
        (steps, rate): asked(settings, *what, steps=steps, learning_rate=rate)
        for steps, rate in settings["equal_budgets"]
    }


def by_ablation(settings: Settings) -> dict[tuple[str, str], list[Shard]]:
    """The networks with one thing changed: what that is, and to what.

    optimiser: `described` with Adam, at its default rate, for gradient descent. rows: `converged`
    on so many rows of a pair. What either is held against has the same seeds and stands first.
    """
    tasks, widths = settings["tasks"], all_widths(settings)
    described, converged = ({k: settings["budget_seeds"]} for k in ("described", "converged"))
    adam = {"optimiser": "adam", "learning_rate": 0.001}
    found = {
        ("optimiser", "sgd"): asked(settings, tasks, described, widths),
        ("optimiser", "adam"): asked(settings, tasks, described, widths, **adam),
        ("rows", "all"): asked(settings, tasks, converged, widths),
    }
    for rows in settings["row_counts"]:
        fewer = {**settings, "limit": rows}
        found["rows", str(rows)] = asked(fewer, tasks, converged, widths)
    return found


def at_each_learning_rate(settings: Settings) -> list[Shard]:
    """Those of `by_learning_rate` in one list."""
    return [shard for shards in by_learning_rate(settings).values() for shard in shards]


def at_compared_widths(settings: Settings) -> list[Shard]:
    """The networks of a notebook's one task and compared widths, with all seeds."""
    return asked(settings, [settings["task"]], settings["seeds"], settings["compared_widths"])


def compared_beside_logistic(settings: Settings) -> list[Shard]:
    """The same, and logistic regression (width 0) beside them."""
    return with_logistic(at_compared_widths(settings))


def by_training(settings: Settings) -> dict[str, list[Shard]]:
    """Networks of a notebook's one task and compared widths by how long they were trained.

    By the budget in full batches, and last "converged"; beside them logistic regression (width 0).
    """
    seeds, widths = settings["budget_seeds"], {0, *settings["compared_widths"]}
    what = [settings["task"]]
    further = {
        f"{steps * rate:g}": asked(
            settings, what, {"described": seeds}, widths, steps=steps, learning_rate=rate
        )
        for steps, rate in budgets(settings)
    }
    return further | {"converged": asked(settings, what, {"converged": seeds}, widths)}


def at_each_training(settings: Settings) -> list[Shard]:
    """The same in one list."""
    return [shard for shards in by_training(settings).values() for shard in shards]


def at_each_budget(settings: Settings) -> list[Shard]:
    """Those of `by_budget` in one list."""
    return [shard for shards in by_budget(settings).values() for shard in shards]


def at_each_equal_budget(settings: Settings) -> list[Shard]:
    """Those of `by_equal_budget` in one list."""
    return [shard for shards in by_equal_budget(settings).values() for shard in shards]


def at_each_ablation(settings: Settings) -> list[Shard]:
    """Those of `by_ablation` in one list."""
    return [shard for shards in by_ablation(settings).values() for shard in shards]


def exactly_compared(settings: Settings) -> list[Shard]:
    """The two networks of every task and seed whose exact robust accuracies are compared."""
    widths = {settings["narrow"], settings["wide"]}
    return asked(settings, settings["tasks"], settings["seeds"], widths)


def mapped(settings: Settings) -> list[Shard]:
    """The networks that the map of exact robust accuracy has, dense and pruned."""
    return asked(settings, settings["tasks"], settings["map_seeds"], settings["map_widths"])


def solved(settings: Settings) -> list[Shard]:
    """Those of them whose least changes a mixed-integer programme finds, too."""
    return asked(settings, settings["tasks"], settings["map_seeds"], settings["solved_widths"])


def at_audited_widths(settings: Settings) -> list[Shard]:
    """The networks that a notebook prunes by every criterion in one shot."""
    widths = {settings["width"]}.union(*settings["audited_widths"].values())
    return asked(settings, settings["tasks"], settings["seeds"], widths)


def audited(settings: Settings) -> list[Shard]:
    """The networks that a notebook trains on after pruning, beside their controls."""
    return [
        shard
        for protocol, seeds in settings["audited_seeds"].items()
        for shard in asked(
            settings, settings["tasks"], {protocol: seeds}, settings["audited_widths"][protocol]
        )
    ]


def compared(settings: Settings) -> list[Shard]:
    """The networks that a notebook trains on after pruning by other criteria."""
    return asked(settings, settings["tasks"], settings["compared_seeds"], [settings["width"]])


def sized(settings: Settings) -> list[Shard]:
    """The networks whose essential size a notebook takes: all seeds of its tasks, `sized_seeds` of
    its other pairs."""
    own = {name: settings["seeds"][name] for name in settings["sized_seeds"]}
    pairs = settings["pairs"] or ALL_PAIRS
    shards = [
        *asked(settings, settings["tasks"], own, [settings["width"]]),
        *asked(settings, pairs, settings["sized_seeds"], [settings["width"]]),
    ]
    return list(dict.fromkeys(shards))


def hidden(settings: Settings) -> list[Shard]:
    """The networks whose hidden layers a notebook compares: every task and seed that it names."""
    widths = settings["tested_widths"]
    return asked(settings, settings["tasks"], settings["seeds"], widths)


def looked_at(settings: Settings, seeds: dict[str, list[int]]) -> list[Shard]:
    """The networks of a notebook's one task and width."""
    return asked(settings, [settings["task"]], seeds, [settings["width"]])


def replayed(settings: Settings) -> list[Shard]:
    """The published network of a notebook's one task, width and seed."""
    return looked_at(settings, {"published": [settings["seed"]]})


def at_width(settings: Settings) -> list[Shard]:
    """The networks of a notebook's one width, on all its tasks."""
    return asked(settings, settings["tasks"], settings["seeds"], [settings["width"]])


def audited_at_width(settings: Settings) -> list[Shard]:
    """Those of them that a notebook also trains again."""
    return asked(settings, settings["tasks"], settings["audited_seeds"], [settings["width"]])


TRAINED: dict[str, list[Callable[[Settings], list[Shard]]]] = {
    "01_tasks": [],
    "02_capacity": [
        at_each_learning_rate,
        every_pair,
        at_each_budget,
        at_each_equal_budget,
        at_each_ablation,
    ],
    "03_pruning": [
        replayed,
        networks,
        at_audited_widths,
        audited,
        compared,
        sized,
        hidden,
    ],
    "04_robustness": [
        beside_logistic,
        at_compared_widths,
        compared_beside_logistic,
        at_each_training,
        exactly_compared,
        mapped,
        solved,
    ],
    "05_saliency": [replayed, networks, at_width, audited_at_width],
}
"""What each notebook has trained; those of `looked_at` that it has seeds for are among them."""


def shards(profile: Mapping[str, Settings]) -> list[Shard]:
    """Each shard that the notebooks of a profile have trained, once, with all its widths."""
    widths: dict[Shard, set[int]] = {}
    for notebook, settings in profile.items():
        for trained in TRAINED[notebook]:
            for shard in trained(settings):
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
    parser = argparse.ArgumentParser(
        "python -m lib.study.plan", description="Count and time a study."
    )
    parser.add_argument("profile", type=Path, help="a folder of params/")
    parser.add_argument("--datasets", nargs="+", help="in the place of the profile's own")
    options = parser.parse_args(arguments)
    profile = parameters.read_profile(options.profile)
    names = options.datasets or [profile["02_capacity"]["dataset"]]
    for name in names:
        if name not in datasets.OPTIONS:
            raise unknown("dataset", name, datasets.OPTIONS)
    wanted = [
        shard
        for name in names
        for shard in shards({n: {**s, "dataset": name} for n, s in profile.items()})
    ]
    where = {name: profile["02_capacity"][name] for name in ("device", "scheduler")}
    wanted = study.placed(wanted, Machine(**where))
    fast = speed(wanted)
    print(summary(costs(wanted, fast)), sources(wanted, fast), sep="\n\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
