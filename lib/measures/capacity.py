"""Tables of notebook 02: scores of the trained networks, how they came to them, and W*."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lib import statistics
from lib.measures.base import Frames, frame
from lib.networks.protocols import PROTOCOLS
from lib.networks.scores import SCORES, logistic_loss, scores
from lib.networks.training import points
from lib.study import Run


def capacity(run: Run) -> pd.DataFrame:
    """Every score of the trained networks on training and test rows, and the training loss.

    Columns such as f1_test and f1_train, and f1_train_best: the best on the training rows over the
    steps, as the published study scores: of the networks before each step, or, in mini-batches, as
    the batches were met.
    """
    split, networks = run.shard.split, run.networks
    logits = {part: networks.logits(getattr(split, part).images) for part in ("train", "test")}
    found = {part: scores(each, getattr(split, part).labels) for part, each in logits.items()}
    last = -1 if run.shard.protocol.batch is None else None
    found["train_best"] = {name: run.curves[f"{name}_train"][:last].amax(0) for name in SCORES}
    parts = ("train_best", "train", "test")
    columns = {f"{name}_{part}": found[part][name] for part in parts for name in SCORES}
    loss = logistic_loss(logits["train"], split.train.labels)
    return frame(len(networks), **columns, loss_train=loss)


def curves(run: Run) -> Frames:
    """The learning curves: columns network, step, curve, value."""
    for name, values in run.curves.items():
        for step, value in zip(points(run.shard.protocol), values, strict=True):
            yield frame(len(value), step=step, curve=name, value=value)


BUDGET = ["schedule", "steps", "learning_rate", "scale", "optimiser", "rows"]
"""What a minimum width is found under, beside the protocol; rows: of a pair's file, or "all"."""


def under_budget(networks: pd.DataFrame) -> pd.DataFrame:
    """The networks with the columns of `BUDGET`: those that are not there are the protocol's.

    budget is rate × steps, how far gradient descent at a constant rate follows its flow.
    """
    protocols = networks.protocol.map(PROTOCOLS)
    own = {name: [getattr(each, name, "all") for each in protocols] for name in BUDGET}
    found = networks.assign(**{name: own[name] for name in BUDGET if name not in networks})
    return found.assign(budget=(found.steps * found.learning_rate).round(6))


def minimum_widths(
    tables: Mapping[str, pd.DataFrame], values: Mapping[str, str], threshold: float, share: float
) -> pd.DataFrame:
    """W* of every task, protocol and budget in tables of networks, at both thresholds.

    Columns table (its name), those of `BUDGET`, and those of `statistics.minimum_widths`: once for
    `threshold` and once, relative, for `share` of the best mean; then widest, the widest network of
    that budget, and censored, whether W* lies beyond it.
    """
    found = []
    for name, table in tables.items():
        for under, rows in under_budget(table).groupby([*BUDGET, "budget"], sort=False):
            facts = {"table": name, **dict(zip([*BUDGET, "budget"], under, strict=True))}
            for bar, relative in ((threshold, False), (share, True)):
                needed = statistics.minimum_widths(rows, values, bar, relative)
                found.append(needed.assign(**facts, widest=rows.width.max()))
    every = pd.concat(found, ignore_index=True)
    first = ["table", "protocol", "task", *BUDGET, "budget"]
    return every[[*first, *every.columns.drop(first)]].assign(censored=every.minimum_width.isna())


def beyond(width: float, widest: int) -> str:
    """A minimum width, or an end of its interval, as the paper prints it; "" where there is none.

    What lies beyond the widest network is inf.
    """
    if math.isnan(width):
        return ""
    return f"{width:.0f}" if math.isfinite(width) else f"$>${widest}"


def printed(needed: pd.DataFrame) -> pd.DataFrame:
    """A table of `minimum_widths` with W* and the ends of its interval as the paper prints them."""
    widths = needed.minimum_width.mask(needed.censored, math.inf)
    columns = {"minimum_width": widths, "low": needed.low, "high": needed.high}
    texts = {
        name: [beyond(*each) for each in zip(values, needed.widest, strict=True)]
        for name, values in columns.items()
    }
    return needed.assign(**texts)


def ablation_table(needed: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """W* with its interval for LaTeX: a row for what a network was trained under, a column a task.

    needed: rows of `minimum_widths` at one threshold.
    """
    lines: dict[str, dict[str, str]] = {}
    for row in printed(needed).itertuples():
        interval = f" [{row.low}, {row.high}]" if row.low and row.high else ""
        lines.setdefault(conditions(row), {})[row.task] = row.minimum_width + interval
    table = pd.DataFrame.from_dict(lines, orient="index").reindex(columns=list(tasks))
    return table.fillna("--").reset_index(names="trained under")


def conditions(row: Any) -> str:
    """What a minimum width was found under, in words."""
    if row.schedule == "cycle":
        return f"\\code{{{row.protocol}}}, {row.rows} rows"
    optimiser = {"sgd": "gradient descent", "adam": "Adam"}[row.optimiser]
    return f"{row.steps} steps of {optimiser}, sd {row.scale:g}"


def relations(needed: pd.DataFrame, error: pd.Series) -> pd.DataFrame:
    """How W* ranks with difficulty, by protocol and threshold: the numbers of `statistics.qap`.

    needed: of `minimum_widths`; error: the difficulty by task. A protocol without all of its tasks
    is left out.
    """
    rows = []
    for key, need in by_threshold(needed, error):
        found = statistics.qap(error, need)
        rows.append({**key, **found._asdict(), "censored": int(need.isna().sum())})
    return pd.DataFrame(rows)


def models(needed: pd.DataFrame, error: pd.Series, widest: int) -> pd.DataFrame:
    """Models of W* by difficulty, by protocol and threshold: as `statistics.compare_models`."""
    parts = [
        statistics.compare_models(error, need, widest).assign(**key)
        for key, need in by_threshold(needed, error)
    ]
    found = pd.concat(parts, ignore_index=True)
    return found[["protocol", "relative", *found.columns.drop(["protocol", "relative"])]]


def by_threshold(needed: pd.DataFrame, error: pd.Series) -> list[tuple[dict[str, Any], pd.Series]]:
    """W* by task for each protocol and threshold that has all the tasks of `error`."""
    groups = needed.groupby(["protocol", "relative"], sort=False)
    found = [
        ({"protocol": protocol, "relative": relative}, rows.set_index("task").minimum_width)
        for (protocol, relative), rows in groups
    ]
    return [(key, need) for key, need in found if {*need.index} == {*error.index}]
