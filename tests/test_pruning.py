"""Exactly the asked-for number of smallest weights goes, as in torch.nn.utils.prune."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_population import WIDTHS, drawn
from torch.nn.utils import prune

from lib import pruning
from lib.errors import UserError
from lib.networks.population import FIELDS, Population
from lib.networks.protocols import PROTOCOLS, initial
from lib.pruning.masking import order
from lib.tasks import Rows

SEEDS = st.integers(0, 2**32)
SPARSITIES = st.floats(0, 1, exclude_max=True)
PLAIN = st.sampled_from([0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.8, 0.9, 0.95, 0.99])
RANKED = [method for method in pruning.METHODS if method != "synflow"]
"""The methods that rank all weights once; SynFlow ranks what is left, time and again."""
CONDITIONS = [(m, s) for m in RANKED for s in pruning.SCOPES]


def cut(
    networks: Population,
    sparsity: float,
    reading: str = "as_described",
    method: str = "magnitude",
    scope: str = "layer",
    seed: int = 0,
) -> pruning.Masks:
    criterion = pruning.Criterion(method, scope, reading)
    return pruning.cut(networks, sparsity, criterion, draws(networks, seed), rows(networks, seed))


def rows(networks: Population, seed: int) -> Rows:
    """Made-up training rows of the networks' size and precision."""
    g = torch.Generator().manual_seed(seed)
    images = torch.rand(40, len(networks.weight1), generator=g, dtype=networks.weight1.dtype)
    return Rows(images, (torch.rand(40, generator=g) < 0.5).to(images.dtype))


def doubled(networks: Population) -> Population:
    """The same networks in double precision."""
    *weights, owner, linear = (getattr(networks, name) for name in FIELDS)
    return Population(*(tensor.double() for tensor in weights), owner, linear)


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


@pytest.mark.parametrize("method", RANKED)
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
    pruned = pruning.apply(networks, cut(networks, sparsity, "as_described", method, scope, seed))
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


@pytest.mark.parametrize("scope", ["layer", "global", "first"])
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


@given(WIDTHS, SEEDS, SPARSITIES | PLAIN)
def test_random_masks_are_those_of_torch_with_the_draws_as_importance(widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = cut(networks, sparsity, method="random", seed=seed)
    for place, (width, draw) in enumerate(zip(widths, draws(networks, seed), strict=True)):
        model = networks.sequential(place)
        first, second = (torch.rand(size, generator=draw) for size in ((30, width), (1, width)))
        importance = first.T.contiguous(), second
        for layer, scores, mask in zip(
            (model[0], model[2]), importance, of_network(networks, kept, place), strict=True
        ):
            amount = int(sparsity * scores.numel())
            prune.L1Unstructured.apply(layer, "weight", amount, importance_scores=scores)
            expected = getattr(layer, "weight_mask", torch.ones_like(layer.weight))
            assert torch.equal(mask, expected.bool())


def test_at_random_every_weight_goes_equally_often_as_in_torch():
    networks = drawn([4], features=5)
    ours, theirs = torch.zeros(5, 4), torch.zeros(4, 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for seed in range(900):
            ours += cut(networks, 0.3, method="random", seed=seed).layer1
            model = networks.sequential(0)
            prune.random_unstructured(model[0], "weight", amount=6)
            theirs += model[0].weight_mask
    spread = 4.5 * (900 * 0.3 * 0.7) ** 0.5
    for kept in (ours, theirs):
        assert float(kept.sum()) == 900 * 14
        assert float((kept - 900 * 0.7).abs().max()) < spread


TIED = st.lists(
    st.floats(-2, 2, width=32) | st.sampled_from([-1.0, -0.0, 0.0, 1e-45, 1.0, float("inf")]),
    min_size=1,
    max_size=30,
)


@given(st.lists(TIED, min_size=1, max_size=3))
def test_the_order_is_that_of_a_stable_sort(values):
    for each in values:
        scores = torch.tensor([each, each[::-1]])
        places = torch.argsort(torch.argsort(scores, dim=1, stable=True), dim=1)
        assert torch.equal(order(scores), places)


@given(WIDTHS, SEEDS, SPARSITIES | PLAIN)
def test_in_the_first_layer_only_its_masks_are_those_by_layer_and_the_second_is_whole(
    widths, seed, sparsity
):
    networks = drawn(widths, seed)
    kept = cut(networks, sparsity, scope="first")
    assert torch.equal(kept.layer1, cut(networks, sparsity).layer1)
    assert kept.layer2.all()


@pytest.mark.parametrize("method", ["magnitude", "random"])
@given(width=st.integers(1, 12), seed=SEEDS, sparsity=SPARSITIES | PLAIN)
def test_erdos_renyi_shares_follow_the_densities_and_within_a_layer_the_scores(
    method, width, seed, sparsity
):
    networks = drawn([width], seed)
    kept = cut(networks, sparsity, method=method, scope="erk", seed=seed)
    total = 31 * width - int(sparsity * 31 * width)
    one, two = int(kept.layer1.sum()), int(kept.layer2.sum())
    assert one + two == total
    # Evci et al. 2020: densities go as (inputs + outputs) / (inputs * outputs), to at most 1
    raw1, raw2 = (30 + width) / (30 * width), (width + 1) / width
    epsilon = total / (raw1 * 30 * width + raw2 * width)
    expected = min(width, epsilon * raw2 * width)
    assert abs(two - max(expected, total - 30 * width)) < 1
    ranks = pruning.rank(networks, pruning.Criterion(method), draws(networks, seed))
    assert torch.equal(kept.layer1, ranks.layer1 >= 30 * width - one)
    assert torch.equal(kept.layer2, ranks.layer2 >= width - two)


@pytest.mark.parametrize(("method", "scope"), CONDITIONS)
@given(widths=WIDTHS, seed=SEEDS, sparsity=SPARSITIES)
def test_what_a_network_loses_does_not_depend_on_its_company(method, scope, widths, seed, sparsity):
    networks = doubled(drawn(widths, seed))  # so that scores do not round by company
    together = cut(networks, sparsity, method=method, scope=scope, seed=seed)
    for place in range(len(widths)):
        one = networks.network(place)
        alone = cut(one, sparsity, method=method, scope=scope, seed=seed)
        expected = of_network(networks, together, place)
        assert all(map(torch.equal, of_network(one, alone, 0), expected))


@pytest.mark.parametrize("method", ["magnitude", "synflow"])
@pytest.mark.parametrize("sparsity", [95, 1.0, 1.5, -0.1, float("nan")])
def test_a_percentage_or_other_number_outside_0_to_1_is_refused_in_a_sentence(sparsity, method):
    with pytest.raises(UserError, match=r"sparsity .* is not allowed: give a fraction") as error:
        pruning.prune(drawn([2]), sparsity, pruning.Criterion(method))
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
        pruning.prune(drawn([2]), 0.5, pruning.Criterion(**options))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("random", "pruning method 'random' needs draws: give a generator per network"),
        ("activation", "pruning method 'activation' needs rows: give the training rows"),
        ("gradient", "pruning method 'gradient' needs rows: give the training rows"),
        ("synflow", "pruning method 'synflow' has no single ranking: call prune or cut"),
    ],
)
def test_what_a_method_lacks_is_said_in_a_sentence(method, said):
    with pytest.raises(UserError) as error:
        pruning.rank(drawn([2]), pruning.Criterion(method))
    assert str(error.value) == said


@pytest.mark.parametrize("method", pruning.METHODS)
def test_logistic_regression_is_not_pruned_as_if_it_were_two_units(method):
    networks = initial(PROTOCOLS["described"], "MNIST", "4-9", [4, 0, 2], 0)
    with pytest.raises(
        UserError, match=r"^a network of width 0 .* cannot be pruned: give networks"
    ):
        cut(networks, 0.5, method=method)
    others = networks.select([0, 2])
    kept = cut(others, 0.5, method=method)
    assert pruning.counts(others, kept).tolist() == [785 * 2, 785]
