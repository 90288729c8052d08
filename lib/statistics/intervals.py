"""Intervals over seeds, summaries, and what a number of seeds can show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import bootstrap, f, ncf, norm, t

from lib.seeds import numpy_generator

FEWEST = 5
"""With fewer observations than this no interval is given: they could not support one."""

RESAMPLES = 9999
"""How many resamples are drawn, or permutations where there are more than this."""


ROUNDING = 1e-6
"""Scores that differ by no more than this differ by rounding: they are in single precision, with
a last digit of 6e-8, and one row in ten thousand moves them by 1e-4."""


def rounding(values: np.ndarray) -> float:
    """What rounding can make of values: `ROUNDING`, and in proportion where they are above 1."""
    return ROUNDING * max(1.0, float(np.abs(values[np.isfinite(values)]).max(initial=0)))


def interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The BCa bootstrap interval of the mean (Efron 1987), at an expanded level.

    (NaN, NaN) for fewer than `FEWEST` values; the value itself where all are equal up to rounding.
    The same for the same values. For a paired comparison, give the differences.

    The level is expanded because resamples of n values spread less than samples do, by the factor
    sqrt((n-1)/n), and because a normal tail stands where Student's belongs: see `expanded`
    (Hesterberg 2015). Share of 10,000 intervals that held the mean, in percent, nominal 95
    (without the expansion in brackets):

    ======================  ===========  ===========  ===========
    values                  n = 5        n = 10       n = 20
    ======================  ===========  ===========  ===========
    normal                  91.8 (84.2)  94.5 (90.6)  95.0 (92.8)
    beta(30, 2), skew -1.2  90.0 (82.0)  93.9 (89.6)  94.7 (92.7)
    exponential, skew 2     88.0 (79.9)  92.2 (87.5)  93.9 (91.7)
    ======================  ===========  ===========  ===========

    So n = 10 is within two points of the level for values that are no more skewed than beta(30, 2);
    n = 5 is not, as no interval within the range of 5 symmetric values can be: that range holds the
    mean 93.75 % of the time. No method mends a failure too rare to be in the sample: where one
    network in ten collapses, 35 % of samples of ten show none.
    The studentised bootstrap comes closer under skew (94.2 % for 10 exponential values), but where
    one value of ten stands apart, as scores do, it is eight times as long as Student's interval.
    """
    return pooled_interval([values], level)


def pooled_interval(
    strata: Sequence[Sequence[float] | np.ndarray], level: float = 0.95
) -> tuple[float, float]:
    """The interval of `interval` for the mean over strata of their means; strata weigh the same.

    strata: the values of each, such as the paired differences of one pair of digits by seed.
    Resampling stays within a stratum. (NaN, NaN) where one has fewer than `FEWEST` values.
    """
    samples = [np.asarray(values, dtype=float) for values in strata]
    if any(len(sample) < FEWEST or not np.isfinite(sample).all() for sample in samples):
        return np.nan, np.nan
    if all(np.ptp(sample) <= rounding(sample) for sample in samples):
        middle = float(np.mean([np.median(sample) for sample in samples]))
        return middle, middle
    found = bootstrap(
        samples,
        _mean_of_means,
        n_resamples=RESAMPLES,
        confidence_level=expanded(level, *freedom_and_shortfall(samples)),
        method="BCa",
        rng=numpy_generator("interval"),
    ).confidence_interval
    return float(found.low), float(found.high)


def _mean_of_means(*strata: np.ndarray, axis: int = -1) -> np.ndarray:
    """The mean over strata of their means along `axis`."""
    return np.mean([values.mean(axis=axis) for values in strata], axis=0)


def expanded(level: float, freedom: float, shortfall: float) -> float:
    """The level to ask of a percentile bootstrap so that it covers at `level`.

    Its tail is that of the normal at `shortfall`, by how much the standard error exceeds that of
    the resamples, times the quantile of Student's t with `freedom` degrees of freedom (Hesterberg
    2015, "What teachers should know about the bootstrap", The American Statistician 69; his
    `resample` package does the same to BCa intervals).
    """
    return float(1 - 2 * norm.sf(shortfall * t.isf((1 - level) / 2, freedom)))


def freedom_and_shortfall(samples: Sequence[np.ndarray]) -> tuple[float, float]:
    """For the mean of means: degrees of freedom (Welch 1947), and the bootstrap's shortfall.

    Of one sample of n values: n - 1, and sqrt(n / (n - 1)).
    """
    sizes = np.array([len(sample) for sample in samples])
    scale = max(map(np.ptp, samples))  # else squares of small numbers would underflow
    variances = [((sample - sample[0]) / scale).var(ddof=1) for sample in samples] / sizes
    freedom = variances.sum() ** 2 / (variances**2 / (sizes - 1)).sum()
    return freedom, np.sqrt(variances.sum() / (variances * (sizes - 1) / sizes).sum())


def summary(table: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean, sample sd, interval (low, high) and n of a column, by groups; NaN counts in none."""
    groups = table.groupby(list(by), sort=False, observed=True)[value]
    known = [(key, each.dropna()) for key, each in groups]
    rows = [
        (*key, each.mean(), each.std(), *interval(each.to_numpy()), len(each))
        for key, each in known
    ]
    found = pd.DataFrame(rows, columns=[*by, "mean", "sd", "low", "high", "n"])
    return found if rows else found.astype(float).astype(table[list(by)].dtypes)  # to be drawn


def power(counts: Sequence[int], wanted: float = 0.8, level: float = 0.95) -> pd.DataFrame:
    """What n paired differences can show, in units of their sd, by Student's paired test.

    Columns n; effect, the mean that the two-sided test at 1 - level detects with power `wanted`
    (Cohen 1988); half_width, of Student's interval at `level`.
    """
    rows = [(n, _detectable(n, wanted, level), _half_width(n, level)) for n in counts]
    return pd.DataFrame(rows, columns=["n", "effect", "half_width"])


def _half_width(n: int, level: float) -> float:
    """Half of Student's interval of the mean of n values, in sample sds."""
    return float(t.isf((1 - level) / 2, n - 1) / np.sqrt(n))


def _detectable(n: int, wanted: float, level: float) -> float:
    """The standardised mean at which Student's two-sided test of n values has power `wanted`.

    The square of noncentral t is noncentral F, whose upper tail is both tails of t at once.
    """
    critical = f.isf(1 - level, 1, n - 1)
    return float(brentq(lambda d: ncf.sf(critical, 1, n - 1, n * d**2) - wanted, 1e-3, 20))
