"""How hard a pair of digits is, by measures that involve none of the networks."""

from collections.abc import Sequence

import pandas as pd
import torch
from scipy.stats import kendalltau
from skimage.metrics import structural_similarity
from sklearn.linear_model import LogisticRegression

from lib.datasets import SIDE, Dataset
from lib.tasks import Rows, by_digit, pair_rows


def linear_probe_error(train: Rows, test: Rows) -> float:
    """The error, in [0, 1], of logistic regression on rows that it was not fitted to."""
    probe = LogisticRegression(C=0.1, tol=1e-6, max_iter=1000)
    probe.fit(train.images.numpy(), train.labels.numpy())
    return 1 - float(probe.score(test.images.numpy(), test.labels.numpy()))


def fisher_ratio(rows: Rows) -> float:
    """Fisher's discriminant ratio of the best pixel (F1 of Ho & Basu 2002); larger is easier."""
    one, two = by_digit(rows)
    spread = one.var(0) + two.var(0)
    distance = (one.mean(0) - two.mean(0)) ** 2
    return float((distance[spread > 0] / spread[spread > 0]).max())


def mean_image_ssim(rows: Rows) -> float:
    """Structural similarity (Wang et al. 2004) of the two mean digits; larger is harder."""
    one, two = (each.mean(0).reshape(SIDE, SIDE).numpy() for each in by_digit(rows))
    return float(structural_similarity(one, two, data_range=1.0))


HARDER_IF_LARGER = {"linear_probe_error": True, "fisher_ratio": False, "mean_image_ssim": True}


def measure(dataset: Dataset, task: str, limit: int | None = None) -> pd.DataFrame:
    """Every measure of one pair: columns dataset, task, measure, value, difficulty.

    `difficulty` is the value with the sign that makes larger harder. Rows of the training file
    serve all measures; the probe is scored on the official test file. `limit` caps training rows.
    """
    train = pair_rows(dataset, task, "train")
    train = train.take(torch.arange(len(train))[:limit])
    values = {
        "linear_probe_error": linear_probe_error(train, pair_rows(dataset, task, "test")),
        "fisher_ratio": fisher_ratio(train),
        "mean_image_ssim": mean_image_ssim(train),
    }
    rows = [
        (dataset.name, task, name, value, value if HARDER_IF_LARGER[name] else -value)
        for name, value in values.items()
    ]
    return pd.DataFrame(rows, columns=["dataset", "task", "measure", "value", "difficulty"])


def agreement(table: pd.DataFrame, order: Sequence[str]) -> pd.Series:
    """Kendall's tau between each measure's difficulty and an order of tasks, easiest first."""
    wide = table.pivot(index="measure", columns="task", values="difficulty")[list(order)]
    return wide.apply(lambda values: kendalltau(values, range(len(order))).statistic, axis=1)
