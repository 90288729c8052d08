"""Claims decided by notebook 02.

networks: one row a network, columns task, protocol, width, seed, and the scores of
`measures.capacity`; for the relations to difficulty all 45 pairs and the widths from 0, logistic
regression, to 64. difficulty: columns task, measure, value (notebook 01).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from lib.claims.rules import (
    TOO_FEW,
    Finding,
    NotMeasured,
    decides,
    named,
    select,
    supported_if,
    untestable,
)
from lib.networks.protocols import PUBLISHED_WIDTHS
from lib.seeds import numpy_generator
from lib.statistics import FEWEST, Agreement, compare_models, minimum_width, qap
from lib.tasks import ALL_PAIRS, PUBLISHED_ORDER

SCORES = {"published": "f1_train_best", "described": "f1_test", "converged": "f1_test"}
"""The column that a protocol scores capacity by."""

THRESHOLD = 0.9
RELATIVE = 0.99
P = 0.01
FIVE_ONLY = "its draws exist for the five published pairs only"


def needs(
    networks: pd.DataFrame,
    protocol: str,
    tasks: Sequence[str],
    threshold: float = THRESHOLD,
    relative: bool = False,
) -> pd.Series:
    """W* by task, NaN where no width reaches the threshold."""
    rows = select(networks, protocol=protocol, task=tasks).groupby("task")
    found = {
        task: minimum_width(each, SCORES[protocol], threshold, relative) for task, each in rows
    }
    return pd.Series(found)[list(tasks)]


def probe_error(difficulty: pd.DataFrame) -> pd.Series:
    """The linear-probe error of all 45 pairs, by task."""
    rows = select(difficulty, measure="linear_probe_error", task=ALL_PAIRS)
    return rows.set_index("task").value[list(ALL_PAIRS)]


def rank_relation(found: Agreement, holds: bool, note: str = "") -> Finding:
    """The finding for a rank correlation over pairs with p < 0.01, and what else must hold."""
    related = bool(found.effect > 0 and found.p < P)
    remark = f"p = {found.p:.2g} over relabelled {found.permuted}"
    if np.isnan(found.effect):
        remark = "one side has one value for all pairs, so that nothing is ranked"
    text = "; ".join(filter(None, [remark, note]))
    ends = (found.effect, found.low, found.high)
    return Finding(supported_if(related and holds), *ends, found.n, text)


@decides("capacity.scales", "02_capacity/networks", "01_tasks/difficulty")
def scales(
    networks: pd.DataFrame,
    difficulty: pd.DataFrame,
    protocol: str,
    threshold: float = THRESHOLD,
    relative: bool = False,
) -> Finding:
    """capacity.scales: W* rises with difficulty (p < 0.01), and doubles over the five pairs.

    The easiest and the hardest of the five are so by the linear-probe error, as difficulty is.
    Widths 0 and 1 both count as one unit. A W* beyond the widest network counts as the widest where
    it must be large; where the easiest pair's is beyond it, nothing is known to double.
    """
    if protocol == "published":
        return untestable(FIVE_ONLY)
    error = probe_error(difficulty)
    need = needs(networks, protocol, ALL_PAIRS, threshold, relative)
    easiest, hardest = (
        getattr(error[list(PUBLISHED_ORDER)], f"idx{end}")() for end in ("min", "max")
    )
    widest = networks.width.max()
    units = need.clip(lower=1)
    doubles = bool(units.fillna(widest)[hardest] >= 2 * units[easiest])
    shown = [f"{need[task]:.0f} on {task}" for task in (easiest, hardest)]
    note = f"W* is {' and '.join(shown)}".replace("nan", f"above {widest}")
    return rank_relation(qap(error, need), doubles, note)


@decides("capacity.relative", "02_capacity/networks", "01_tasks/difficulty")
def relative(networks: pd.DataFrame, difficulty: pd.DataFrame, protocol: str) -> Finding:
    """capacity.relative: as `scales`, at 99 % of the best mean F1 that any width reaches."""
    return scales(networks, difficulty, protocol, RELATIVE, relative=True)


@decides("capacity.linear", "02_capacity/networks", "01_tasks/difficulty")
def linear(networks: pd.DataFrame, difficulty: pd.DataFrame, protocol: str) -> Finding:
    """capacity.linear: of four models of W* the linear one predicts a left-out pair best.

    Its error, in doublings of the width, is the least of all and below the constant model's by more
    than the standard error of that difference, which is the effect.
    """
    if protocol == "published":
        return untestable(FIVE_ONLY)
    need = needs(networks, protocol, ALL_PAIRS)
    models = compare_models(probe_error(difficulty), need, networks.width.max())
    models = models.set_index("model")
    errors, mine = models.loo_error, models.loc["linear"]
    if np.isnan(mine.difference):
        return untestable("fewer than 3 of the 45 pairs have a W* within the widths trained")
    holds = errors.idxmin() == "linear" and -mine.difference > mine.se
    note = "left-out error in doublings: " + ", ".join(f"{k} {v:.3f}" for k, v in errors.items())
    return Finding(supported_if(holds), mine.difference, mine.low, mine.high, int(mine.n), note)


BUDGETS = ((3, 0.1), (10, 0.1), (30, 0.1), (90, 0.1), (3, 0.036))
"""The training budget, rate × steps, and sd of the initial weights."""

FACTOR = 2


@decides("capacity.budget", "02_capacity/budgets")
def budget(budgets: pd.DataFrame, protocol: str) -> Finding:
    """capacity.budget: W* on 4-9 changes by less than a factor 2 over budgets and initial weights.

    budgets: as `networks`, with columns budget (rate × steps) and scale (the initial sd). Widths 0
    and 1 both count as one unit. Where a W* is beyond the widest network, the effect is the least
    that the factor can be.
    """
    if protocol != "described":
        fixed = {"published": "100 steps", "converged": "one cycle"}[protocol]
        return untestable(f"the protocol is {fixed}: another budget is another protocol")
    found = pd.DataFrame([at_budget(budgets, *each) for each in BUDGETS])
    units = found.need.fillna(found.widest).clip(lower=1)
    factor, censored = units.max() / units.min(), bool(found.need.isna().any())
    note = "W* is " + ", ".join(found.shown)
    if censored and factor < FACTOR:
        return untestable(f"{note}: the factor is not known to be below {FACTOR}")
    return Finding(supported_if(factor < FACTOR), factor, n=int(found.n.sum()), note=note)


def at_budget(budgets: pd.DataFrame, budget: int, scale: float) -> dict[str, object]:
    """W* on 4-9 at one budget (need, NaN beyond the widest), the widest width, and networks (n)."""
    rows = select(budgets, protocol="described", task="4-9", budget=budget, scale=scale)
    need, widest = minimum_width(rows, SCORES["described"], THRESHOLD), rows.width.max()
    shown = f"above {widest}" if np.isnan(need) else f"{need:.0f}"
    shown += f" at a budget of {budget} from {scale:g}"
    return {"need": need, "widest": widest, "n": len(rows), "shown": shown}


Sides = tuple[np.ndarray, np.ndarray]
"""F1 of a pair, each (seeds, widths): at the widths below W*, and at W* and above."""


@decides("capacity.instability", "02_capacity/networks")
def instability(networks: pd.DataFrame, protocol: str) -> Finding:
    """capacity.instability: F1 varies twice as much over seeds below W* as from there on.

    A side of a pair has the root mean square, over its widths, of the sd over seeds. The effect is
    the geometric mean of the pairs' ratios. A pair without widths on both sides of its W* has none,
    and the rule then holds for the other pairs at most. Single pairs have intervals at the level of
    99 %, as there are five (Bonferroni).
    """
    rows = select(networks, protocol=protocol, task=PUBLISHED_ORDER)
    sides = {task: sides_of(rows[rows.task == task], protocol) for task in PUBLISHED_ORDER}
    sides = {task: each for task, each in sides.items() if all(side.size for side in each)}
    if not sides:
        return untestable("no pair has widths both below and from its W* on")
    seeds = min(len(below) for below, _ in sides.values())
    if seeds < FEWEST and protocol != "published":
        raise NotMeasured(f"there are fewer than {FEWEST} seeds")
    ratio, (low, high) = mean_ratio(list(sides.values())), interval_of_ratio(list(sides.values()))
    at_99 = {t: (mean_ratio([s]), interval_of_ratio([s], 0.99)[0]) for t, s in sides.items()}
    some = [task for task, each in at_99.items() if unstable(*each)]
    note = ", ".join(f"{task} {each:.1f}" for task, (each, _) in at_99.items())
    n = sum(below.shape[0] * (below.shape[1] + above.shape[1]) for below, above in sides.values())
    if unstable(ratio, low) and len(sides) == len(PUBLISHED_ORDER):
        return Finding("supported", ratio, low, high, n, note)
    if some:
        return Finding("partly", ratio, low, high, n, f"holds for {', '.join(some)}; {note}")
    if ratio >= LEAST_RATIO and np.isnan(low):
        return Finding("untestable", ratio, n=n, note=f"{TOO_FEW}; {note}")
    return Finding("not supported", ratio, low, high, n, note)


LEAST_RATIO = 2


def unstable(ratio: float, low: float) -> bool:
    """Whether a ratio of sds is large enough, and its interval above 1."""
    return ratio >= LEAST_RATIO and low > 1


def sides_of(rows: pd.DataFrame, protocol: str) -> Sides:
    """The scores of one pair below its W*, and from there on; empty where a side has no width."""
    scores = rows.pivot(index="seed", columns="width", values=SCORES[protocol]).sort_index(axis=1)
    need = minimum_width(rows, SCORES[protocol], THRESHOLD)
    first = len(scores.columns) if np.isnan(need) else scores.columns.get_loc(need)
    return scores.to_numpy()[:, :first], scores.to_numpy()[:, first:]


def log_ratio(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """The log of the ratio of two sides' sds, (...) from (..., seeds, widths); 0 of 0 by 0.

    A resample of one seed alone has no variance on either side, and says nothing.
    """
    one, two = (side.var(axis=-2, ddof=1).mean(axis=-1) for side in (below, above))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.log(one / two) / 2, nan=0.0)


def mean_ratio(sides: Sequence[Sides]) -> float:
    """The geometric mean over pairs of the ratio of their sides' sds."""
    return float(np.exp(np.mean([log_ratio(*each) for each in sides])))


def interval_of_ratio(sides: Sequence[Sides], level: float = 0.95) -> tuple[float, float]:
    """The BCa bootstrap interval (Efron 1987) of `mean_ratio`; NaN for fewer than `FEWEST` seeds.

    A resample draws seeds within a pair, each with all its widths.
    """
    if min(len(below) for below, _ in sides) < FEWEST:
        return np.nan, np.nan

    def statistic(*drawn: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(
            [log_ratio(low[d], high[d]) for (low, high), d in zip(sides, drawn, strict=True)],
            axis=0,
        )

    found = bootstrap(
        [np.arange(len(below)) for below, _ in sides],
        statistic,
        vectorized=True,
        batch=1000,
        confidence_level=level,
        method="BCa",
        rng=numpy_generator("instability"),
    ).confidence_interval
    return float(np.exp(found.low)), float(np.exp(found.high))


PUBLISHED_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)
FURTHER_RATES = (0.1, 0.3, 1.0)
RATE = 0.03
MOST_WIDTHS = 10


@decides("capacity.rate", "02_capacity/learning_rates")
def rate(learning_rates: pd.DataFrame, protocol: str) -> Finding:
    """capacity.rate: 0.03 has the best mean F1 on 4-9 at 10 or more of 11 widths, in both grids.

    learning_rates: as `networks`, with a column learning_rate. The grids are the published one and
    that with the rates up to 1.0. The effect is the lesser count of widths.
    """
    if protocol == "converged":
        return untestable("it trains with Adam, whose rate is not that of gradient descent")
    grids = {
        "the published grid": PUBLISHED_RATES,
        "the grid up to 1.0": (*PUBLISHED_RATES, *FURTHER_RATES),
    }
    counts = {name: best_widths(learning_rates, protocol, each) for name, each in grids.items()}
    verdict, held = named({name: count >= MOST_WIDTHS for name, count in counts.items()})
    shown = ", ".join(f"{count} in {name}" for name, count in counts.items())
    note = "; ".join(filter(None, [held, shown]))
    return Finding(verdict, min(counts.values()), n=len(PUBLISHED_WIDTHS), note=note)


def best_widths(learning_rates: pd.DataFrame, protocol: str, rates: Sequence[float]) -> int:
    """The number of published widths at which 0.03 has the best mean F1 of these rates."""
    rows = select(
        learning_rates,
        protocol=protocol,
        task="4-9",
        width=PUBLISHED_WIDTHS,
        learning_rate=rates,
    )
    means = rows.groupby(["width", "learning_rate"])[SCORES[protocol]].mean().unstack()
    return int((means.idxmax(axis=1) == RATE).sum())
