"""How hard a pair of digits is, by measures that involve none of the networks."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.stats import binomtest, kendalltau
from skimage.metrics import structural_similarity
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from lib.errors import UserError
from lib.seeds import numpy_generator
from lib.statistics import interval
from lib.tasks import Rows, by_digit, datasets, pair_rows
from lib.tasks.datasets import SIDE

HARDER_IF_LARGER = {
    "linear_probe_error": True,
    "fisher_ratio": False,
    "mean_image_ssim": True,
    "nearest_neighbour_error": True,
    "n1": True,
    "n3": True,
    "margin": False,
}
"""The measures of difficulty, and whether a larger value makes a pair harder."""


def linear_probe_error(train: Rows, test: Rows) -> float:
    """The error, in [0, 1], of logistic regression on rows that it was not fitted to."""
    probe = LogisticRegression(C=0.1, tol=1e-6, max_iter=1000)
    probe.fit(train.images.numpy(), train.labels.numpy())
    return 1 - float(probe.score(test.images.numpy(), test.labels.numpy()))


def nearest_neighbour_error(train: Rows, test: Rows) -> float:
    """The error, in [0, 1], of giving a row the digit of the nearest training row (Euclidean)."""
    nearest = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    nearest.fit(train.images.numpy(), train.labels.numpy())
    return 1 - float(nearest.score(test.images.numpy(), test.labels.numpy()))


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


def squared_distances(images: Tensor) -> np.ndarray:
    """Squared Euclidean distances (rows, rows) between images, in grey levels of 0 to 255.

    Whole numbers, which float64 holds exactly: they are the same on every machine.
    """
    levels = np.rint(255 * images.numpy().astype(np.float64))
    return euclidean_distances(levels, squared=True)


def n1(distances: np.ndarray, labels: np.ndarray) -> float:
    """The share of rows on an edge of the minimum spanning tree that joins two classes.

    N1 of Ho & Basu (2002), which counts vertices, in [0, 1]; larger is harder. `distances` (rows,
    rows) may be any rising function of the distance, as the tree depends on their order alone.
    """
    # scipy takes a weight of 0, as two equal rows have, for no edge: so all are raised by 1.
    tree = minimum_spanning_tree(csr_array(np.triu(distances + 1, k=1))).tocoo()
    crossing = labels[tree.row] != labels[tree.col]
    return len(np.union1d(tree.row[crossing], tree.col[crossing])) / len(labels)


def n3(distances: np.ndarray, labels: np.ndarray) -> float:
    """The leave-one-out error of the nearest neighbour (N3 of Ho & Basu 2002), in [0, 1]."""
    others = np.where(np.eye(len(labels), dtype=bool), np.inf, distances)
    return float((labels[others.argmin(axis=1)] != labels).mean())


def margin(rows: Rows) -> float:
    """The distance from the nearest row to the hyperplane that separates the two digits best.

    The geometric margin of a linear support vector machine (Cortes & Vapnik 1995), in units of
    pixels in [0, 1]; larger is easier. Its penalty is so large that only a margin below 0.001
    could be given away. NaN where, after a million steps at most, a row is on the wrong side: the
    digits are not separable.
    """
    images, labels = rows.images.numpy(), rows.labels.numpy()
    machine = SVC(kernel="linear", C=1e6, max_iter=1_000_000)
    with warnings.catch_warnings():  # it never converges where no hyperplane separates
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(images, labels)
    sides = machine.decision_function(images) * np.where(labels == 1, 1, -1)
    return float(sides.min() / np.linalg.norm(machine.coef_)) if sides.min() > 0 else np.nan


def subsample(rows: Rows, count: int, dataset: str, task: str, repeat: int) -> Rows:
    """`count` rows, half of each digit, drawn without replacement; `repeat` numbers the draws.

    Raises `UserError` where a digit has fewer rows than that.
    """
    labels = rows.labels.numpy()
    members = [np.flatnonzero(labels == digit) for digit in (0, 1)]
    most = 2 * min(map(len, members))
    if count > most:
        raise UserError(f"subsample_rows = {count} is too many for {task}: give at most {most}")
    rng = numpy_generator(dataset, task, "subsample", repeat)
    chosen = [rng.choice(each, count // 2, replace=False) for each in members]
    return rows.take(torch.from_numpy(np.concatenate(chosen)))


Estimate = tuple[float, float, float, int]
"""A value, its 95 % interval (low, high), and the number of observations behind both."""


def of_test_rows(error: float, rows: int) -> Estimate:
    """An error as a share of `rows` test rows, with Wilson's interval (1927)."""
    found = binomtest(round(error * rows), rows).proportion_ci(method="wilson")
    return error, found.low, found.high, rows


def of_subsamples(values: pd.Series) -> Estimate:
    """The mean of one value a subsample, NaN left out, with its interval over subsamples."""
    kept = values.dropna()
    return kept.mean(), *interval(kept.to_numpy()), len(kept)


def of_subsample(rows: Rows) -> dict[str, float]:
    """What is asked of one subsample; `separable` is 1 where a hyperplane separates its digits."""
    distances, labels = squared_distances(rows.images), rows.labels.numpy()
    found = {"n1": n1(distances, labels), "n3": n3(distances, labels), "margin": margin(rows)}
    return found | {"separable": float(found["margin"] > 0)}


def of_rows(train: Rows, test: Rows) -> dict[str, Estimate]:
    """What is asked of all rows: two errors on test rows, two numbers without an interval."""
    fisher, ssim = fisher_ratio(train), mean_image_ssim(train)
    nearest = nearest_neighbour_error(train, test)
    return {
        "linear_probe_error": of_test_rows(linear_probe_error(train, test), len(test)),
        "fisher_ratio": (fisher, np.nan, np.nan, 1),
        "mean_image_ssim": (ssim, np.nan, np.nan, 1),
        "nearest_neighbour_error": of_test_rows(nearest, len(test)),
    }


def measure(
    dataset: str, task: str, limit: int | None, subsample_rows: int, repeats: int
) -> pd.DataFrame:
    """Every measure of one pair: columns dataset, task, measure, value, low, high, n.

    All rows of the training file, `limit` of them at most, serve the measures of `of_rows`, and
    the official test file their errors. N1, N3 and the margin cost the square of the rows: they
    are means over `repeats` subsamples of `subsample_rows` training rows, and depend on that
    number. n counts what an interval is taken over, test rows or subsamples.
    """
    train, test = train_and_test(dataset, task, limit)
    drawn = (subsample(train, subsample_rows, dataset, task, each) for each in range(repeats))
    with threadpool_limits(1):  # pairs are measured side by side, and give the same alone
        by_subsample = pd.DataFrame([of_subsample(rows) for rows in drawn])
        found = of_rows(train, test) | {k: of_subsamples(v) for k, v in by_subsample.items()}
    return as_table(dataset, task, found)


def train_and_test(dataset: str, task: str, limit: int | None) -> tuple[Rows, Rows]:
    """The rows of a pair in the training file, `limit` of them at most, and in the test file."""
    data = datasets.load(dataset)
    train, test = (pair_rows(data, task, part) for part in ("train", "test"))
    return train.take(torch.arange(len(train))[:limit]), test


def as_table(dataset: str, task: str, found: Mapping[str, Estimate]) -> pd.DataFrame:
    """Measures of one pair, by name, as rows."""
    rows = [(dataset, task, name, *estimate) for name, estimate in found.items()]
    return pd.DataFrame(rows, columns=["dataset", "task", "measure", "value", "low", "high", "n"])


def probe_error(dataset: str, task: str, limit: int | None) -> pd.DataFrame:
    """The linear-probe error of one pair alone, as `measure` gives it."""
    train, test = train_and_test(dataset, task, limit)
    with threadpool_limits(1):
        found = of_test_rows(linear_probe_error(train, test), len(test))
    return as_table(dataset, task, {"linear_probe_error": found})


def probe_errors(
    dataset: str, tasks: Sequence[str], limit: int | None, jobs: int = 1
) -> pd.DataFrame:
    """`probe_error` of every task in one table; `jobs` processes, -1 for one a core."""
    return side_by_side([delayed(probe_error)(dataset, task, limit) for task in tasks], jobs)


def measure_all(
    dataset: str,
    tasks: Sequence[str],
    limit: int | None,
    subsample_rows: int,
    repeats: int,
    jobs: int = 1,
) -> pd.DataFrame:
    """`measure` of every task in one table; `jobs` processes, -1 for one a core."""
    options = (limit, subsample_rows, repeats)
    return side_by_side([delayed(measure)(dataset, task, *options) for task in tasks], jobs)


def side_by_side(work: Sequence[Any], jobs: int) -> pd.DataFrame:
    """The tables of some delayed calls as one, with a progress bar."""
    parts = Parallel(n_jobs=jobs, return_as="generator")(work)
    bar = tqdm(parts, total=len(work), desc="difficulty", unit="pair")
    return pd.concat(list(bar), ignore_index=True)


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """The measures of difficulty with a column `rank`: by measure, 1 is the easiest pair.

    Ties share their mean rank; a pair without a margin, as no subsample is separable, is hardest.
    """
    measures = table[table.measure.isin(HARDER_IF_LARGER)]
    signs = measures.measure.map(lambda name: 1 if HARDER_IF_LARGER[name] else -1)
    by_measure = (signs * measures.value).groupby(measures.measure)
    return measures.assign(rank=by_measure.rank(na_option="bottom")).reset_index(drop=True)


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """The ranks of `ranked`, a row for each task and a column for each measure."""
    wide = ranked(table).pivot(index="task", columns="measure", values="rank")
    return wide[list(dict.fromkeys(table.measure[table.measure.isin(HARDER_IF_LARGER)]))]


def agreement(table: pd.DataFrame, order: Sequence[str]) -> pd.Series:
    """Kendall's tau between each measure's difficulty and an order of tasks, easiest first."""
    wide = ranks(table).loc[list(order)]
    return wide.apply(lambda values: kendalltau(values, range(len(order))).statistic)


def rank_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau-b between every two measures over the tasks: measure, other, tau, n."""
    wide = ranks(table)
    between = [(a, b, kendalltau(wide[a], wide[b]).statistic) for a, b in combinations(wide, 2)]
    return pd.DataFrame(between, columns=["measure", "other", "tau"]).assign(n=len(wide))
