"""What is left of a pruned network is counted, path by path and weight by weight."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from test_population import SEEDS, WIDTHS, drawn
from test_pruning import rows

from lib import pruning
from lib.networks.layers import Masks
from lib.networks.population import Population, owners
from lib.pruning.sizes import GRID
from lib.tasks import Rows

SPARSITIES = st.floats(0, 1, exclude_max=True)
TINY = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def drawn_masks(widths: list[int], features: int, seed: int, density: float) -> Masks:
    g = torch.Generator().manual_seed(seed)
    units = sum(widths)
    layer1, layer2 = torch.rand(features, units, generator=g), torch.rand(units, generator=g)
    return Masks(layer1 < density, layer2 < density)


def on_paths(kept: Masks, units: slice, pixels: list[int]) -> tuple[set[tuple[int, int]], set[int]]:
    """The weights of a network that some path from these pixels to the output takes."""
    layer1, layer2 = kept.layer1[:, units], kept.layer2[units]
    paths = [
        (pixel, unit)
        for pixel, unit in product(pixels, range(len(layer2)))
        if layer1[pixel, unit] and layer2[unit]
    ]
    return set(paths), {unit for _, unit in paths}


@given(TINY, SEEDS, st.floats(0.05, 0.95), st.integers(0, 2**5 - 1))
def test_effective_weights_are_those_on_a_path_from_input_to_output(widths, seed, density, lights):
    networks, kept = drawn(widths, seed, 5), drawn_masks(widths, 5, seed, density)
    lit = torch.tensor([bool(lights >> pixel & 1) for pixel in range(5)])
    found = pruning.effective_sparsity(networks, kept, lit)
    for place, width in enumerate(widths):
        units = networks.units_of(place)
        for name, pixels in {"overall": range(5), "lit": lit.nonzero()[:, 0].tolist()}.items():
            first, second = on_paths(kept, units, list(pixels))
            share = 1 - (len(first) + len(second)) / ((len(pixels) + 1) * width)
            assert float(found[name][place]) == pytest.approx(share)
        first, second = on_paths(kept, units, list(range(5)))
        alive = pruning.effective(kept, torch.ones(5, dtype=torch.bool))
        assert {tuple(at) for at in alive.layer1[:, units].nonzero().tolist()} == first
        assert set(alive.layer2[units].nonzero()[:, 0].tolist()) == second


@given(TINY, SEEDS, st.floats(0.05, 0.95))
def test_dead_ends_change_a_logit_by_nothing_but_a_constant(widths, seed, density):
    networks, kept = drawn(widths, seed, 5), drawn_masks(widths, 5, seed, density)
    alive = pruning.effective(kept, torch.ones(5, dtype=torch.bool))
    images = torch.rand(9, 5, generator=torch.Generator().manual_seed(seed))
    both = [pruning.apply(networks, each).logits(images) for each in (kept, alive)]
    difference = both[0] - both[1]
    torch.testing.assert_close(difference, difference[:, :1].expand_as(difference))


@given(WIDTHS, SEEDS, SPARSITIES)
def test_effective_sparsity_is_no_less_than_actual_sparsity(widths, seed, sparsity):
    networks, lit = drawn(widths, seed), torch.arange(30) % 3 > 0
    kept = pruning.cut(networks, sparsity)
    actual = pruning.actual_sparsity(networks, kept, lit)
    effective = pruning.effective_sparsity(networks, kept, lit)
    assert (effective["overall"] >= actual["overall"]).all()
    assert (effective["lit"] >= actual["lit"]).all()


@given(WIDTHS, SEEDS, SPARSITIES)
def test_kept_weights_are_counted_and_the_speed_up_is_dense_by_kept(widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = pruning.cut(networks, sparsity, pruning.Criterion(scope="global"))
    left = [31 * width - int(sparsity * 31 * width) for width in widths]
    assert pruning.counts(networks, kept).tolist() == left
    expected = [31 * width / each for width, each in zip(widths, left, strict=True)]
    assert pruning.speed_up(networks, kept).tolist() == pytest.approx(expected)


def score(networks: Population, kept: Masks, place: int, data: Rows) -> float:
    """F1 of one pruned network, by plain PyTorch and scikit-learn."""
    with torch.no_grad():
        logits = pruning.apply(networks, kept).sequential(place)(data.images)[:, 0]
    return float(f1_score(data.labels, logits >= 0, zero_division=0))


@pytest.mark.parametrize("scope", ["layer", "global"])
@settings(max_examples=10)
@given(widths=TINY, seed=SEEDS)
def test_the_essential_size_suffices_as_does_all_above_on_the_grid_and_one_weight_fewer_does_not(
    scope, widths, seed
):
    networks = drawn(widths, seed, features=8)
    data = rows(networks, seed)
    ranks = pruning.rank(networks, pruning.Criterion(scope=scope))
    sizes = pruning.essential_sizes(networks, ranks, data).tolist()
    for place, (width, size) in enumerate(zip(widths, sizes, strict=True)):
        one = networks.network(place)
        total = 9 * width
        bar = 0.95 * score(one, pruning.whole(one), 0, data) - 1e-6
        enough = {}  # by the number of weights that are left, all the way down
        for gone in range(total + 1):
            kept = kept_without(one, scope, gone)
            enough[int(pruning.counts(one, kept))] = score(one, kept, 0, data) >= bar
        assert enough[size]
        assert size == 0 or not enough[max(left for left in enough if left < size)]
        met = [kept_without(one, scope, int(share * total)) for share in GRID]
        assert all(enough[left] for kept in met if (left := int(pruning.counts(one, kept))) >= size)


def kept_without(one: Population, scope: str, gone: int) -> Masks:
    """The masks of a network without its `gone` smallest weights, by sorting them."""
    layer1, layer2 = torch.ones_like(one.weight1) > 0, torch.ones_like(one.weight2) > 0
    features, width = one.weight1.shape
    flat = [one.weight1.abs().flatten(), one.weight2.abs()]
    if scope == "global":
        places = torch.cat(flat).argsort(stable=True)[:gone]
        first, second = places[places < features * width], places[places >= features * width]
        second = second - features * width
    else:
        first = flat[0].argsort(stable=True)[: gone * features // (features + 1)]
        second = flat[1].argsort(stable=True)[: gone // (features + 1)]
    layer1.view(-1)[first], layer2[second] = False, False
    return Masks(layer1, layer2)


def steps(weight1: list[list[float]], weight2: list[float], bias2: float) -> Population:
    """One network without hidden biases."""
    width = len(weight2)
    return Population(
        torch.tensor(weight1),
        torch.zeros(width),
        torch.tensor(weight2),
        torch.tensor([bias2]),
        owners([width]),
    )


def test_a_network_that_needs_three_weights_has_an_essential_size_of_three():
    images = torch.tensor([[0.0, 0, 1, 1], [1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]] * 5)
    both = Rows(images, images[:, 0] * images[:, 1])  # both of the first two pixels are lit
    networks = steps([[3.0, 0.01], [4.0, 0.02], [0.03, 0.04], [0.05, 0.06]], [5.0, 0.07], -30.0)
    ranks = pruning.rank(networks, pruning.Criterion(scope="global"))
    assert pruning.essential_sizes(networks, ranks, both).tolist() == [3]


def test_where_f1_dips_the_essential_size_is_the_one_before_the_dip():
    labels = torch.tensor([0.0, 1.0] * 10)
    data = Rows(torch.stack([labels] + [torch.ones(20)] * 9, dim=1), labels)
    weight1 = torch.full((10, 3), 1e-3) * torch.linspace(1, 1.3, 30).view(10, 3)
    weight1[0, 0], weight1[1, 1], weight1[1, 2] = 5.0, 2.0, 1.0
    # The first unit sees the label. The second hides it; the third undoes that, and goes first.
    networks = steps(weight1.tolist(), [5.0, -20.0, 40.0], -5.0)
    found = [
        score(networks, kept_without(networks, "global", gone), 0, data) for gone in range(27, 31)
    ]
    assert found == [1.0, 0.0, 1.0, 0.0]
    ranks = pruning.rank(networks, pruning.Criterion(scope="global"))
    assert pruning.essential_sizes(networks, ranks, data).tolist() == [33 - 27]


def test_a_network_that_does_no_better_than_a_constant_needs_no_weight():
    data = Rows(torch.eye(4).repeat(5, 1), torch.tensor([0.0, 1.0] * 10))
    networks = steps([[0.0, 0.0]] * 4, [1.0, 1.0], 1.0)
    assert pruning.essential_sizes(networks, pruning.rank(networks), data).tolist() == [0]
