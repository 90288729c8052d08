"""A pair of digits is divided as the protocols say, the same way every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from lib.errors import UserError
from lib.tasks import balanced_split, by_digit, digits, full_split, pair_rows

PAIRS = st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1])
SEEDS = st.integers(0, 2**32 - 1)


@given(PAIRS)
def test_a_pair_is_read_as_its_digits(pair):
    assert digits("{}-{}".format(*pair)) == pair


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("4-4", "equal digits"),
        ("9-4", "falling order: write '4-9'"),
        ("49", "write it as '4-9'"),
        ("4-10", "write it as '4-9'"),
        ("a-b", "write it as '4-9'"),
        ("4-9\n", "write it as '4-9'"),
        ("٤-٩", "write it as '4-9'"),
        ("", "write it as '4-9'"),
        (None, "write it as '4-9'"),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence_that_shows_it(task, said):
    with pytest.raises(UserError, match=r"^task ") as error:
        digits(task)
    assert said in str(error.value)
    assert repr(task) in str(error.value)


def as_set(*parts):
    """The images of some rows, as bytes; the made-up ones are all different."""
    return [image.numpy().tobytes() for rows in parts for image in rows.images]


def test_rows_of_a_pair_come_in_file_order_and_the_larger_digit_is_class_1(digits):
    rows = pair_rows(digits, "3-8", "test")
    images, labels = digits.images["test"].numpy(), digits.labels["test"].numpy()
    inside = np.isin(labels, (3, 8))
    assert np.array_equal(rows.images.numpy(), images[inside].astype(np.float32) / 255)
    assert np.array_equal(rows.labels.numpy(), labels[inside] == 8)
    three, eight = by_digit(rows)
    assert np.array_equal(three.numpy(), images[labels == 3].astype(np.float32) / 255)
    assert np.array_equal(eight.numpy(), images[labels == 8].astype(np.float32) / 255)


def published_rows(data, task, seed):
    """The draws of the published code (design, section 4), on raw arrays."""
    labels = data.labels["train"].numpy()
    images = data.images["train"].numpy()
    low, high = int(task[0]), int(task[2])
    inside = np.isin(labels, (low, high))
    x, y = images[inside], labels[inside]
    fewer = min((y == low).sum(), (y == high).sum())
    rng = np.random.default_rng(seed)
    first = rng.choice(np.where(y == low)[0], size=fewer, replace=False)
    second = rng.choice(np.where(y == high)[0], size=fewer, replace=False)
    both = np.concatenate([first, second])
    both = both[rng.permutation(len(both))]
    x, y = x[both].astype(np.float32) / 255, (y[both] == high).astype(np.float32)
    return train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)


@given(PAIRS, st.integers(0, 1000))
def test_the_balanced_split_is_the_published_one(digits, pair, seed):
    task = "{}-{}".format(*pair)
    split = balanced_split(digits, task, seed)
    expected = published_rows(digits, task, seed)
    got = (split.train.images, split.held_out.images, split.train.labels, split.held_out.labels)
    for tensor, array in zip(got, expected, strict=True):
        assert np.array_equal(tensor.numpy(), array)


@given(PAIRS, SEEDS)
def test_the_balanced_split_is_balanced_stratified_and_a_fifth_is_held_out(digits, pair, seed):
    split = balanced_split(digits, "{}-{}".format(*pair), seed)
    fewer = min(int((digits.labels["train"] == digit).sum()) for digit in pair)
    assert len(split.train) + len(split.held_out) == 2 * fewer
    assert len(split.held_out) == pytest.approx(0.4 * fewer, abs=1)
    for rows in (split.train, split.held_out):
        assert float(rows.labels.sum()) == pytest.approx(len(rows) / 2, abs=0.5)


@given(PAIRS, SEEDS, st.sampled_from([balanced_split, full_split]))
def test_no_row_is_in_two_parts_and_test_rows_are_the_official_ones(digits, pair, seed, split_by):
    task = "{}-{}".format(*pair)
    split = split_by(digits, task, seed)
    parts = as_set(split.train, split.held_out)
    assert len(set(parts)) == len(parts)
    assert set(parts) <= set(as_set(pair_rows(digits, task, "train")))
    assert as_set(split.test) == as_set(pair_rows(digits, task, "test"))
    assert not set(parts) & set(as_set(split.test))


@given(PAIRS, SEEDS)
def test_the_full_split_uses_every_row_and_holds_out_a_tenth(digits, pair, seed):
    task = "{}-{}".format(*pair)
    split, rows = full_split(digits, task, seed), pair_rows(digits, task, "train")
    assert sorted(as_set(split.train, split.held_out)) == sorted(as_set(rows))
    assert len(split.held_out) == len(rows) // 10


@pytest.mark.parametrize("split_by", [balanced_split, full_split])
def test_a_split_is_a_function_of_its_seed(digits, split_by):
    one, same, other = (split_by(digits, "4-9", seed) for seed in (3, 3, 4))
    assert as_set(one.train, one.held_out) == as_set(same.train, same.held_out)
    assert set(as_set(one.held_out)) != set(as_set(other.held_out))


@pytest.mark.parametrize("split_by", [balanced_split, full_split])
def test_a_limit_caps_the_rows_of_the_training_file_and_no_others(digits, split_by):
    split, whole = split_by(digits, "4-9", 0, limit=50), split_by(digits, "4-9", 0)
    assert len(split.train) + len(split.held_out) == 50
    assert set(as_set(split.train, split.held_out)) <= set(as_set(whole.train, whole.held_out))
    assert len(split.test) == len(whole.test)


def test_a_pixel_is_lit_where_some_training_row_has_ink(digits):
    split = balanced_split(digits, "4-9", 0)
    assert split.lit.tolist() == (split.train.images.numpy() > 0).any(0).tolist()
    assert 0 < int(split.lit.sum()) <= 400
    assert bool((split.test.images[:, ~split.lit] > 0).any())
