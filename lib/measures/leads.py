"""Tables of notebook 04 that set networks beside one another, from a table of `corrupted`."""

import numpy as np
import pandas as pd

from lib.measures.corrupted import width_differences
from lib.statistics import holm, paired_difference, summary

MEANS = ["protocol", "quantity", "corruption"]

CLEAN = "clean"
"""What stands in the place of a corruption for images that have none."""


def over_severities(networks: pd.DataFrame, wide: int, narrow: int) -> pd.DataFrame:
    """The differences of `width_differences`, the mean over severities 1 to 5.

    Those of clean images stand first, once, as the corruption "clean".
    """
    found = width_differences(networks, wide, narrow)
    clean = found[(found.severity == 0) & (found.corruption == found.corruption.iloc[0])]
    found = pd.concat([clean.assign(corruption=CLEAN), found[found.severity > 0]])
    return found.groupby([*MEANS, "task", "seed"], sort=False).difference.mean().reset_index()


def leads(networks: pd.DataFrame, wide: int, narrow: int) -> pd.DataFrame:
    """The lead of `wide` over `narrow` networks by corruption, the mean over severities and tasks.

    Columns protocol, quantity ("f1", or "loss" from clean F1), corruption, effect, low, high, p, n
    as `statistics.paired_difference` gives them, each task a stratum, networks without a score left
    out; p_holm, adjusted over the corruptions of a protocol and quantity, "clean" not being one;
    sign: 1 or -1 where p_holm is at most 5 % and the interval is on that side of 0, else 0.
    """
    differences = over_severities(networks, wide, narrow).dropna(subset="difference")
    rows = []
    for what, each in differences.groupby(MEANS, sort=False):
        by_network = each.set_index(["task", "seed"]).difference
        rows.append((*what, *paired_difference(by_network, 0 * by_network)))
    found = pd.DataFrame(rows, columns=[*MEANS, "effect", "low", "high", "p", "n"])
    by_family = found[found.corruption != CLEAN].groupby(["protocol", "quantity"]).p
    adjusted = by_family.transform(lambda p: holm(p.to_numpy()))
    found["p_holm"] = adjusted.reindex(found.index).fillna(found.p)
    sure = (found.p_holm <= 0.05) & ((found.low > 0) | (found.high < 0))
    return found.assign(sign=np.sign(found.effect).where(sure, 0).astype(int))


def leads_by_task(networks: pd.DataFrame, wide: int, narrow: int) -> pd.DataFrame:
    """The same task by task: columns protocol, quantity, corruption, task, mean, sd, low, high, n.

    Ten seeds cannot carry a correction over so many cells, so that none is made.
    """
    return summary(over_severities(networks, wide, narrow), [*MEANS, "task"], "difference")


def beside_logistic(networks: pd.DataFrame) -> pd.DataFrame:
    """Networks beside logistic regression (width 0) of the same task, protocol and seed.

    Columns: the identity; f1_difference, F1 less that of the reference, the mean over corruptions
    and severities; mce, the mean corruption error (Hendrycks & Dietterich 2019): for each
    corruption the error summed over severities over that sum of the reference, then the mean over
    corruptions; reference_error, the reference's mean error; left_out, the corruptions under which
    the reference makes no error, so that there is no ratio. Networks without a reference, which
    `published` does not have, are left out.
    """
    same = ["dataset", "task", "protocol", "seed"]
    sums = networks[networks.severity > 0].groupby([*same, "width", "corruption"], sort=False)
    means = sums[["f1", "accuracy"]].mean().reset_index()
    means["error"] = 1 - means.accuracy
    reference = means[means.width == 0].drop(columns="width")
    both = means[means.width > 0].merge(
        reference, on=[*same, "corruption"], suffixes=("", "_reference")
    )
    ratio = (both.error / both.error_reference).where(both.error_reference > 0)
    both = both.assign(
        f1_difference=both.f1 - both.f1_reference,
        mce=ratio,
        reference_error=both.error_reference,
        left_out=both.error_reference == 0,
    )
    columns = dict.fromkeys(("f1_difference", "mce", "reference_error"), "mean")
    found = both.groupby(["dataset", "task", "protocol", "width", "seed"], sort=False)
    return found.agg(columns | {"left_out": "sum"}).reset_index()
