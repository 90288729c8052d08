"""Exactly the asked-for number of smallest weights goes, as in torch.nn.utils.prune."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_population import WIDTHS, drawn
from torch.nn.utils import prune

from lib import pruning
from lib.errors import UserError
from lib.population import Population

SEEDS = st.integers(0, 2**32)
SPARSITIES = st.floats(0, 1, exclude_max=True)
PLAIN = st.sampled_from([0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.8, 0.9, 0.95, 0.99])
CONDITIONS = [(m, s) for m in pruning.METHODS for s in pruning.SCOPES]


def cut(
    networks: Population,
    sparsity: float,
    reading: str = "as_described",
    method: str = "magnitude",
    scope: str = "layer",
    seed: int = 0,
) -> pruning.Masks:
    ranks = pruning.rank(networks, method, scope, draws(networks, seed))
    return pruning.masks(networks, ranks, sparsity, reading)


def draws(networks: Population, seed: int) -> list[torch.Generator]:
    """A generator for each network, by its width."""
    return [torch.Generator().manual_seed(1000 * seed + width) for width in networks.widths]


def of_network(networks: Population, kept: pruning.Masks, place: int) -> list[torch.Tensor]:
    """The masks of one network in the shapes of its plain PyTorch weights."""
    units = networks.units_of(place)
    return [kept.layer1[:, units].T, kept.layer2[units][None]]


def gone(networks: Population, kept: pruning.Masks, place: int) -> tuple[int, int]:
    one, two = (int((~mask).sum()) for mask in of_network(networks, kept, place))
    return one, two


@given(WIDTHS, SEEDS, SPARSITIES | PLAIN)
def test_by_layer_the_masks_are_those_of_torch_l1_unstructured(widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = cut(networks, sparsity)
    for place, width in enumerate(widths):
        model = networks.sequential(place)
        for layer, size, mask in zip(
            (model[0], model[2]),
            (30 * width, width),
            of_network(networks, kept, place),
            strict=True,
        ):
            prune.l1_unstructured(layer, "weight", amount=int(sparsity * size))
            expected = getattr(layer, "weight_mask", torch.ones_like(layer.weight))
            assert torch.equal(mask, expected.bool())


@given(WIDTHS, SEEDS, SPARSITIES | PLAIN)
def test_over_both_layers_the_masks_are_those_of_torch_global_unstructured(widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = cut(networks, sparsity, scope="global")
    for place, width in enumerate(widths):
        model = networks.sequential(place)
        prune.global_unstructured(
            [(model[0], "weight"), (model[2], "weight")],
            pruning_method=prune.L1Unstructured,
            amount=int(sparsity * 31 * width),
        )
        expected = [model[0].weight_mask.bool(), model[2].weight_mask.bool()]
        assert all(map(torch.equal, of_network(networks, kept, place), expected))


@pytest.mark.parametrize("method", pruning.METHODS)
@given(widths=WIDTHS, seed=SEEDS, sparsity=SPARSITIES | PLAIN)
def test_each_layer_loses_exactly_the_whole_part_of_its_share(method, widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = cut(networks, sparsity, method=method)
    for place, width in enumerate(widths):
        assert gone(networks, kept, place) == (int(sparsity * 30 * width), int(sparsity * width))


@given(WIDTHS, SPARSITIES)
def test_of_equal_weights_those_of_the_lowest_index_go(widths, sparsity):
    networks = drawn(widths)
    flat = Population(
        torch.full_like(networks.weight1, 0.5),
        networks.bias1,
        torch.full_like(networks.weight2, -0.5),
        networks.bias2,
        networks.owner,
    )
    kept = cut(flat, sparsity)
    for place in range(len(widths)):
        units = flat.units_of(place)
        for mask in (kept.layer1[:, units].flatten(), kept.layer2[units]):
            count = int(sparsity * len(mask))
            assert not mask[:count].any()
            assert mask[count:].all()


@pytest.mark.parametrize("width", [2, 4, 24, 64])
def test_as_coded_95_percent_removes_less_than_1_and_nothing_of_the_second_layer(width):
    networks = drawn([width], features=784)
    kept = cut(networks, 0.95, "as_coded")
    assert gone(networks, kept, 0) == (int(0.0095 * 784 * width), 0)
    assert gone(networks, cut(networks, 0.95), 0) == (int(0.95 * 784 * width), int(0.95 * width))


@pytest.mark.parametrize(("method", "scope"), CONDITIONS)
@given(widths=WIDTHS, seed=SEEDS, sparsities=st.tuples(SPARSITIES, SPARSITIES).map(sorted))
def test_what_goes_at_a_sparsity_also_goes_at_any_larger_one(
    method, scope, widths, seed, sparsities
):
    networks = drawn(widths, seed)
    fewer, more = (cut(networks, s, method=method, scope=scope) for s in sparsities)
    assert not (more.layer1 & ~fewer.layer1).any()
    assert not (more.layer2 & ~fewer.layer2).any()


@pytest.mark.parametrize(("method", "scope"), CONDITIONS)
@given(widths=WIDTHS, seed=SEEDS, sparsity=SPARSITIES)
def test_biases_and_the_weights_that_stay_are_untouched(method, scope, widths, seed, sparsity):
    networks = drawn(widths, seed)
    pruned = pruning.prune(networks, sparsity, "as_described", method, scope, draws(networks, seed))
    assert torch.equal(pruned.bias1, networks.bias1)
    assert torch.equal(pruned.bias2, networks.bias2)
    for now, before in ((pruned.weight1, networks.weight1), (pruned.weight2, networks.weight2)):
        assert bool(((now == before) | (now == 0)).all())


def test_a_sparsity_of_0_leaves_the_networks_as_they_are():
    networks = drawn([3, 5])
    assert torch.equal(pruning.prune(networks, 0.0).weight1, networks.weight1)


@given(WIDTHS, SEEDS, SPARSITIES, st.sampled_from(CONDITIONS))
def test_the_actual_sparsity_is_the_share_of_weights_that_are_0(widths, seed, sparsity, condition):
    networks = drawn(widths, seed)
    lit = torch.arange(30) % 3 > 0
    kept = cut(networks, sparsity, method=condition[0], scope=condition[1])
    pruned = pruning.apply(networks, kept)
    actual = pruning.actual_sparsity(networks, kept, lit)
    for place in range(len(widths)):
        model = pruned.sequential(place)
        first, second = (model[k].weight.detach().flatten() == 0 for k in (0, 2))
        first_lit = model[0].weight.detach()[:, lit].flatten() == 0
        expected = {
            "layer1": first,
            "layer2": second,
            "overall": torch.cat([first, second]),
            "lit": torch.cat([first_lit, second]),
        }
        assert actual.keys() == expected.keys()
        for name, zero in expected.items():
            assert float(actual[name][place]) == pytest.approx(float(zero.double().mean()))


@pytest.mark.parametrize("scope", pruning.SCOPES)
def test_random_masks_are_those_of_their_seed_and_as_many_as_by_magnitude(scope):
    networks = drawn([4, 9])
    one, same, other = (cut(networks, 0.5, method="random", scope=scope, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.layer1, same.layer1)
    assert torch.equal(one.layer2, same.layer2)
    assert not torch.equal(one.layer1, other.layer1)
    magnitude = cut(networks, 0.5, scope=scope)
    assert not torch.equal(one.layer1, magnitude.layer1)
    for place in range(2):
        assert sum(gone(networks, one, place)) == sum(gone(networks, magnitude, place))


@pytest.mark.parametrize(("method", "scope"), CONDITIONS)
@given(widths=WIDTHS, seed=SEEDS, sparsity=SPARSITIES)
def test_what_a_network_loses_does_not_depend_on_its_company(method, scope, widths, seed, sparsity):
    networks = drawn(widths, seed)
    together = cut(networks, sparsity, method=method, scope=scope, seed=seed)
    for place in range(len(widths)):
        one = networks.network(place)
        alone = cut(one, sparsity, method=method, scope=scope, seed=seed)
        expected = of_network(networks, together, place)
        assert all(map(torch.equal, of_network(one, alone, 0), expected))


@pytest.mark.parametrize("sparsity", [95, 1.0, 1.5, -0.1, float("nan")])
def test_a_percentage_or_other_number_outside_0_to_1_is_refused_in_a_sentence(sparsity):
    with pytest.raises(UserError, match=r"sparsity .* is not allowed: give a fraction") as error:
        pruning.prune(drawn([2]), sparsity)
    assert repr(sparsity) in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "magnitud"}, r"unknown pruning method 'magnitud'.*'magnitude'\?$"),
        ({"scope": "globl"}, r"unknown pruning scope 'globl'.*'global'\?$"),
        ({"reading": "as_code"}, r"unknown reading 'as_code'.*'as_coded'\?$"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(options, said):
    with pytest.raises(UserError, match=said):
        pruning.prune(drawn([2]), 0.5, **options)
