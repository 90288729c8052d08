"""The minimum width W*, over seeds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.seeds import numpy_generator
from lib.statistics.intervals import FEWEST, RESAMPLES, expanded


def minimum_width(
    table: pd.DataFrame, value: str, threshold: float, relative: bool = False
) -> float:
    """W*: the least width from which, there and at every larger one, mean - sd >= threshold.

    table: columns `width` and `value`, one row a network. NaN (censored) where no width does.
    With `relative` the threshold is a share of the best mean that any width has. NaN is left out.
    """
    groups = table.groupby("width")[value]
    mean, sd = groups.mean(), groups.std(ddof=1)
    found = _first_lasting(
        mean.to_numpy(), sd.to_numpy(), mean.index.to_numpy(), threshold, relative
    )
    return float(found) if np.isfinite(found) else np.nan


def whole(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """The networks of the seeds that have a score at each of their widths."""
    return table[~table.seed.isin(table.seed[table[value].isna()])]


def minimum_widths(
    networks: pd.DataFrame, values: Mapping[str, str], threshold: float, relative: bool = False
) -> pd.DataFrame:
    """W* of every task and protocol, scored by the column that `values` names for a protocol.

    Columns protocol, task, threshold, relative (as given), minimum_width (NaN where no width
    reaches it), low, high (95 % over seeds; inf beyond the widest; NaN for fewer than `FEWEST`
    seeds), n (seeds). A seed without a score at one of its widths (NaN) is left out, and so is a
    task that has no other. Raises `UserError` where a seed lacks a width.
    """
    rows = []
    for (protocol, task), each in networks.groupby(["protocol", "task"], sort=False):
        value = values[protocol]
        each = whole(each, value)
        if each.empty:
            continue
        width = minimum_width(each, value, threshold, relative)
        ends = minimum_width_interval(each, value, threshold, relative)
        rows.append((protocol, task, threshold, relative, width, *ends, each.seed.nunique()))
    return pd.DataFrame(
        rows,
        columns=[
            *("protocol", "task", "threshold", "relative"),
            *("minimum_width", "low", "high", "n"),
        ],
    )


def minimum_width_interval(
    table: pd.DataFrame, value: str, threshold: float, relative: bool = False, level: float = 0.95
) -> tuple[float, float]:
    """The percentile bootstrap interval of W* over seeds, both ends widths of the grid.

    A resample draws seeds, each with its networks of all widths, for they share a split. Its sd is
    put up by the factor sqrt(n/(n-1)) that resamples fall short, and the level is `expanded`. W*
    takes few values; BCa's corrections, made for a smooth statistic, do not apply. An end is inf
    where it lies beyond the widest network; (NaN, NaN) for fewer than `FEWEST` seeds.

    Share of intervals that held the true W*, in percent, over eleven made-up curves of F1 by width
    with normal scores: n = 5, 93; n = 10, 96; n = 20, 98 (the grid makes for more than 95);
    with exponential ones and n = 10, 91. Where all the wider networks are just short of the
    threshold, and any may pass it by chance, n = 10 gives 90.
    """
    scores = table.pivot(index="seed", columns="width", values=value).sort_index(axis=1)
    count = len(scores)
    if count < FEWEST:
        return np.nan, np.nan
    if scores.isna().any(axis=None):
        raise UserError("a seed lacks a width or its score: W* needs every seed at every width")
    drawn = numpy_generator("minimum width").integers(0, count, (RESAMPLES, count))
    resamples, shortfall = scores.to_numpy()[drawn], np.sqrt(count / (count - 1))
    mean, sd = resamples.mean(1), shortfall * resamples.std(1, ddof=1)
    found = _first_lasting(mean, sd, scores.columns.to_numpy(), threshold, relative)
    tail = (1 - expanded(level, count - 1, shortfall)) / 2
    low, high = np.quantile(found, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def _first_lasting(
    mean: np.ndarray, sd: np.ndarray, widths: np.ndarray, threshold: float, relative: bool
) -> np.ndarray:
    """The least of `widths` (rising) from which on mean - sd reaches the threshold, else inf."""
    bar = threshold * mean.max(-1, keepdims=True) if relative else threshold
    good = np.flip(np.logical_and.accumulate(np.flip(mean - sd >= bar, -1), -1), -1)
    return np.where(good, widths, np.inf).min(-1)
