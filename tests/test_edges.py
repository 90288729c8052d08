"""Numbers at the edge: nothing there, too few, equal up to rounding, or no number any more."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from lib import measures, saliency, study
from lib.errors import UserError
from lib.networks import products, protocols, scores, training
from lib.networks.layers import Layers
from lib.networks.population import Population
from lib.networks.protocols import PROTOCOLS, initial
from lib.robustness.corruptions import CORRUPTIONS, corrupt
from lib.statistics import (
    compare_models,
    interval,
    minimum_widths,
    paired_difference,
    qap,
    summary,
)
from lib.tasks import SPLITS

NAN, INF = float("nan"), float("inf")
BROKEN = (NAN, INF, -INF)
PARTS = ("weight1", "bias1", "weight2", "bias2")
DESCRIBED = PROTOCOLS["described"]
LABELS = torch.tensor([0.0, 1.0, 0.0, 1.0])


def order(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Scores


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_f1_is_that_of_scikit_learn_also_where_nothing_is_of_class_1(rows):
    said, labels = zip(*rows, strict=True)
    logits = torch.tensor([said], dtype=torch.float32) - 0.5
    expected = f1_score(labels, said, zero_division=0)
    assert float(scores.f1(logits, torch.tensor(labels).float())) == pytest.approx(expected)


@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=9), st.data())
def test_a_loss_keeps_its_digits_however_small_it_is(logits, data):
    labels = data.draw(st.lists(st.integers(0, 1), min_size=len(logits), max_size=len(logits)))
    against = np.array(logits, dtype=np.float64) * (1 - 2 * np.array(labels))
    found = scores.logistic_loss(torch.tensor([logits]), torch.tensor(labels).float())
    assert float(found) == pytest.approx(np.logaddexp(0, against).mean(), rel=1e-5, abs=0)


SCORES = (scores.f1, scores.auc, scores.logistic_loss)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("row", range(4))
def test_a_network_with_a_logit_that_is_not_finite_has_no_score(score, value, row):
    logits = torch.tensor([[-1.0, 2, -3, 4]]).repeat(2, 1)
    logits[1, row] = value
    assert score(logits, LABELS).isnan().tolist() == [False, True]
    assert not scores.right(logits, LABELS)[1, row]


# Networks that diverged


def broken(part: str, value: float, features: int = 784) -> Population:
    """Networks of widths 2, 3 and 2, of which the second has one weight that is no number."""
    networks = initial(DESCRIBED, "MNIST", "4-9", [2, 3, 2], 0)
    getattr(networks, part)[{"weight1": (5, 3), "bias2": 1}.get(part, 3)] = value
    return networks


@pytest.mark.parametrize("small", [0, products.SMALL], ids=["oneDNN", "plain"])
@pytest.mark.parametrize("value", [*BROKEN, 3e38])
@pytest.mark.parametrize("part", PARTS)
def test_a_network_that_is_not_finite_has_logits_of_nan_and_its_neighbours_their_own(
    part, value, small, monkeypatch
):
    monkeypatch.setattr(products, "SMALL", small)
    images = torch.rand(7, 784)
    networks, whole = broken(part, value), initial(DESCRIBED, "MNIST", "4-9", [2, 3, 2], 0)
    if value == 3e38:  # finite, but not what two of them add up to
        networks.weight1[:, 3] = value
        networks.weight2[3] = 1.0
    logits, hidden = networks.logits(images), networks.hidden(images)
    assert networks.finite.tolist() == [True, False, True]
    assert logits[1].isnan().all()
    torch.testing.assert_close(logits[[0, 2]], whole.logits(images)[[0, 2]])
    assert hidden.isnan().all(0).tolist() == [False, False, True, True, True, False, False]


@pytest.mark.parametrize("small", [0, products.SMALL], ids=["oneDNN", "plain"])
@pytest.mark.parametrize("name", ["described", "converged"])
def test_a_network_that_diverges_in_training_is_nan_to_its_curves_and_leaves_others_alone(
    digits, name, small, monkeypatch
):
    monkeypatch.setattr(products, "SMALL", small)
    protocol = replace(DESCRIBED, steps=6, batch=None if name == "described" else 16)
    split = SPLITS["balanced"](digits, "4-9", 0)
    begin = initial(protocol, "MNIST", "4-9", [2, 3, 4], 0)
    begin.weight1[:, begin.units_of(1)] = 1e30
    begin.weight2[begin.units_of(1)] = 1e7
    alone = begin.select([0, 2])
    end, curves = training.train(begin, split, protocol, order(0))
    other, expected = training.train(alone, split, protocol, order(0))
    if name == "described":
        assert end.finite.tolist() == [True, False, True]
        assert end.logits(split.test.images)[1].isnan().all()
    for curve, values in curves.items():
        assert values[-1].isnan().tolist() == [False, True, False]
        torch.testing.assert_close(values[:, [0, 2]], expected[curve])
    for place, same in ((0, 0), (2, 1)):
        torch.testing.assert_close(end.network(place).weight1, other.network(same).weight1)


@pytest.mark.parametrize("part", PARTS)
def test_what_is_lost_is_contained_in_one_bias(digits, part):
    split = SPLITS["balanced"](digits, "4-9", 0)
    networks = initial(DESCRIBED, "MNIST", "4-9", [2, 3], 0)
    getattr(networks, part)[..., -1] = INF
    layers = Layers(networks, split.lit)
    assert layers.bias2.isnan().tolist() == [False, True]
    assert not layers.weight1[2:].any()
    assert not layers.weight2[2:].any()
    whole = initial(DESCRIBED, "MNIST", "4-9", [2, 3], 0).weight1[split.lit]
    torch.testing.assert_close(layers.weight1[:2, :-1], whole.T[:2])
    assert layers.readout.isfinite().all()


def diverged(monkeypatch: pytest.MonkeyPatch) -> study.Shard:
    """A trained shard whose network of width 4 is not finite."""

    def drawn(*arguments: object) -> Population:
        networks = initial(*arguments)
        widths = arguments[3]
        for place, width in enumerate(widths):
            if width == 4:
                networks.weight1[:, networks.units_of(place)] = NAN
        return networks

    monkeypatch.setattr(protocols, "initial", drawn)
    protocol = replace(DESCRIBED, steps=3)
    shard = study.Shard("MNIST", "4-9", protocol, (2, 4, 8), 0, 200)
    study.train([shard])
    return shard


MEASURES = {
    "capacity": (measures.capacity, {}),
    "pruned": (measures.pruned, {"sparsities": [0.5], "criteria": measures.BOTH_READINGS}),
    "corrupted": (measures.corrupted, {"corruptions": ["occlusion"]}),
    "occluded": (measures.occluded, {"severity": 5}),
    "geometry": (measures.geometry, {"sparsity": 0.5, "rows": 20, "seeds": [0]}),
    "clusters": (measures.clusters, {"sparsity": 0.5, "rows": 20}),
    "embedded": (measures.embedded, {"sparsity": 0.5, "rows": 9}),
    "ablation": (measures.ablation, {"sparsity": 0.5}),
    "strokes": (measures.strokes, {"methods": ["gradient"], "rows": 9}),
    "attention": (measures.attention, {"methods": ["gradient"]}),
    "faithfulness": (measures.faithfulness, {"methods": ["gradient"], "rows": 9}),
    "agreement": (
        measures.agreement,
        {
            "methods": ["gradient", "finite_difference"],
            "sparsities": [0.5],
            "rows": 9,
            "seeds": [0],
        },
    ),
    "exact_accuracy": (
        measures.exact_accuracy,
        {"regimes": ["one_shot"], "sparsities": [0.5], "epsilons": [0.01], "rows": 3},
    ),
    "least_changes": (measures.least_changes, {"rows": 1, "solved": 1}),
}
FACTS = ("sparsity", "amount", "epsilon", "severity", "row", "digit", "n")


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_measured_of_a_diverged_network_is_nan_to_the_table_counted_and_said(
    digits, monkeypatch, capsys, name
):
    monkeypatch.setattr("lib.measures.exact.NODES", 3)
    shard = diverged(monkeypatch)
    measure, options = MEASURES[name]
    table = study.table([shard], measure, **options)
    said = [line for line in capsys.readouterr().out.splitlines() if "finite" in line]
    assert said == [
        "1 of 3 networks are not finite (MNIST 4-9 described seed 0 width 4): their scores are NaN"
        " and count in no mean"
    ]
    masks = ("sparsity_actual", "layer1", "layer2", "lit", "effective", "effective_lit", "speed_up")
    values = table.select_dtypes("float").drop(columns=[*FACTS, *masks], errors="ignore")
    values = values.drop(columns=[c for c in values if c in study.IDENTITY])
    assert len(values.columns)
    assert values[table.width == 4].isna().all(axis=None)
    assert values[table.width == 8].notna().any().any()
    if "n" in table and name != "exact_accuracy":
        assert not table.n[table.width == 4].any()


def test_where_all_networks_are_finite_nothing_is_said(digits, capsys):
    shard = study.Shard("MNIST", "4-9", replace(DESCRIBED, steps=2), (2, 4), 0, 200)
    study.table([shard], measures.capacity)
    assert not capsys.readouterr().out


# Two seeds where there is one


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_two_seeds_are_compared_where_there_are_two(digits, seeds):
    shards = study.shards("MNIST", ["4-9"], {"described": seeds}, [3], limit=200, steps=5)
    options = {"sparsity": 0.5, "rows": 20, "seeds": seeds}
    found = study.table(shards, measures.geometry, **options)
    beside = found[found.comparison == "seeds"]
    assert beside.seed.tolist() == (seeds if len(seeds) > 1 else [])
    assert (beside.cka < 0.999).all()


# Statistics


def of_seeds(values: Sequence[float] | np.ndarray) -> pd.Series:
    return pd.Series(values, pd.RangeIndex(len(values), name="seed"))


NOISE = st.lists(st.integers(-3, 3), min_size=6, max_size=12)


@given(NOISE, st.floats(-1, 1))
def test_values_equal_up_to_rounding_are_their_own_interval(noise, value):
    low, high = interval([value + each * 1e-16 for each in noise])
    assert low == high == pytest.approx(value, abs=1e-15)


@given(NOISE)
def test_a_difference_by_rounding_alone_is_none(noise):
    other = of_seeds([0.9] * len(noise))
    found = paired_difference(other + np.array(noise) * 2e-16, other)
    assert (found.effect, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_flips_that_only_rounding_parts_are_ties():
    values = [0.2, -0.9, 0.4, -1.0, 0.5, 0.8]  # 0 in all, and not so in floating point
    assert paired_difference(of_seeds(values), of_seeds([0.0] * 6)).p == 1


def test_measures_of_pairs_that_only_rounding_parts_rank_as_equal():
    tasks = [f"{i}-{j}" for i in range(5) for j in range(i + 1, 5)]
    exact = pd.Series([0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.2, 0.2, 0.5, 0.5], tasks)
    noisy = exact + np.arange(10) % 3 * 3e-17 * np.array([1, -1] * 5)
    outcome = pd.Series(range(10), tasks, dtype=float)
    assert qap(noisy, outcome) == qap(exact, outcome)
    assert np.isnan(qap(exact * 0 + noisy - exact, outcome).effect)


def test_a_model_that_only_rounding_parts_from_the_constant_is_no_better():
    tasks = [f"{i}-{j}" for i in range(5) for j in range(i + 1, 5)]
    difficulty = pd.Series(np.linspace(0.013, 0.87, 10) ** 2, tasks)
    found = compare_models(difficulty, pd.Series(6.0, tasks), 64).set_index("model")
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)


def test_a_summary_counts_what_its_mean_is_of():
    table = pd.DataFrame({"task": "a", "f1": [1, 2, np.nan, 3, 4, 5.5]})
    [row] = summary(table, ["task"], "f1").itertuples()
    assert (row.mean, row.n) == (3.1, 5)
    assert (row.low, row.high) == interval([1, 2, 3, 4, 5.5])


def test_a_summary_of_nothing_holds_numbers_as_any_other():
    table = pd.DataFrame({"task": ["a"], "width": [4], "f1": [0.5]})
    one, none = (summary(each, ["task", "width"], "f1") for each in (table, table[:0]))
    assert none.empty
    assert none.drop(columns="n").dtypes.equals(one.drop(columns="n").dtypes)


def test_one_difference_is_as_far_from_none_with_either_sign():
    found = paired_difference(of_seeds([0.9]), of_seeds([0.5]))
    assert (found.p, found.n) == (1, 1)
    assert np.isnan(found.low)


def test_a_seed_with_a_network_that_has_no_score_counts_in_no_minimum_width():
    rows = [(s, w, 0.5 + w / 10 + s / 1000) for s in range(6) for w in (2, 4)]
    table = pd.DataFrame(rows, columns=["seed", "width", "f1"]).assign(protocol="p", task="0-1")
    table.loc[3, "f1"] = np.nan
    found = minimum_widths(pd.concat([table, table[2:4].assign(task="4-9")]), {"p": "f1"}, 0.8)
    assert found[["task", "n", "minimum_width"]].to_numpy().tolist() == [["0-1", 5, 4.0]]
    without = minimum_widths(table[table.seed != 1], {"p": "f1"}, 0.8)
    pd.testing.assert_frame_equal(found, without)


def test_where_there_is_no_mean_there_is_no_highest_sparsity():
    changes = pd.DataFrame({"task": ["a", "a", "b", "b"], "sparsity": [0.5, 0.9] * 2})
    changes["mean"] = [np.nan, np.nan, 0.0, -1.0]
    found = measures.highest_sparsities(changes, ["task"], 0.01).highest_sparsity
    assert found.isna().tolist() == [True, False]
    assert found[1] == 0.5


# Images and maps


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [0, 5])
def test_no_rows_are_corrupted_to_no_rows(name, severity):
    for dtype in (torch.float32, torch.float64):
        found = corrupt(torch.zeros(0, 784, dtype=dtype), name, severity, torch.Generator())
        assert (found.shape, found.dtype) == ((0, 784), dtype)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.bfloat16])
def test_images_that_are_not_floating_point_are_refused_in_a_sentence(name, dtype):
    with pytest.raises(UserError, match=r"^images of torch\.\w+: give float32 or float64, scaled"):
        corrupt(torch.ones(2, 784).to(dtype), name, 3, torch.Generator())


@pytest.mark.parametrize("name", saliency.AGREEMENT)
@pytest.mark.parametrize("count", [0, 1, 2, 9])
@pytest.mark.parametrize("rows", [0, 3])
def test_maps_of_few_lit_pixels_or_none_agree_without_a_fault(name, count, rows):
    lit = torch.zeros(784, dtype=torch.bool)
    lit[300 : 300 + count] = True
    one, other = torch.rand(2, 2, rows, 784, generator=order(count))
    found = saliency.AGREEMENT[name](one, other, lit)
    assert found.shape == saliency.flat(one, lit).shape == (2, rows)
    if count == 0 or name == "hog":  # there is nothing to agree on: no block is wholly lit
        assert found.isnan().all()
    else:
        assert found.abs().le(1 + 1e-6).all()


def test_of_fewer_than_ten_pixels_the_top_tenth_is_the_highest():
    lit = torch.arange(784) < 9
    one = torch.zeros(1, 3, 784)
    one[0, 0, 4] = one[0, 1, 5] = one[0, 2, 4] = one[0, 2, 5] = 1.0
    found = saliency.AGREEMENT["top_decile"](one, one[:, :1].expand(1, 3, -1), lit)
    assert found.tolist() == [[1.0, 0.0, 0.5]]


@pytest.mark.parametrize("method", saliency.METHODS)
def test_no_image_has_no_map(method):
    networks = initial(DESCRIBED, "MNIST", "4-9", [2, 5], 0)
    assert saliency.maps(networks, torch.zeros(0, 784), method).shape == (2, 0, 784)


def test_networks_that_differ_by_the_last_bit_of_single_precision_do_not_differ():
    one = np.linspace(0.9, 0.99, 10, dtype=np.float32)
    found = paired_difference(of_seeds(np.nextafter(one, np.float32(1))), of_seeds(one))
    assert found.low == found.high == found.effect
    assert found.p == 1
