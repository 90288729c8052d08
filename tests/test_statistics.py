"""Intervals cover, summaries summarise, and the minimum width is the first that lasts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from lib.statistics import FEWEST, interval, minimum_width, minimum_widths, summary

SCORES = st.lists(st.floats(0, 1), min_size=FEWEST, max_size=20)


def test_the_interval_is_the_bca_interval_of_scipy_and_not_the_percentile_one():
    values = [0.1, 0.2, 0.25, 0.3, 0.3, 0.4, 0.5, 2.5, 4.0]
    bca, percentile = (
        bootstrap(
            (values,), np.mean, n_resamples=100_000, method=method, rng=np.random.default_rng(99)
        ).confidence_interval
        for method in ("BCa", "percentile")
    )
    tolerance = 0.03 * (bca.high - bca.low)
    assert interval(values) == pytest.approx(tuple(bca), abs=tolerance)
    assert interval(values) != pytest.approx(tuple(percentile), abs=tolerance)


def test_the_interval_of_ten_normal_values_covers_the_mean_about_as_often_as_it_says():
    """The bootstrap of 10 values is known to be short: 90 % rather than 95 %."""
    draws = np.random.default_rng(7).normal(3, 2, (300, 10))
    covered = [low <= 3 <= high for low, high in map(interval, draws)]
    assert 0.87 <= np.mean(covered) <= 0.97


@given(SCORES)
def test_an_interval_holds_the_mean_within_the_range_of_the_values(values):
    assume(np.ptp(values) > 1e-9)
    low, high = interval(values)
    assert min(values) <= low <= np.mean(values) <= high <= max(values)


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
    assert table.to_dict("records") == [
        {"protocol": p, "task": t, "threshold": 0.9, "minimum_width": w, "n": 3}
        for p, t, w in (("published", "0-1", 4.0), ("converged", "4-9", 2.0))
    ]
