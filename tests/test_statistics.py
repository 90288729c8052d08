"""Intervals cover, tests keep their level, and what is fitted to made-up data is what made it."""

from collections.abc import Callable
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.optimize import curve_fit
from scipy.stats import bootstrap

from lib.errors import UserError
from lib.statistics import (
    FEWEST,
    compare_models,
    holm,
    interval,
    jackknife,
    minimum_width,
    minimum_width_interval,
    minimum_widths,
    paired_difference,
    pooled_interval,
    power,
    qap,
    summary,
)
from lib.statistics.intervals import freedom_and_shortfall

SCORES = st.lists(st.floats(0, 1), min_size=FEWEST, max_size=20)
FIVE = ["0-1", "1-7", "5-6", "3-8", "4-9"]


def pairs(digits: int) -> list[str]:
    """All pairs of the first so many digits."""
    return [f"{i}-{j}" for i, j in combinations(range(digits), 2)]


def within(found: float, expected: float, trials: int) -> bool:
    """Whether a share of so many independent trials is within 3 binomial sds of the expected."""
    return abs(found - expected) <= 3 * np.sqrt(expected * (1 - expected) / trials)


def test_the_interval_is_the_bca_interval_of_scipy_at_the_level_hesterberg_gives_for_nine_values():
    """0.98555 is 1 - 2 * Phi(-sqrt(9/8) * 2.306), Student's quantile of 8 degrees of freedom."""
    values = [0.1, 0.2, 0.25, 0.3, 0.3, 0.4, 0.5, 2.5, 4.0]
    bca, percentile = (
        bootstrap(
            (values,),
            np.mean,
            confidence_level=0.98555,
            n_resamples=100_000,
            method=method,
            rng=np.random.default_rng(99),
        ).confidence_interval
        for method in ("BCa", "percentile")
    )
    tolerance = 0.03 * (bca.high - bca.low)
    assert interval(values) == pytest.approx(tuple(bca), abs=tolerance)
    assert interval(values) != pytest.approx(tuple(percentile), abs=tolerance)


DRAWS = {
    "normal": (lambda rng, n: rng.normal(3, 2, n), 3.0),
    "beta": (lambda rng, n: rng.beta(30, 2, n), 30 / 32),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "n", "trials", "promised"),
    [
        ("normal", 5, 600, 0.918),
        ("normal", 10, 2000, 0.945),
        ("normal", 20, 600, 0.950),
        ("beta", 10, 3000, 0.939),
        ("exponential", 5, 600, 0.880),
        ("exponential", 10, 600, 0.922),
        ("exponential", 20, 600, 0.939),
    ],
)
def test_an_interval_covers_the_mean_as_often_as_the_docstring_says(values, n, trials, promised):
    """3 binomial sds are 1.3 points with 3,000 trials, 1.5 with 2,000, up to 4 with 600."""
    draw, mean = DRAWS[values]
    rng = np.random.default_rng(7)
    covered = [low <= mean <= high for low, high in (interval(draw(rng, n)) for _ in range(trials))]
    assert within(np.mean(covered), promised, trials)
    if n >= 10 and values != "exponential":
        assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("sds", [(1, 1, 1), (0.01, 0.2, 3)], ids=["equal sds", "unequal sds"])
def test_a_pooled_interval_of_ten_seeds_a_stratum_covers_the_mean_of_the_strata(sds):
    rng = np.random.default_rng(11)
    draws = ([rng.normal(10 * i, sd, 10) for i, sd in enumerate(sds)] for _ in range(500))
    covered = [low <= 10 <= high for low, high in map(pooled_interval, draws)]
    assert within(np.mean(covered), 0.945, 500)


@given(st.integers(0, 99), st.lists(st.floats(-5, 5), min_size=2, max_size=3))
def test_what_sets_strata_apart_moves_a_pooled_interval_and_does_not_widen_it(seed, shifts):
    """But for resamples whose mean is the sample's: rounding puts those on either side of it."""
    strata = np.random.default_rng(seed).normal(size=(len(shifts), 6))
    low, high = pooled_interval(list(strata))
    moved = pooled_interval(list(strata + np.array(shifts)[:, None]))
    assert moved == pytest.approx((low + np.mean(shifts), high + np.mean(shifts)), abs=0.02)


@pytest.mark.parametrize("sds", [(1, 1), (3, 1), (1, 5)])
def test_the_level_is_expanded_by_welchs_degrees_of_freedom_and_the_missing_standard_error(sds):
    rng = np.random.default_rng(12)
    one, two = rng.normal(0, sds[0], 6), rng.normal(0, sds[1], 15)
    freedom, shortfall = freedom_and_shortfall([one, two])
    welch = stats.ttest_ind(one, two, equal_var=False)
    resampled = bootstrap((one, two), lambda x, y, axis: x.mean(axis) - y.mean(axis), rng=rng)
    assert freedom == pytest.approx(welch.df)
    standard_error = (one.mean() - two.mean()) / welch.statistic
    assert shortfall == pytest.approx(standard_error / resampled.standard_error, rel=0.03)


def test_strata_weigh_the_same_whatever_their_size():
    low, high = pooled_interval([np.linspace(0, 0.1, 5), np.linspace(0.9, 1, 40)])
    assert low < 0.5 < high
    assert high - low < 0.2


def test_a_stratum_with_too_few_values_leaves_no_pooled_interval():
    assert np.isnan(pooled_interval([[1, 2, 3, 4, 5], [1, 2, 3, 4]])).all()


@given(SCORES)
def test_an_interval_holds_the_mean_within_the_range_of_the_values(values):
    assume(np.ptp(values) > 1e-9)
    low, high = interval(values)
    rounding = 1e-9
    assert min(values) - rounding <= low <= np.mean(values) <= high <= max(values) + rounding


@given(SCORES)
def test_the_same_values_have_the_same_interval(values):
    assert interval(values) == interval(values)


@given(st.floats(-1e3, 1e3), st.integers(FEWEST, 20))
def test_equal_values_are_their_own_interval(value, count):
    assert interval([value] * count) == (value, value)


@given(st.lists(st.floats(0, 1), max_size=FEWEST - 1))
def test_too_few_values_have_no_interval(values):
    assert np.isnan(interval(values)).all()


def test_values_with_a_gap_have_no_interval():
    assert np.isnan(interval([1, 2, 3, np.nan, 4, 5])).all()


def test_a_summary_has_mean_sample_deviation_interval_and_count_of_each_group():
    table = pd.DataFrame({"task": ["a"] * 6 + ["b"] * 2, "f1": [1, 2, 3, 4, 5, 9, 7, 8]})
    a, b = summary(table, ["task"], "f1").itertuples(index=False)
    assert (a.task, a.mean, a.n) == ("a", 4, 6)
    assert a.sd == pytest.approx(np.std([1, 2, 3, 4, 5, 9], ddof=1))
    assert (a.low, a.high) == interval([1, 2, 3, 4, 5, 9])
    assert (b.task, b.mean, b.n) == ("b", 7.5, 2)
    assert np.isnan(b.low)


def scored(means: dict[int, float], spread: float = 0.0) -> pd.DataFrame:
    """Three networks a width: its mean, and that much below and above it."""
    rows = [(w, m + d) for w, m in means.items() for d in (-spread, 0.0, spread)]
    return pd.DataFrame(rows, columns=["width", "f1"])


@pytest.mark.parametrize(
    ("means", "spread", "expected"),
    [
        ({2: 0.5, 4: 0.92, 8: 0.95}, 0, 4),
        ({2: 0.5, 4: 0.92, 8: 0.85, 16: 0.95}, 0, 16),
        ({2: 0.9, 4: 0.95}, 0, 2),
        ({2: 0.5, 4: 0.6}, 0, np.nan),
        ({2: 0.99, 4: 0.6}, 0, np.nan),
        ({2: 0.905, 4: 0.95}, 0.01, 4),
        ({16: 0.95, 2: 0.99, 8: 0.2}, 0, 16),
    ],
    ids=[
        "rising",
        "a dip starts it anew",
        "the threshold counts",
        "none",
        "not at the widest",
        "less one sd",
        "any order",
    ],
)
def test_the_minimum_width_is_the_least_that_it_and_all_wider_ones_reach(means, spread, expected):
    assert minimum_width(scored(means, spread), "f1", 0.9) == pytest.approx(expected, nan_ok=True)


def test_one_network_a_width_has_no_deviation_and_so_no_minimum_width():
    table = pd.DataFrame({"width": [2, 4], "f1": [0.99, 0.99]})
    assert np.isnan(minimum_width(table, "f1", 0.9))


def test_each_task_and_protocol_has_its_minimum_width_by_its_own_score():
    one = scored({2: 0.5, 4: 0.95}).assign(task="0-1", protocol="published", f1_test=0.0)
    two = scored({2: 0.5, 4: 0.5}).assign(task="4-9", protocol="converged", f1_test=0.95)
    networks = pd.concat([one, two]).assign(seed=[0, 1, 2] * 4)
    table = minimum_widths(networks, {"published": "f1", "converged": "f1_test"}, 0.9)
    columns = ["protocol", "task", "threshold", "relative", "minimum_width", "n"]
    assert table[columns].to_numpy().tolist() == [
        ["published", "0-1", 0.9, False, 4.0, 3],
        ["converged", "4-9", 0.9, False, 2.0, 3],
    ]
    assert table[["low", "high"]].isna().all(axis=None)


def test_a_relative_threshold_is_a_share_of_the_best_mean():
    table = scored({2: 0.5, 4: 0.79, 8: 0.8, 16: 0.795})
    assert minimum_width(table, "f1", 0.98, relative=True) == 4
    assert np.isnan(minimum_width(table, "f1", 0.98))


def networks_of(means: dict[int, float], sd: float, rng: np.random.Generator) -> pd.DataFrame:
    """Ten normal scores at every width."""
    rows = [(seed, w, rng.normal(m, sd)) for seed in range(10) for w, m in means.items()]
    return pd.DataFrame(rows, columns=["seed", "width", "f1"])


@pytest.mark.parametrize(
    ("means", "sd", "expected"),
    [
        ({2: 0.5, 4: 0.95, 8: 0.95}, 0.001, (4, 4)),
        ({2: 0.5, 4: 0.902, 8: 0.95}, 0.002, (4, 8)),
        ({2: 0.5, 4: 0.6, 8: 0.902}, 0.002, (8, np.inf)),
        ({2: 0.5, 4: 0.6, 8: 0.7}, 0.002, (np.inf, np.inf)),
    ],
    ids=["sure", "one of two widths", "perhaps none", "none"],
)
def test_the_interval_of_the_minimum_width_holds_what_the_seeds_leave_open(means, sd, expected):
    table = networks_of(means, sd, np.random.default_rng(3))
    assert minimum_width_interval(table, "f1", 0.9) == expected


@pytest.mark.parametrize(
    ("means", "true", "promised"),
    [
        ({2: 0.7, 4: 0.949, 8: 0.975, 16: 0.99}, 8, 0.99),
        ({2: 0.7, 4: 0.94, 8: 0.945, 16: 0.949}, np.inf, 0.90),
    ],
    ids=["one width just short of it", "every wider one just short of it"],
)
def test_the_interval_of_the_minimum_width_covers_the_true_one_as_often_as_it_says(
    means, true, promised
):
    """The sd is 0.05: a mean of 0.95 would be enough for a threshold of 0.9."""
    rng, covered = np.random.default_rng(5), []
    for _ in range(200):
        low, high = minimum_width_interval(networks_of(means, 0.05, rng), "f1", 0.9)
        covered.append(low <= true <= high)
    assert within(np.mean(covered), promised, 200)


def test_the_interval_of_a_relative_minimum_width_asks_for_a_share_of_each_resamples_best():
    table = networks_of({2: 0.5, 4: 0.79, 8: 0.8, 16: 0.8}, 0.0001, np.random.default_rng(3))
    assert minimum_width_interval(table, "f1", 0.98, relative=True) == (4, 4)


def test_a_seed_that_lacks_a_width_leaves_no_interval_of_the_minimum_width():
    table = networks_of({2: 0.5, 4: 0.95}, 0.01, np.random.default_rng(3))
    with pytest.raises(UserError, match="every seed at every width"):
        minimum_width_interval(table.iloc[1:], "f1", 0.9)


def by_seed(values: list[float], task: str | None = None) -> pd.Series:
    """Values of the seeds 0, 1, ... of a task."""
    index = pd.Index(range(len(values)), name="seed")
    series = pd.Series(values, index)
    return series if task is None else pd.concat({task: series}, names=["task"])


def test_a_paired_difference_is_that_of_the_same_seeds_whatever_their_order():
    """Seeds differ by far more than sides: only pairing shows the 0.1."""
    rng = np.random.default_rng(1)
    other = by_seed(list(rng.normal(0, 10, 10)))
    gain = rng.normal(0.1, 0.01, 10)
    found = paired_difference((other + gain).sample(frac=1, random_state=0), other)
    assert found.effect == pytest.approx(gain.mean())
    assert (found.low, found.high) == pytest.approx(interval(gain), abs=1e-9)
    assert (found.p, found.n) == (pytest.approx(2 / 1024), 10)


def test_a_paired_difference_over_tasks_is_the_mean_of_theirs_with_seeds_kept_to_their_task():
    rng = np.random.default_rng(2)
    gains = {"0-1": rng.normal(1, 0.1, 6), "4-9": rng.normal(3, 0.1, 12)}
    one = pd.concat([by_seed(list(gain), task) for task, gain in gains.items()])
    found = paired_difference(one, one * 0)
    assert found.effect == pytest.approx(np.mean([gain.mean() for gain in gains.values()]))
    assert (found.low, found.high) == pytest.approx(pooled_interval(list(gains.values())))
    assert found.n == 18


@given(arrays.arrays(float, 6, elements=st.integers(-3, 3).map(float)))
def test_the_p_value_of_a_paired_difference_is_the_share_of_sign_flips_as_far_from_0(differences):
    flipped = [np.dot(signs, differences) for signs in product([-1, 1], repeat=6)]
    expected = np.mean(np.abs(flipped) >= abs(differences.sum()))
    found = paired_difference(by_seed(list(differences)), by_seed([0.0] * 6))
    assert found.p == pytest.approx(min(1, expected))


def test_sign_flips_of_strata_of_two_and_of_four_differences_flip_their_mean_of_means():
    gains = {"0-1": [2.0, 3.0], "4-9": [1.0, -2.0, 0.5, 4.0]}
    one = pd.concat([by_seed(gain, task) for task, gain in gains.items()])
    flipped = [
        np.mean(np.multiply(signs[:2], gains["0-1"]))
        + np.mean(np.multiply(signs[2:], gains["4-9"]))
        for signs in product([-1, 1], repeat=6)
    ]
    expected = np.mean(np.abs(flipped) >= flipped[-1] - 1e-9)
    assert paired_difference(one, one * 0).p == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (by_seed([1, 2, 3]), by_seed([1, 2]), "on one side only"),
        (by_seed([1, 2, np.nan]), by_seed([1, 2, 3]), "no value"),
        (pd.concat([by_seed([1.0])] * 2), by_seed([1.0]), "twice"),
    ],
)
def test_networks_that_make_no_pairs_are_refused(one, other, message):
    with pytest.raises(UserError, match=message):
        paired_difference(one, other)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holms_p_value_is_the_largest_bonferroni_one_of_the_sets_a_test_is_in(p_values):
    """The closed testing principle (Marcus, Peritz & Gabriel 1976), by brute force."""
    tests = range(len(p_values))
    sets = [s for size in tests for s in combinations(tests, size + 1)]
    expected = [
        max(min(1, len(s) * min(p_values[i] for i in s)) for s in sets if t in s) for t in tests
    ]
    assert holm(p_values) == pytest.approx(expected)


def test_holm_finds_nothing_false_in_95_of_100_families_of_dependent_tests():
    rng = np.random.default_rng(4)
    shared, own = rng.normal(size=(2000, 1)), rng.normal(size=(2000, 8))
    p_values = 2 * stats.norm.sf(np.abs((shared + own) / np.sqrt(2)))
    assert np.mean([holm(family).min() <= 0.05 for family in p_values]) <= 0.05
    assert np.mean(p_values.min(1) <= 0.05) > 0.2


def test_a_p_value_that_is_none_is_refused():
    with pytest.raises(UserError, match="not all in"):
        holm([0.01, np.nan])


RANKED = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=len(pairs(4)), max_size=len(pairs(4))
)


@given(RANKED)
def test_rank_correlations_are_those_of_scipy_ties_included(rows):
    one, other = (pd.Series(values, pairs(4), dtype=float) for values in zip(*rows, strict=True))
    assume(one.nunique() > 1 and other.nunique() > 1)
    assert qap(one, other).effect == pytest.approx(stats.spearmanr(one, other).statistic)
    tau = stats.kendalltau(one, other).statistic
    assert qap(one, other, "kendall").effect == pytest.approx(tau)


def relabelled(matrix: np.ndarray, oracle: Callable) -> list[float]:
    """The correlation with a 4x4 matrix of 1, 2, ... under every order of its rows and columns."""
    upper = np.triu_indices(4, 1)
    orders = [np.ix_(order, order) for order in permutations(range(4))]
    return [oracle(np.arange(1, 7), matrix[each][upper]).statistic for each in orders]


@pytest.mark.parametrize(
    ("coefficient", "oracle"), [("spearman", stats.spearmanr), ("kendall", stats.kendalltau)]
)
def test_the_p_value_of_few_digits_is_that_of_all_orders_of_the_matrix(coefficient, oracle):
    values = pd.Series([1, 3, 2, 4, 6, 5], pairs(4), dtype=float)
    matrix = np.zeros((4, 4))
    matrix[np.triu_indices(4, 1)] = values
    null = np.array(relabelled(matrix + matrix.T, oracle))
    found = qap(pd.Series(range(1, 7), pairs(4)), values, coefficient)
    tail = min((null >= null[0] - 1e-9).mean(), (null <= null[0] + 1e-9).mean())
    assert found.p == pytest.approx(min(1, 2 * tail))
    assert (found.null_low, found.null_high) == pytest.approx(
        tuple(np.quantile(null, [0.025, 0.975]))
    )
    assert (found.permuted, found.n) == ("digits", 6)


def shared_digits(rng: np.random.Generator, digits: int) -> pd.Series:
    """A measure of pairs that is what its two digits add, and a little of its own."""
    effect = rng.normal(size=digits)
    added = [effect[i] + effect[j] for i, j in combinations(range(digits), 2)]
    return pd.Series(added + rng.normal(0, 0.2, len(added)), pairs(digits))


def test_unrelated_measures_of_pairs_that_share_digits_pass_for_related_5_times_in_100():
    """Taken for independent, the 15 pairs of 6 digits pass four times as often."""
    rng = np.random.default_rng(8)
    drawn = [(shared_digits(rng, 6), shared_digits(rng, 6)) for _ in range(300)]
    permuted = np.mean([qap(*both).p <= 0.05 for both in drawn])
    taken_for_independent = np.mean([stats.spearmanr(*both).pvalue <= 0.05 for both in drawn])
    assert within(permuted, 0.05, 300)
    assert taken_for_independent > 0.2


def test_related_measures_of_all_45_pairs_have_the_least_p_and_an_interval_around_the_effect():
    rng = np.random.default_rng(9)
    one = shared_digits(rng, 10)
    other = one + rng.normal(0, 0.5, 45)
    found = qap(one, other.sample(frac=1, random_state=0))
    assert found.p == pytest.approx(2 / 10_000)
    assert found.null_low < 0 < found.null_high < found.effect
    assert -1 <= found.low < found.effect < found.high <= 1
    assert found == qap(one, other)


def test_the_interval_of_a_rank_correlation_covers_it_where_digits_make_the_measures():
    """Both measures are sums over digits; the true rho of the two normals is 6/pi asin(0.5/2)."""
    rng, covered = np.random.default_rng(10), []
    i, j = np.triu_indices(10, 1)
    for _ in range(120):
        effects = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 10)
        one, other = (pd.Series(x[i] + x[j], pairs(10)) for x in effects.T)
        found = qap(one, other)
        covered.append(found.low <= 6 / np.pi * np.arcsin(0.25) <= found.high)
    assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 120)


def test_five_pairs_have_their_values_permuted_in_all_120_orders_and_no_interval():
    difficulty = pd.Series([1.0, 2, 3, 4, 5], FIVE)
    found = qap(difficulty, pd.Series([2, 4, 8, 24, 64], FIVE), "kendall")
    assert (found.effect, found.p) == (pytest.approx(1), pytest.approx(2 / 120))
    assert (found.permuted, found.n) == ("pairs", 5)
    assert np.isnan([found.low, found.high]).all()


def test_a_censored_width_ranks_above_all_others_and_ties_with_other_censored_ones():
    difficulty = pd.Series([1.0, 2, 3, 4, 5, 6], pairs(4))
    censored = pd.Series([2, 8, 4, 64, np.nan, np.nan], pairs(4))
    assert qap(difficulty, censored) == qap(difficulty, censored.fillna(1e6))


def test_a_measure_that_is_the_same_for_all_pairs_has_no_correlation_and_no_p_value():
    found = qap(pd.Series(range(6), pairs(4)), pd.Series(2.0, pairs(4)))
    assert np.isnan([found.effect, found.p, found.low]).all()


@pytest.mark.parametrize(
    ("difficulty", "outcome", "message"),
    [
        (pd.Series([1, 2, 3], pairs(3)), pd.Series([1, 2], pairs(3)[:2]), "on one side only"),
        (pd.Series([1, 2, np.nan], pairs(3)), pd.Series([1, 2, 3], pairs(3)), "1-2.*no difficulty"),
        (pd.Series([1, 2], FIVE[:2]), pd.Series([1, 2], FIVE[:2]), "3 or more"),
        (pd.Series([1, 2, 3], ["0-1"] * 3), pd.Series([1, 2, 3], ["0-1"] * 3), "twice"),
    ],
)
def test_measures_that_make_no_relation_are_refused(difficulty, outcome, message):
    with pytest.raises(UserError, match=message):
        qap(difficulty, outcome)


def mean_of(values: np.ndarray) -> Callable[[np.ndarray], float]:
    """The mean of the values at places."""
    return lambda places: values[places].mean()


def test_the_standard_error_of_a_mean_over_pairs_is_that_of_what_the_digits_add():
    effect = np.random.default_rng(12).normal(size=10)
    sums = np.array([effect[i] + effect[j] for i, j in combinations(range(10), 2)])
    found = jackknife(pairs(10), mean_of(sums))
    assert found.se == pytest.approx(2 * effect.std(ddof=1) / np.sqrt(10))


def test_the_jackknife_of_a_mean_over_five_pairs_is_students_interval():
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.3])
    found = jackknife(FIVE, mean_of(values))
    students = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(students))
    assert found.se == pytest.approx(stats.sem(values))


def test_the_jackknife_covers_a_mean_over_pairs_that_share_digits():
    rng = np.random.default_rng(13)
    spreads = [jackknife(pairs(10), mean_of(shared_digits(rng, 10).to_numpy())) for _ in range(400)]
    assert within(np.mean([each.low <= 0 <= each.high for each in spreads]), 0.95, 400)


DIFFICULTY = pd.Series(np.geomspace(0.0005, 0.05, 45), pairs(10)).sample(frac=1, random_state=1)
TRUE = {
    "constant": lambda d: 12 + 0 * d,
    "linear": lambda d: 1.5 + 900 * d,
    "logarithmic": lambda d: 45 + 4 * np.log2(d),
    "power": lambda d: 300 * d**0.7,
}


def widths_of(model: str, sd: float = 0.1, seed: int = 14) -> pd.Series:
    """Widths of a model with a normal error of so many doublings."""
    error = np.random.default_rng(seed).normal(0, sd, 45)
    return TRUE[model](DIFFICULTY) * 2**error


def models(width: pd.Series, widest: float = 1000) -> pd.DataFrame:
    return compare_models(DIFFICULTY, width, widest).set_index("model")


@pytest.mark.parametrize("model", TRUE)
def test_the_model_that_made_the_widths_has_the_least_error_left_out_and_its_parameters(model):
    table = models(widths_of(model))
    assert table.loo_error.idxmin() == model
    assert table.loo_error[model] == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.2)
    d = np.array([0.001, 0.01, 0.04])
    a, b = table.loc[model, ["a", "b"]]
    refitted = {"constant": a + 0 * d, "linear": a + b * d, "logarithmic": a + b * np.log2(d)}
    assert refitted.get(model, a * d**b) == pytest.approx(TRUE[model](d), rel=0.15)


def test_the_interval_of_the_difference_to_the_constant_tells_a_relation_from_none():
    related, unrelated = models(widths_of("linear")), models(widths_of("constant"))
    assert related.high["linear"] < 0
    assert unrelated.low["linear"] < 0 < unrelated.high["linear"]
    assert (related.difference + related.loo_error["constant"]).tolist() == pytest.approx(
        related.loo_error.tolist()
    )


def test_uncensored_fits_are_the_least_squares_ones_of_log_width():
    width = widths_of("linear", sd=0.5)
    table, y = models(width), np.log2(width)
    line = stats.linregress(np.log2(DIFFICULTY), y)
    assert table.loc["power", ["a", "b"]].tolist() == pytest.approx(
        [2**line.intercept, line.slope], rel=1e-3
    )
    (a, b), _ = curve_fit(lambda d, a, b: np.log2(a + b * d), DIFFICULTY, y, p0=(2, 800))
    assert table.loc["linear", ["a", "b"]].tolist() == pytest.approx([a, b], rel=1e-3)
    left_out = np.abs(y - y.mean()).mean() * 45 / 44
    assert table.loo_error["constant"] == pytest.approx(left_out, rel=1e-3)


def test_the_censored_constant_is_the_likeliest_normal_of_scipy():
    width = widths_of("power", sd=0.5)
    cut = width.where(width <= 16)
    censored = stats.CensoredData(
        uncensored=np.log2(cut.dropna()), right=np.full(cut.isna().sum(), np.log2(16))
    )
    table = models(cut, widest=16)
    assert np.log2(table.a["constant"]) == pytest.approx(stats.norm.fit(censored)[0], abs=0.01)
    assert table.censored.tolist() == [cut.isna().sum()] * 4


def test_censored_widths_count_where_dropping_them_would_flatten_the_relation():
    """Means over five draws, with every third width or so beyond the widest."""
    tobit, dropped = [], []
    for seed in range(5):
        cut = widths_of("power", 0.5, seed).where(lambda width: width <= 8)
        tobit.append(models(cut, widest=8).b["power"])
        seen = cut.dropna()
        dropped.append(stats.linregress(np.log2(DIFFICULTY[seen.index]), np.log2(seen)).slope)
    assert np.mean(tobit) == pytest.approx(0.7, abs=0.07)
    assert np.mean(dropped) < 0.6


def test_a_prediction_beyond_the_widest_is_no_error_for_a_censored_width():
    width = TRUE["power"](DIFFICULTY)
    table = models(width.where(width <= 12), widest=12)
    assert table.loo_error["power"] == pytest.approx(0, abs=0.01)


def test_where_hardly_a_width_is_known_no_model_is_fitted():
    width = pd.Series(np.nan, DIFFICULTY.index)
    width.iloc[:2] = 4
    table = models(width, widest=64)
    assert table.drop(columns=["n", "censored"]).isna().all(axis=None)
    assert table.censored.tolist() == [43] * 4


def test_widths_0_and_1_are_the_same_to_a_model():
    width = widths_of("linear").round().clip(2)
    few = DIFFICULTY.nsmallest(5).index
    pd.testing.assert_frame_equal(
        models(width.where(~width.index.isin(few), 0)),
        models(width.where(~width.index.isin(few), 1)),
    )


@pytest.mark.parametrize(
    ("difficulty", "width", "message"),
    [
        ([0.0, 1, 2], [2, 4, 8], "all above 0"),
        ([1.0, 1, 2], [2, 4, 8], "3 different ones"),
        ([1.0, 2, 3], [2, 4, 128], "above the widest"),
    ],
)
def test_what_no_model_can_be_fitted_to_is_refused(difficulty, width, message):
    with pytest.raises(UserError, match=message):
        compare_models(pd.Series(difficulty, pairs(3)), pd.Series(width, pairs(3)), 64)


def test_the_detectable_effect_is_detected_four_times_in_five_and_the_width_is_students():
    table = power([3, 10]).set_index("n")
    rng = np.random.default_rng(15)
    for n, row in table.iterrows():
        values = rng.normal(row.effect, 1, (4000, n))
        found = stats.ttest_1samp(values, 0, axis=1).pvalue <= 0.05
        assert within(found.mean(), 0.8, 4000)
        [ends] = [stats.ttest_1samp(stats.zscore(range(n), ddof=1), 0).confidence_interval()]
        assert row.half_width == pytest.approx(ends.high)


def test_three_seeds_show_effects_of_three_sds_and_ten_of_one():
    """Values of the noncentral t distribution, whose two tails are what noncentral F adds up."""
    for n, effect in power([3, 10, 30]).set_index("n").effect.items():
        critical, shift = stats.t.isf(0.025, n - 1), effect * np.sqrt(n)
        assert stats.nct.sf(critical, n - 1, shift) == pytest.approx(0.8, abs=1e-3)
    assert power([3, 10]).effect.tolist() == pytest.approx([3.264, 0.996], abs=1e-3)
