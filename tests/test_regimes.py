"""Around a mask, a network trains as in a plain PyTorch loop that keeps setting weights to 0."""

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, ks_2samp
from test_population import SEEDS, WIDTHS, drawn, same
from test_pruning import doubled, draws, gone, of_network
from test_sizes import drawn_masks
from test_training import (
    SHORT,
    TASKS,
    assert_equal_networks,
    exactly,
    multiply,
    order_of,
    plain,
    trained_alone,
)
from torch.nn.utils import prune

from lib import pruning
from lib.errors import UserError
from lib.networks import training
from lib.networks.layers import Masks
from lib.networks.population import FIELDS, Population, stack
from lib.networks.protocols import PROTOCOLS, Protocol, initial
from lib.pruning import regimes
from lib.tasks import SPLITS, Split

DRAWN = {name: SHORT[name] for name in ("described", "converged")}
"""The protocols that have networks of every width."""
SPARSITIES = st.floats(0, 1, exclude_max=True)
DENSITIES = st.floats(0.05, 0.95)


def ready(
    digits: object, protocol: Protocol, widths: list[int], seed: int = 0, task: str = "4-9"
) -> tuple[Population, Split]:
    """Initial networks and their split in double precision."""
    split = exactly(SPLITS[protocol.split](digits, task, seed))
    return doubled(initial(protocol, "MNIST", task, widths, seed)), split


@pytest.mark.parametrize("name", DRAWN)
@settings(max_examples=12)
@given(
    widths=st.lists(st.integers(1, 24), min_size=1, max_size=4),
    task=TASKS,
    seed=st.integers(0, 2**32 - 1),
    density=DENSITIES,
)
def test_around_masks_a_network_of_a_population_is_the_one_trained_alone(
    digits, name, widths, task, seed, density
):
    protocol = DRAWN[name]
    begin, split = ready(digits, protocol, widths, seed, task)
    kept = drawn_masks(widths, 784, seed, density)
    end, _ = training.train(begin, split, protocol, order_of(seed), kept)
    assert not end.weight1[~kept.layer1].any()
    assert not end.weight2[~kept.layer2].any()
    for place in range(len(widths)):
        model, masks = plain(begin, place), of_network(begin, kept, place)
        multiply(model, masks)
        alone = trained_alone(model, split, protocol, seed, masks)
        assert_equal_networks(plain(end, place), alone, 1e-9)


@pytest.mark.parametrize("name", DRAWN)
def test_around_masks_that_leave_nothing_out_training_is_what_it_is_without(digits, name):
    begin, split = ready(digits, DRAWN[name], [2, 8])
    whole, _ = training.train(begin, split, DRAWN[name], order_of(0), pruning.whole(begin))
    assert same(whole, training.train(begin, split, DRAWN[name], order_of(0))[0])


def test_logistic_regression_is_not_trained_around_masks(digits):
    begin, split = ready(digits, SHORT["described"], [3, 0])
    with pytest.raises(
        UserError, match=r"^a network of width 0 .* cannot be pruned: give networks"
    ):
        training.train(begin, split, SHORT["described"], order_of(0), pruning.whole(begin))


@given(st.integers(1, 25), st.sampled_from([Fraction(1, 5), Fraction(1, 2)]))
def test_each_round_takes_its_share_of_what_the_rounds_before_left(rounds, share):
    left = Fraction(1)
    sparsities = pruning.schedule(rounds, float(share))
    assert len(sparsities) == rounds
    for sparsity in sparsities:
        left -= share * left
        assert sparsity == pytest.approx(float(1 - left), abs=1e-6)


def test_fourteen_rounds_of_a_fifth_go_past_95_percent_and_21_past_99():
    assert pruning.schedule(13)[-1] < 0.95 < pruning.schedule(14)[-1]
    assert pruning.schedule(20)[-1] < 0.99 < pruning.schedule(21)[-1]


def by(scope: str) -> pruning.Criterion:
    return pruning.Criterion(scope=scope)


def dense_of(begin: Population, split: Split, protocol: Protocol, seed: int) -> Population:
    """What training makes of some initial networks: the first round of rewinding."""
    return training.train(begin, split, protocol, order_of(seed))[0]


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("name", DRAWN)
def test_rewinding_is_a_loop_of_training_torchs_pruning_and_the_initial_weights(
    digits, name, scope
):
    protocol, widths, sparsities = DRAWN[name], [3, 8], pruning.schedule(4, 0.5)
    begin, split = ready(digits, protocol, widths)
    dense = dense_of(begin, split, protocol, 5)
    rounds = list(pruning.rewind(begin, dense, split, protocol, order_of(5), sparsities, by(scope)))
    assert [each.sparsity for each in rounds] == [0, *sparsities]
    for place, width in enumerate(widths):
        masks = [torch.ones(width, 784).double(), torch.ones(1, width).double()]
        for each in rounds:
            model = plain(begin, place)
            multiply(model, masks)
            model = trained_alone(model, split, protocol, 5, masks)
            assert_equal_networks(plain(each.networks, place), model, 1e-9)
            found = of_network(begin, each.kept, place)
            assert all(
                torch.equal(*pair) for pair in zip(found, [m > 0 for m in masks], strict=True)
            )
            if each is not rounds[-1]:
                upcoming = sparsities[rounds.index(each)]
                masks = pruned_by_torch(model, masks, upcoming, scope)


def pruned_by_torch(
    model: torch.nn.Sequential, masks: list[torch.Tensor], sparsity: float, scope: str
) -> list[torch.Tensor]:
    """The masks of a trained model at a sparsity, none of what earlier masks left out in them."""
    layers = (model[0], model[2])
    scores = {
        (layer, "weight"): torch.where(mask > 0, layer.weight.detach().abs(), 0)
        for layer, mask in zip(layers, masks, strict=True)
    }
    if scope == "global":
        count = int(sparsity * sum(mask.numel() for mask in masks))
        prune.global_unstructured(
            list(scores), prune.L1Unstructured, importance_scores=scores, amount=count
        )
    else:
        for (layer, name), score in scores.items():
            count = int(sparsity * score.numel())
            prune.L1Unstructured.apply(layer, name, count, importance_scores=score)
    return [getattr(layer, "weight_mask", torch.ones_like(layer.weight)) for layer in layers]


@pytest.mark.parametrize("scope", ["layer", "global"])
@given(widths=st.lists(st.integers(1, 12), min_size=1, max_size=3), rounds=st.integers(1, 22))
def test_rewound_weights_are_the_initial_ones_on_masks_of_exact_size_that_only_shrink(
    digits, scope, widths, rounds
):
    untrained = replace(SHORT["described"], steps=0)
    begin, split = ready(digits, untrained, widths)
    sparsities = pruning.schedule(rounds)
    before = pruning.whole(begin)
    for each in pruning.rewind(begin, begin, split, untrained, order_of(0), sparsities, by(scope)):
        assert same(each.networks, pruning.apply(begin, each.kept))
        assert not (each.kept.layer1 & ~before.layer1).any()
        assert not (each.kept.layer2 & ~before.layer2).any()
        for place, width in enumerate(widths):
            one, two = gone(begin, each.kept, place)
            if scope == "global":
                assert one + two == int(each.sparsity * (785 * width))
            else:
                assert one == int(each.sparsity * (784 * width))
                assert two == int(each.sparsity * width)
        before = each.kept


@given(
    levels=st.lists(st.floats(0.01, 0.999), min_size=1, max_size=6, unique=True).map(sorted),
    share=st.floats(0.05, 0.5),
)
def test_rounds_meet_every_level_and_rise(levels, share):
    levels = sorted({round(level, 3) for level in levels})
    found = pruning.through(levels, share)
    assert found == sorted(set(found))
    assert set(levels) <= set(found)


def test_rounds_through_the_asked_levels_take_about_a_fifth():
    left = [1.0, *(1 - each for each in pruning.through([0.5, 0.8, 0.9, 0.95, 0.98, 0.99]))]
    shares = [1 - after / before for before, after in itertools.pairwise(left)]
    assert len(shares) == 20
    assert all(0.2 < share < 0.21 for share in shares)


def test_rewinding_keeps_the_highest_scores_of_the_method_that_is_asked_for(digits):
    begin, split = ready(digits, DRAWN["described"], [3, 8])
    dense = dense_of(begin, split, DRAWN["described"], 0)
    for method in (name for name, each in pruning.METHODS.items() if not each.at_start):
        criterion = pruning.Criterion(method)
        _, first = pruning.rewind(
            begin, dense, split, DRAWN["described"], order_of(0), [0.5], criterion
        )
        expected = pruning.cut(dense, 0.5, criterion, rows=split.train)
        assert torch.equal(first.kept.layer1, expected.layer1)
        assert torch.equal(first.kept.layer2, expected.layer2)


def test_a_method_that_scores_no_trained_weights_cannot_be_rewound(digits):
    begin, split = ready(digits, DRAWN["described"], [3])
    rounds = pruning.rewind(
        begin, begin, split, DRAWN["described"], order_of(0), [0.5], pruning.Criterion("snip")
    )
    with pytest.raises(UserError, match=r"'snip'.*magnitude"):
        next(rounds)


def test_a_unit_whose_output_is_pruned_stays_what_it_was(digits):
    begin, split = ready(digits, DRAWN["converged"], [2, 3, 1])
    kept = pruning.whole(begin)
    kept.layer2[torch.tensor([1, 2, 3, 4])] = False
    end = pruning.train_masked(begin, kept, split, DRAWN["converged"], order_of(0))
    direct, _ = training.train(begin, split, DRAWN["converged"], order_of(0), kept)
    for field in FIELDS:
        torch.testing.assert_close(getattr(end, field), getattr(direct, field))
    assert torch.equal(end.weight1[:, 1], begin.weight1[:, 1])


def test_what_a_round_took_stays_away_even_if_what_it_left_is_trained_to_0(digits, monkeypatch):
    begin, split = ready(digits, DRAWN["described"], [4])
    falling = replace(begin, weight1=torch.arange(784.0, 0, -1).double()[:, None].expand(784, 4))
    ends = iter([replace(begin, weight1=torch.zeros(784, 4).double()), begin])
    monkeypatch.setattr(regimes, "train_masked", lambda *_: next(ends))
    rounds = pruning.rewind(begin, falling, split, DRAWN["described"], order_of(0), [0.5, 0.75])
    _, half, quarter = (each.kept.layer1 for each in rounds)
    assert half[:392].all()
    assert int(quarter.sum()) == 784
    assert not (quarter & ~half).any()


def test_what_rewinding_makes_of_a_network_does_not_depend_on_its_company(digits):
    protocol = replace(DRAWN["converged"], steps=100)
    begin, split = ready(digits, protocol, [2, 9, 24])
    together, lone = (
        list(
            pruning.rewind(
                each, dense_of(each, split, protocol, 1), split, protocol, order_of(1), [0.5, 0.8]
            )
        )
        for each in (begin, begin.network(1))
    )
    for one, other in zip(together, lone, strict=True):
        found = of_network(begin, one.kept, 1)
        assert all(map(torch.equal, found, of_network(begin.network(1), other.kept, 0)))
        for field in FIELDS:
            mine, theirs = getattr(one.networks.network(1), field), getattr(other.networks, field)
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", DRAWN)
def test_fine_tuning_is_training_a_pruned_network_for_so_many_more_steps(digits, name):
    protocol = DRAWN[name]
    begin, split = ready(digits, protocol, [2, 8])
    dense, _ = training.train(begin, split, protocol, order_of(0))
    kept = pruning.cut(dense, 0.5)
    tuned = pruning.fine_tune(dense, kept, split, protocol, order_of(2), steps=30)
    for place in range(2):
        model, masks = plain(dense, place), of_network(dense, kept, place)
        multiply(model, masks)
        alone = trained_alone(model, split, replace(protocol, steps=30), 2, masks)
        assert_equal_networks(plain(tuned, place), alone, 1e-9)


def test_every_training_of_a_regime_meets_the_rows_in_the_same_order(digits):
    protocol = DRAWN["converged"]
    begin, split = ready(digits, protocol, [3])
    order = order_of(4)
    once, again = (
        pruning.train_masked(begin, pruning.whole(begin), split, protocol, order) for _ in range(2)
    )
    assert same(once, again)
    other = pruning.train_masked(begin, pruning.whole(begin), split, protocol, order_of(5))
    assert not same(once, other)


@given(WIDTHS, SEEDS, DENSITIES)
def test_random_and_shuffled_masks_keep_as_many_weights_of_each_layer(widths, seed, density):
    networks, kept = drawn(widths, seed), drawn_masks(widths, 30, seed, density)
    other = pruning.random_like(networks, kept, draws(networks, seed))
    moved = pruning.shuffled(networks, kept, draws(networks, seed))
    for place in range(len(widths)):
        counts = gone(networks, kept, place)
        assert counts == gone(networks, other, place) == gone(networks, moved, place)
    assert torch.equal(moved.layer1.sum(0), kept.layer1.sum(0))
    assert torch.equal(moved.layer2, kept.layer2)


@pytest.mark.parametrize("control", [pruning.random_like, pruning.shuffled])
@given(widths=WIDTHS, seed=SEEDS)
def test_a_network_s_control_masks_do_not_depend_on_its_company(control, widths, seed):
    networks, kept = drawn(widths, seed), drawn_masks(widths, 30, seed, 0.4)
    together = control(networks, kept, draws(networks, seed))
    for place in range(len(widths)):
        one, units = networks.network(place), networks.units_of(place)
        part = Masks(kept.layer1[:, units], kept.layer2[units])
        alone = control(one, part, draws(networks, seed)[place : place + 1])
        assert all(
            map(torch.equal, of_network(one, alone, 0), of_network(networks, together, place))
        )


@pytest.mark.parametrize("control", [pruning.random_like, pruning.shuffled])
def test_in_control_masks_every_pixel_is_kept_equally_often(control):
    networks, kept = drawn([3]), drawn_masks([3], 30, 1, 0.3)
    times = torch.zeros(30)
    for seed in range(300):
        times += control(networks, kept, draws(networks, seed)).layer1.sum(1)
    assert float(times.sum()) == 300 * int(kept.layer1.sum())
    assert chisquare(times.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("name", PROTOCOLS)
def test_fresh_weights_are_other_draws_from_the_same_distribution(name):
    protocol, widths = PROTOCOLS[name], [16, 24]
    first = initial(protocol, "MNIST", "4-9", widths, 42)
    fresh = pruning.fresh(protocol, "MNIST", "4-9", widths, 42)
    assert same(fresh, pruning.fresh(protocol, "MNIST", "4-9", widths, 42))
    assert not (fresh.weight1 == first.weight1).any()
    assert fresh.widths == widths
    assert ks_2samp(fresh.weight1.flatten(), first.weight1.flatten()).pvalue > 1e-3
    assert ks_2samp(fresh.weight2, first.weight2).pvalue > 1e-3


@given(st.integers(1, 1000), st.lists(st.integers(0, 10**5), min_size=1, max_size=9))
def test_the_dense_network_of_equal_size_is_the_one_whose_weights_are_nearest(features, counts):
    widths = pruning.dense_widths(features, torch.tensor(counts)).tolist()
    for width, count in zip(widths, counts, strict=True):
        sizes = [(features + 1) * each for each in range(1, 10**5 // features + 2)]
        assert width == 1 + min(range(len(sizes)), key=lambda k: abs(sizes[k] - count))


def test_regimes_and_controls_of_a_run_train_as_one_population(digits):
    protocol = DRAWN["described"]
    begin, split = ready(digits, protocol, [4, 8])
    masks = [pruning.cut(begin, 0.5), pruning.cut(begin, 0.9)]
    both = pruning.train_masked(
        stack([begin, begin]), pruning.stacked(masks), split, protocol, order_of(0)
    )
    for place, kept in enumerate(masks):
        alone = pruning.train_masked(begin, kept, split, protocol, order_of(0))
        part = both.select([2 * place, 2 * place + 1])
        for field in FIELDS:
            torch.testing.assert_close(getattr(part, field), getattr(alone, field))
