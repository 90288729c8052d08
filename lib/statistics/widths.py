"""The minimum width W*."""

from collections.abc import Mapping

import pandas as pd


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
