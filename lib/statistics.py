"""Intervals and summaries: one observation is one network."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from lib.seeds import numpy_generator

FEWEST = 5
"""With fewer observations than this no interval is given: they could not support one."""


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The BCa bootstrap interval of the mean (Efron 1987), the same for the same values.

    (NaN, NaN) for fewer than `FEWEST` values; the value itself where all are equal. For a paired
    comparison, give the differences.
    """
    sample = np.asarray(values, dtype=float)
    if len(sample) < FEWEST or np.isnan(sample).any():
        return np.nan, np.nan
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    found = bootstrap(
        (sample,), np.mean, confidence_level=level, method="BCa", rng=numpy_generator("interval")
    ).confidence_interval
    return float(found.low), float(found.high)


def summary(table: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean, sample sd, interval (low, high) and n of a column, by groups."""
    groups = table.groupby(list(by), sort=False, observed=True)[value]
    rows = [
        (*key, each.mean(), each.std(), *interval(each.to_numpy()), len(each))
        for key, each in groups
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "sd", "low", "high", "n"])


def minimum_width(table: pd.DataFrame, value: str, threshold: float) -> float:
    """W*: the least width from which, there and at every larger one, mean - sd >= threshold.

    table: columns `width` and `value`, one row a network. NaN (censored) where no width does.
    """
    groups = table.groupby("width")[value]
    reached = (groups.mean() - groups.std(ddof=1) >= threshold).sort_index()
    good = reached[::-1].cummin()[::-1]
    return float(good.index[good].min()) if good.any() else float("nan")


def minimum_widths(
    networks: pd.DataFrame, values: Mapping[str, str], threshold: float
) -> pd.DataFrame:
    """W* of every task and protocol, scored by the column that `values` names for a protocol.

    Columns protocol, task, threshold, minimum_width (NaN where no width reaches it), n (seeds).
    """
    rows = []
    for (protocol, task), each in networks.groupby(["protocol", "task"], sort=False):
        width = minimum_width(each, values[protocol], threshold)
        rows.append((protocol, task, threshold, width, each.seed.nunique()))
    return pd.DataFrame(rows, columns=["protocol", "task", "threshold", "minimum_width", "n"])
