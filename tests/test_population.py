"""A population is nothing but its networks, side by side."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import UserError
from lib.networks.population import FIELDS, Population, blocks, owners, stack
from lib.networks.products import SMALL, product

WIDTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)
SEEDS = st.integers(0, 2**32)


def drawn(widths: list[int], seed: int = 0, features: int = 30) -> Population:
    """A population of these widths with normal weights and biases."""
    g = torch.Generator().manual_seed(seed)
    units = sum(widths)
    sizes = [(features, units), (units,), (units,), (len(widths),)]
    return Population(*(torch.randn(size, generator=g) for size in sizes), owners(widths))


def same(one: Population, other: Population) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


@given(WIDTHS, SEEDS)
def test_each_network_as_plain_pytorch_gives_the_logits_of_the_population(widths, seed):
    networks, images = drawn(widths, seed), torch.rand(17, 30)
    logits = networks.logits(images)
    assert logits.shape == (len(widths), 17)
    for place, width in enumerate(widths):
        model = networks.sequential(place)
        assert model[0].out_features == width
        with torch.no_grad():
            torch.testing.assert_close(model(images)[:, 0], logits[place], rtol=1e-4, atol=1e-5)


def test_a_network_alone_has_its_weights_side_by_side_in_memory():
    """oneDNN's product of weights that lie apart takes a thousand times as long."""
    assert all(drawn([3, 8, 2]).network(place).weight1.is_contiguous() for place in range(3))


def test_rows_are_cut_into_equal_blocks_of_which_none_is_large():
    for rows in (0, 1, 5000, 5001, 9347, 12_600):
        sizes = [len(block) for block in blocks(torch.zeros(rows, 3))]
        assert sum(sizes) == rows
        assert max(sizes) <= 5000
        assert max(sizes) - min(sizes) <= len(sizes)


@given(WIDTHS, SEEDS)
def test_a_population_taken_apart_and_stacked_is_the_same(widths, seed):
    networks = drawn(widths, seed)
    assert networks.widths == widths
    assert len(networks) == len(widths)
    assert same(stack([networks.network(k) for k in range(len(networks))]), networks)
    assert same(networks.select(range(len(networks))), networks)


@given(st.lists(WIDTHS, min_size=1, max_size=4), SEEDS)
def test_stacked_populations_have_all_their_networks_in_order(groups, seed):
    parts = [drawn(widths, seed + place) for place, widths in enumerate(groups)]
    whole = stack(parts)
    assert whole.widths == [width for widths in groups for width in widths]
    singles = [part.network(k) for part in parts for k in range(len(part))]
    assert all(same(whole.network(k), single) for k, single in enumerate(singles))


@given(WIDTHS, SEEDS, st.data())
def test_a_selection_has_the_networks_asked_for_in_the_order_asked_for(widths, seed, data):
    networks = drawn(widths, seed)
    place = st.integers(0, len(widths) - 1)
    chosen = data.draw(st.lists(place, min_size=1, max_size=8))
    part = networks.select(chosen)
    assert part.widths == [widths[k] for k in chosen]
    for new, old in enumerate(chosen):
        assert same(part.network(new), networks.network(old))


def test_many_rows_give_the_logits_that_few_give():
    networks, images = drawn([3, 5]), torch.rand(5000, 30)
    parts = torch.cat([networks.logits(rows) for rows in images.split(700)], dim=1)
    torch.testing.assert_close(networks.logits(images), parts)


def test_a_single_network_is_not_changed_through_its_plain_pytorch_self():
    networks = drawn([2, 3])
    before = networks.weight1.clone()
    with torch.no_grad():
        networks.sequential(1)[0].weight.zero_()
    assert torch.equal(networks.weight1, before)


def test_images_of_another_size_are_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"^images have 29 pixels, these networks take 30$"):
        drawn([2]).logits(torch.rand(4, 29))


@given(WIDTHS, SEEDS)
def test_a_mask_sets_weights_to_0_and_leaves_the_others_and_the_biases(widths, seed):
    networks = drawn(widths, seed)
    g = torch.Generator().manual_seed(seed)
    mask1 = torch.rand(networks.weight1.shape, generator=g) < 0.5
    mask2 = torch.rand(networks.weight2.shape, generator=g) < 0.5
    masked = networks.masked(mask1, mask2)
    assert torch.equal(masked.weight1[mask1], networks.weight1[mask1])
    assert torch.equal(masked.weight2[mask2], networks.weight2[mask2])
    assert not masked.weight1[~mask1].any()
    assert not masked.weight2[~mask2].any()
    assert torch.equal(masked.bias1, networks.bias1)
    assert torch.equal(masked.bias2, networks.bias2)
    assert torch.equal(masked.readout.sum(0), masked.weight2)


@given(st.integers(1, 300), st.integers(1, 80), st.integers(1, 90), st.booleans(), SEEDS)
def test_the_fast_product_is_the_plain_one_whole_or_turned_around(m, k, n, relu, seed):
    g = torch.Generator().manual_seed(seed)
    left, right, bias = (torch.randn(size, generator=g) for size in ((m, k), (n, k), (n,)))
    plain = left.double() @ right.double().T + bias.double()
    expected = (plain.relu() if relu else plain).float()
    for one, other in ((left, right), (left.T.contiguous().T, right.T.contiguous().T)):
        torch.testing.assert_close(product(one, other, bias, relu), expected, rtol=0, atol=1e-4)


def test_both_kinds_of_product_are_tried_above():
    assert 300 * 80 * 90 > SMALL > 1
