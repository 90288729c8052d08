"""Claims decided by notebook 01."""

import pandas as pd
from scipy.stats import kendalltau

from lib.claims.rules import Finding, decides, select, supported_if
from lib.tasks import PUBLISHED_ORDER

SIGNS = {"linear_probe_error": 1, "fisher_ratio": -1, "n1": 1, "n3": 1, "mean_image_ssim": 1}
"""The measures that the rule names, and the sign that makes larger harder."""

AGREES = 0.8


@decides("tasks.order", "01_tasks/difficulty")
def order(difficulty: pd.DataFrame) -> Finding:
    """tasks.order: Kendall's tau with the published order is 0.8 for the majority of the measures.

    difficulty: columns task, measure, value. The effect is the median tau: at least half of the
    five are above 0.8 exactly where it is.
    """
    rows = select(difficulty, measure=SIGNS, task=PUBLISHED_ORDER)
    values = rows.pivot(index="measure", columns="task", values="value")[list(PUBLISHED_ORDER)]
    harder = values.mul(pd.Series(SIGNS), axis=0)
    tau = harder.apply(lambda each: kendalltau(each, range(len(each))).statistic, axis=1)
    tau = tau.round(9)[list(SIGNS)]  # one swap of ten is 0.8 only up to rounding
    agreeing = int((tau >= AGREES).sum())
    note = ", ".join(f"{measure} {value:.2f}" for measure, value in tau.items())
    verdict = supported_if(agreeing > len(tau) / 2)
    return Finding(verdict, tau.median(), n=len(PUBLISHED_ORDER), note=note)
