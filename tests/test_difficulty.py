"""Each measure of difficulty is what its source defines, and the table says how sure it is."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from pymfe.complexity import MFEComplexity
from scipy.optimize import linprog, minimize
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from lib.errors import UserError
from lib.measures import difficulty
from lib.measures.difficulty import HARDER_IF_LARGER, measure_all, n1, n3, ranked
from lib.output.figures import tasks as pictures
from lib.output.figures.drawing import Facets
from lib.statistics import FEWEST
from lib.tasks import ALL_PAIRS, PUBLISHED_ORDER, Rows, digits, pair_rows

SEEDS = st.integers(0, 2**32 - 1)
EXACT = ("fisher_ratio", "mean_image_ssim")
BY_SUBSAMPLE = ("n1", "n3", "margin", "separable")


def clouds(seed: int, rows: int = 40, features: int = 4, apart: float = 1.0):
    """Normal points of two classes whose means are `apart`, each class of half the rows."""
    labels = np.arange(rows) % 2
    points = np.random.default_rng(seed).normal(size=(rows, features))
    points[:, 0] += apart * labels
    return points, labels


def as_rows(points, labels) -> Rows:
    return Rows(torch.tensor(points), torch.tensor(labels))


@given(SEEDS, st.integers(4, 80), st.floats(0, 4))
def test_n1_and_n3_are_those_of_pymfe(seed, rows, apart):
    points, labels = clouds(seed, rows, apart=apart)
    distances = cdist(points, points)
    expected = MFEComplexity.ft_n1(points, labels, norm_dist_mat=distances.copy())
    assert n1(distances, labels) == pytest.approx(expected)
    expected = MFEComplexity.ft_n3(points, labels, norm_dist_mat=distances.copy()).mean()
    assert n3(distances, labels) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["0-1", "3-8", "4-9"])
def test_n1_and_n3_of_images_are_those_of_pymfe(digits, task):
    rows = pair_rows(digits, task, "train")
    labels = rows.labels.numpy()
    plain = cdist(rows.images.double(), rows.images.double())
    squared = difficulty.squared_distances(rows.images)
    assert n1(squared, labels) == MFEComplexity.ft_n1(plain, labels, norm_dist_mat=plain)
    assert n3(squared, labels) == MFEComplexity.ft_n3(plain, labels, norm_dist_mat=plain).mean()


def test_n1_counts_vertices_and_not_edges():
    """On a line of six points the tree is the line: one of its five edges joins two of them."""
    line = np.arange(6.0)[:, None] ** 1.1
    assert n1(cdist(line, line), np.array([0, 0, 0, 1, 1, 1])) == pytest.approx(2 / 6)
    assert n1(cdist(line, line), np.array([0, 0, 1, 0, 0, 0])) == pytest.approx(3 / 6)
    assert n1(cdist(line, line), np.zeros(6)) == 0


def test_two_equal_rows_of_different_digits_are_on_the_border():
    labels = np.array([0, 1])
    assert n1(np.zeros((2, 2)), labels) == 1
    assert n3(np.zeros((2, 2)), labels) == 1


@given(SEEDS)
def test_n3_is_the_leave_one_out_error_of_scikit_learn(seed):
    points, labels = clouds(seed)
    scores = cross_val_score(KNeighborsClassifier(1), points, labels, cv=LeaveOneOut())
    assert n3(cdist(points, points), labels) == pytest.approx(1 - scores.mean())


def test_distances_between_images_are_exact(digits):
    levels = digits.images["train"][:200].long()
    squared = (levels[:, None] - levels[None]).square().sum(2)
    found = difficulty.squared_distances(levels.float() / 255)
    assert np.array_equal(found, squared.numpy())


def test_the_nearest_neighbour_error_is_that_of_all_distances(digits):
    train, test = (pair_rows(digits, "4-9", part) for part in ("train", "test"))
    nearest = cdist(test.images.double(), train.images.double()).argmin(axis=1)
    expected = float((train.labels[nearest] != test.labels).float().mean())
    assert difficulty.nearest_neighbour_error(train, test) == pytest.approx(expected)
    assert 0 < expected < 1
    assert difficulty.nearest_neighbour_error(train, train) == 0


def widest(points, labels) -> float:
    """The hard margin from its own definition: the least |w| with every row beyond 1."""
    sides = np.where(labels == 1, 1, -1)[:, None] * np.c_[points, np.ones(len(points))]
    start = np.linalg.lstsq(sides, np.full(len(points), 2.0), rcond=None)[0]
    found = minimize(
        lambda w: w[:-1] @ w[:-1] / 2,
        start,
        jac=lambda w: np.r_[w[:-1], 0],
        constraints={"type": "ineq", "fun": lambda w: sides @ w - 1, "jac": lambda w: sides},
    )
    assert found.success
    return float(1 / np.linalg.norm(found.x[:-1]))


@given(SEEDS)
def test_the_margin_is_the_widest_that_a_general_optimiser_finds(seed):
    points, labels = clouds(seed, rows=20, features=3, apart=8)
    assert difficulty.margin(as_rows(points, labels)) == pytest.approx(
        widest(points, labels), rel=5e-3
    )


@given(SEEDS, st.floats(0, 4))
def test_there_is_a_margin_exactly_where_a_linear_programme_finds_a_hyperplane(seed, apart):
    points, labels = clouds(seed, rows=12, features=2, apart=apart)
    sides = np.where(labels == 1, 1, -1)[:, None] * np.c_[points, np.ones(len(points))]
    status = linprog(np.zeros(3), A_ub=-sides, b_ub=-np.ones(12), bounds=(None, None)).status
    assert status in (0, 2)  # a hyperplane was found, or shown not to exist
    assert (difficulty.margin(as_rows(points, labels)) > 0) == (status == 0)


def test_two_rows_have_half_their_distance_as_margin():
    points = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert difficulty.margin(as_rows(points, np.array([0, 1]))) == pytest.approx(2.5)


def test_one_image_with_both_labels_has_no_margin():
    points = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert np.isnan(difficulty.margin(as_rows(points, np.array([0, 1, 1]))))


def test_a_subsample_has_as_many_rows_of_each_digit_none_twice_and_depends_on_the_repeat(digits):
    rows = pair_rows(digits, "3-8", "train")
    one, same, other = (difficulty.subsample(rows, 20, "MNIST", "3-8", k) for k in (0, 0, 1))
    assert one.labels.tolist() == [0] * 10 + [1] * 10
    assert len(one.images.unique(dim=0)) == 20
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)
    both = torch.cat([one.images, rows.images]).unique(dim=0)
    assert len(both) == len(rows.images.unique(dim=0))


def test_a_subsample_that_is_too_large_is_refused_with_the_most_there_is(digits):
    rows = pair_rows(digits, "0-1", "train")
    fewer = int(min(rows.labels.sum(), (1 - rows.labels).sum()))
    whole = difficulty.subsample(rows, 2 * fewer, "MNIST", "0-1", 0)
    assert len(whole.images.unique(dim=0)) == 2 * fewer
    said = rf"^subsample_rows = 9000 is too many for 0-1: give at most {2 * fewer}$"
    with pytest.raises(UserError, match=said):
        difficulty.subsample(rows, 9000, "MNIST", "0-1", 0)


@pytest.fixture
def table(digits) -> pd.DataFrame:
    return measure_all("MNIST", ["0-1", "3-8", "4-9"], None, subsample_rows=40, repeats=FEWEST)


def test_the_table_has_a_row_for_each_pair_and_measure_with_its_interval(table):
    assert list(table.columns) == ["dataset", "task", "measure", "value", "low", "high", "n"]
    assert set(table.measure) == {*HARDER_IF_LARGER, "separable"}
    assert (table.groupby("measure").task.apply(list).map(tuple) == ("0-1", "3-8", "4-9")).all()
    exact = table.measure.isin(EXACT)
    assert (table.n == 1).eq(exact).all()
    assert table.low.isna().eq(exact).all()
    assert table.high.isna().eq(exact).all()
    sure = table[~exact]
    assert (sure.low <= sure.value).all()
    assert (sure.value <= sure.high).all()


def test_n_counts_the_test_rows_of_an_error_and_the_subsamples_of_the_rest(table, digits):
    for task, rows in table.groupby("task"):
        n = rows.set_index("measure").n
        assert (n[list(BY_SUBSAMPLE)] == FEWEST).all()
        tested = len(pair_rows(digits, task, "test"))
        assert n["linear_probe_error"] == n["nearest_neighbour_error"] == tested


def test_fewer_subsamples_than_an_interval_needs_leave_it_empty(digits):
    few = measure_all("MNIST", ["4-9"], None, subsample_rows=40, repeats=FEWEST - 1)
    by_subsample = few[few.measure.isin(BY_SUBSAMPLE)]
    assert by_subsample.value.notna().all()
    assert by_subsample[["low", "high"]].isna().all(axis=None)


def test_an_interval_narrows_as_test_rows_grow_and_is_open_upwards_at_no_error():
    few, many = (difficulty.of_test_rows(0.1, rows) for rows in (100, 10_000))
    assert few[1] < many[1] < 0.1 < many[2] < few[2]
    value, low, high, n = difficulty.of_test_rows(0.0, 100)
    assert (value, low, n) == (0, 0, 100)
    assert 0 < high < 0.05


def test_the_mean_margin_is_that_of_the_separable_subsamples():
    value, low, high, n = difficulty.of_subsamples(pd.Series([1.0, np.nan, 3.0, 2.0, 1.0, 4.0]))
    assert (value, n) == (pytest.approx(2.2), 5)
    assert 1 <= low < 2.2 < high <= 4  # between the least and the most
    nothing = difficulty.of_subsamples(pd.Series([np.nan] * 6))
    assert np.isnan(nothing[:3]).all()
    assert nothing[3] == 0


@pytest.mark.slow
def test_the_table_does_not_depend_on_the_number_of_processes():
    arguments = ("MNIST", ["3-8", "0-1", "4-9"], 400, 60, FEWEST)
    alone, shared = (measure_all(*arguments, jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(alone, shared, check_exact=True)


def test_there_are_45_pairs_and_the_published_ones_are_among_them():
    assert len(set(ALL_PAIRS)) == 45
    assert {digits(task) for task in ALL_PAIRS} == {(a, b) for b in range(10) for a in range(b)}
    assert set(PUBLISHED_ORDER) <= set(ALL_PAIRS)


def made_up(**values: list[float]) -> pd.DataFrame:
    """A table of three tasks, 0-1, 1-7 and 4-9, with these values by measure."""
    rows = [
        (task, measure, value)
        for measure, column in values.items()
        for task, value in zip(("0-1", "1-7", "4-9"), column, strict=True)
    ]
    return pd.DataFrame(rows, columns=["task", "measure", "value"])


def test_a_rank_rises_with_difficulty_whatever_the_sign_of_a_measure():
    found = ranked(made_up(n1=[0.1, 0.3, 0.2], margin=[3, 1, 2], separable=[1, 1, 0.5]))
    ranks = found.pivot(index="task", columns="measure", values="rank")
    assert ranks.to_dict("list") == {"n1": [1, 3, 2], "margin": [1, 3, 2]}


def test_pairs_of_equal_value_share_a_rank_and_one_without_a_margin_is_the_hardest():
    found = ranked(made_up(n3=[0.2, 0.1, 0.1], margin=[2.0, np.nan, 1.0]))
    assert found["rank"].tolist() == [3, 1.5, 1.5, 1, 3, 2]


def test_agreement_is_1_in_the_order_given_and_minus_1_in_reverse():
    table = made_up(n1=[0.1, 0.2, 0.3], fisher_ratio=[9, 5, 1], margin=[1, 2, 3])
    assert difficulty.agreement(table, ["0-1", "1-7", "4-9"]).to_dict() == pytest.approx(
        {"n1": 1, "fisher_ratio": 1, "margin": -1}
    )
    assert difficulty.agreement(table, ["4-9", "1-7", "0-1"])["margin"] == pytest.approx(1)


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_rank_agreement_is_kendalls_tau_ties_included_with_its_sign(values):
    assume(len(set(values[:3])) > 1)
    assume(len(set(values[3:])) > 1)
    table = made_up(n1=values[:3], margin=values[3:], separable=[1, 1, 1])
    [row] = difficulty.rank_agreement(table).itertuples(index=False)
    assert (row.measure, row.other, row.n) == ("n1", "margin", 3)
    assert row.tau == pytest.approx(-kendalltau(values[:3], values[3:]).statistic)


def test_a_cell_of_the_heat_map_holds_the_rank_of_its_pair():
    ranks = pd.Series({"0-1": 1.0, "4-9": 3.0, "1-7": 2.0})
    [[ax]] = Facets([""], [""], 2).axes
    cells = pictures.triangle(ax, ranks, ["4-9"]).get_array()
    assert {
        tuple(map(int, place)): cells[tuple(place)] for place in np.argwhere(~np.isnan(cells))
    } == {(9, 4): 3, (1, 0): 1, (7, 1): 2}
    [frame] = ax.patches
    assert (frame.get_xy(), frame.get_width()) == ((3.5, 8.5), 1)
