"""Paired comparisons of networks, and the correction for several tests of one claim."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import permutation_test

from lib.errors import UserError
from lib.seeds import numpy_generator
from lib.statistics.intervals import RESAMPLES, pooled_interval, rounding


class Difference(NamedTuple):
    """A mean paired difference, its 95 % interval, its p value, and how many networks a side."""

    effect: float
    low: float
    high: float
    p: float
    n: int


def paired_difference(one: pd.Series, other: pd.Series) -> Difference:
    """The mean of `one` less `other`, network by network of the same seed.

    Both are indexed by `seed` and by whatever else names a network, such as `task`. Where there is
    something else, each of its values is a stratum: the effect is the mean over strata of the mean
    difference, and seeds are resampled within a stratum (`pooled_interval`).
    p is that of the sign-flip test (Fisher 1935), two-sided: exact up to 13 differences, from 9,999
    random flips and +1 above (Phipson & Smyth 2010). Ten differences cannot have a p below 2/1024,
    so that Holm's correction of more than 25 such tests finds nothing at 5 %. A difference by
    rounding alone is none.
    Raises `UserError` where a network is on one side only, is there twice, or has no value.
    """
    strata = _strata(_differences(one, other))
    effect = float(np.mean([values.mean() for values in strata]))
    low, high = pooled_interval(strata)
    return Difference(effect, low, high, _sign_flip(strata), sum(map(len, strata)))


def _differences(one: pd.Series, other: pd.Series) -> pd.Series:
    """`one` less `other`, matched by index; refuses what has no match or no value."""
    if one.index.has_duplicates or other.index.has_duplicates:
        raise UserError("a network is there twice on one side: a side needs each network once")
    unmatched = one.index.symmetric_difference(other.index)
    if len(unmatched):
        raise UserError(
            f"network {unmatched[0]} is on one side only: give both sides the same networks"
        )
    found = (one - other).astype(float)
    if found.isna().any():
        raise UserError(f"network {found.index[found.isna()][0]} has no value: leave it out")
    return found.where(found.abs() > max(rounding(one.to_numpy()), rounding(other.to_numpy())), 0)


def _strata(differences: pd.Series) -> list[np.ndarray]:
    """The differences by every level of the index but `seed`."""
    others = [name for name in differences.index.names if name != "seed"]
    if not others:
        return [differences.to_numpy()]
    return [each.to_numpy() for _, each in differences.groupby(level=others, sort=False)]


def _sign_flip(strata: Sequence[np.ndarray]) -> float:
    """The two-sided p value of a mean of means of 0, from flips of the differences' signs.

    Sums are whole multiples of what rounding makes of them, so that equal ones are ties.
    """
    weighted = np.concatenate([values / len(values) for values in strata])
    if len(weighted) < 2:
        return 1.0  # either sign is as far from 0
    grain = rounding(weighted)
    found = permutation_test(
        (weighted,),
        lambda values, axis: np.rint(values.sum(axis) / grain),
        vectorized=True,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=100,
        rng=numpy_generator("sign flips"),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The p values adjusted for their number, in their order (Holm 1979).

    Rejecting where these are at most 5 % keeps the chance of any false rejection within 5 %,
    however the tests depend on each other. Raises `UserError` where one is not in [0, 1].
    """
    p = np.asarray(p_values, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise UserError(f"p values {p.tolist()} are not all in [0, 1]: leave out tests without one")
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(stepped, 1)[np.argsort(order)]
