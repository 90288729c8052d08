"""Relations over pairs of digits. Pairs share digits: 45 pairs are not 45 independent tasks."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import permutation_test, rankdata, t

from lib.errors import UserError
from lib.seeds import numpy_generator
from lib.statistics.intervals import FEWEST, RESAMPLES, rounding
from lib.tasks import digits

Coefficient = Literal["spearman", "kendall"]


class Agreement(NamedTuple):
    """A rank correlation over n pairs: 95 % interval, p value, its middle 95 % under the null."""

    effect: float
    low: float
    high: float
    p: float
    null_low: float
    null_high: float
    permuted: str
    n: int


class Spread(NamedTuple):
    """A standard error and the ends of an interval."""

    se: float
    low: float
    high: float


def qap(
    difficulty: pd.Series, outcome: pd.Series, coefficient: Coefficient = "spearman"
) -> Agreement:
    """The rank correlation of two measures of pairs, tested by permuting the digits' labels.

    Both are indexed by task ("4-9"). An outcome of NaN is censored, such as a W* beyond the widest
    network: it ranks above all others, tied. Spearman's rho, or Kendall's tau-b.

    Where the tasks are all pairs of some digits, the digits of one measure are relabelled, so that
    pairs with a digit in common keep one (quadratic assignment procedure; Hubert & Schultz 1976,
    Krackhardt 1988). p is two-sided: exact up to 7 digits, from 9,999 random relabellings and +1
    above (Phipson & Smyth 2010). Few relabellings map any other set of pairs onto itself (the five
    published pairs: they arrange the five values in 12 ways), so there the values are permuted over
    the pairs, which takes pairs for independent; `permuted` says "digits" or "pairs". Five pairs
    cannot have a p below 2/120.

    The interval is the jackknife's over digits, on Fisher's z scale; NaN for fewer than `FEWEST`
    digits and for other sets of pairs. All NaN where a measure has one value for all pairs.
    Raises `UserError` for tasks on one side only, a difficulty of NaN, and fewer than 3 pairs.
    """
    tasks, one, other = _ranked(difficulty, outcome)
    whole = is_complete(tasks)
    permuted = "digits" if whole else "pairs"
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        nan = float("nan")
        return Agreement(nan, nan, nan, nan, nan, nan, permuted, len(tasks))
    count, order = _relabelling(tasks) if whole else (len(tasks), lambda places: places)
    found = permutation_test(
        (np.arange(count),),
        lambda labels, axis: rank_correlation(one, other[order(labels)], coefficient),
        permutation_type="pairings",
        n_resamples=RESAMPLES,
        vectorized=True,
        batch=100,
        rng=numpy_generator("qap"),
    )
    low, high = _interval(tasks, one, other, coefficient)
    null_low, null_high = np.quantile(found.null_distribution, [0.025, 0.975]).tolist()
    effect, p = float(found.statistic), float(found.pvalue)
    return Agreement(effect, low, high, p, null_low, null_high, permuted, len(tasks))


def rank_correlation(one: np.ndarray, other: np.ndarray, coefficient: Coefficient) -> np.ndarray:
    """Spearman's rho or Kendall's tau-b of ranks (..., pairs), the last axis being the pairs.

    Both are the correlation of scores (Daniels 1944): ranks less their mean for Spearman, the signs
    of the ranks' differences for Kendall. NaN where one side is all ties.
    """
    mine, theirs = _scores(one, coefficient), _scores(other, coefficient)
    size = (mine**2).sum(-1) * (theirs**2).sum(-1)
    with np.errstate(invalid="ignore"):
        return (mine * theirs).sum(-1) / np.sqrt(size)


def _scores(ranks: np.ndarray, coefficient: Coefficient) -> np.ndarray:
    """What a rank correlation is the correlation of, along the last axis."""
    if coefficient == "spearman":
        return ranks - ranks.mean(-1, keepdims=True)
    first, second = np.triu_indices(ranks.shape[-1], 1)
    return np.sign(ranks[..., first] - ranks[..., second])


def is_complete(tasks: Sequence[str]) -> bool:
    """Whether the tasks are all the pairs of the digits that occur in them."""
    count = len(_members(tasks))
    return len(tasks) == count * (count - 1) // 2


def jackknife(
    tasks: Sequence[str], statistic: Callable[[np.ndarray], float], level: float = 0.95
) -> Spread:
    """Standard error and interval of a statistic of pairs, leaving out one digit at a time.

    statistic: from the positions, in `tasks`, of the pairs it is to use, to a number. A digit goes
    with all its pairs (after Snijders & Borgatti 1999, with the factor of Tukey 1958). The standard
    error is right where pairs differ by what their digits add, and up to half too large where pairs
    are independent: 95 % intervals of a mean over 45 pairs cover 95 to 99 %, where Student's over
    pairs cover 46 to 95 %. One pair at a time where the tasks are not all pairs of their digits,
    which takes pairs for independent: of a mean that is Student's interval.
    """
    pairs = np.array([digits(task) for task in tasks])
    if is_complete(tasks):
        kept = [np.flatnonzero((pairs != digit).all(1)) for digit in _members(tasks)]
    else:
        kept = [np.delete(np.arange(len(tasks)), place) for place in range(len(tasks))]
    without = np.array([statistic(places) for places in kept])
    count = len(kept)
    se = float(np.sqrt((count - 1) * without.var()))
    middle, reach = statistic(np.arange(len(tasks))), t.isf((1 - level) / 2, count - 1) * se
    return Spread(se, middle - reach, middle + reach)


def _members(tasks: Sequence[str]) -> list[int]:
    """The digits that occur in the tasks, rising."""
    return sorted({digit for task in tasks for digit in digits(task)})


def _ranked(difficulty: pd.Series, outcome: pd.Series) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The tasks of both, and their ranks on either side; refuses what cannot be ranked."""
    outcome = matched(difficulty, outcome)
    one, other = (rankdata(tied(v.to_numpy(float))) for v in (difficulty, outcome.fillna(np.inf)))
    return list(difficulty.index), one, other


def tied(values: np.ndarray) -> np.ndarray:
    """Whole numbers in the order of the values, the same for values that only rounding parts."""
    order = np.argsort(values)
    with np.errstate(invalid="ignore"):  # infinite ones are equal, and their difference is NaN
        apart = np.diff(values[order]) > rounding(values)
    levels = np.empty(len(values))
    levels[order] = np.cumsum([0, *apart])
    return levels


def matched(difficulty: pd.Series, outcome: pd.Series) -> pd.Series:
    """The outcome in the order of the difficulty's tasks; refuses tasks that do not match.

    Raises `UserError` for tasks on one side only or twice, a difficulty of NaN, fewer than 3.
    """
    unmatched = difficulty.index.symmetric_difference(outcome.index)
    if len(unmatched):
        raise UserError(f"task {unmatched[0]!r} is on one side only: give both the same tasks")
    if difficulty.index.has_duplicates or outcome.index.has_duplicates:
        raise UserError("a task is there twice: give one difficulty and one outcome a task")
    if difficulty.isna().any():
        first = difficulty.index[difficulty.isna()][0]
        raise UserError(f"task {first!r} has no difficulty: leave it out")
    if len(difficulty) < 3:
        raise UserError(f"{len(difficulty)} pairs make no relation: give 3 or more")
    return outcome.loc[difficulty.index]


def _relabelling(tasks: Sequence[str]) -> tuple[int, Callable[[np.ndarray], np.ndarray]]:
    """How many digits there are, and the order (..., pairs) that new labels (..., digits) give.

    Pair i-j takes the value of the pair of the digits that i and j are relabelled to.
    """
    members = _members(tasks)
    ends = np.array([[members.index(digit) for digit in digits(task)] for task in tasks]).T
    place = np.zeros((len(members), len(members)), dtype=int)
    place[ends[0], ends[1]] = place[ends[1], ends[0]] = np.arange(len(tasks))
    return len(members), lambda labels: place[labels[..., ends[0]], labels[..., ends[1]]]


LARGEST = 1 - 1e-9
"""Where a correlation is cut for Fisher's z, which is infinite at 1."""


def _interval(
    tasks: Sequence[str], one: np.ndarray, other: np.ndarray, coefficient: Coefficient
) -> tuple[float, float]:
    """The jackknife interval of a rank correlation over all pairs of `FEWEST` or more digits."""
    if not is_complete(tasks) or len(_members(tasks)) < FEWEST:
        return np.nan, np.nan

    def scaled(places: np.ndarray) -> float:
        mine, theirs = rankdata(one[places]), rankdata(other[places])
        found = rank_correlation(mine, theirs, coefficient)
        return float(np.arctanh(np.clip(found, -LARGEST, LARGEST)))

    spread = jackknife(tasks, scaled)
    return float(np.tanh(spread.low)), float(np.tanh(spread.high))
