"""A dead unit is one that never fires; two layers are alike up to a turn and a scale."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score, roc_auc_score
from test_population import SEEDS, WIDTHS, drawn
from torch import Tensor, nn

from lib import pruning
from lib.networks.neurons import (
    ablation,
    binned,
    cka,
    count_by_network,
    dead,
    duplicates,
    information,
    mean_by_network,
    probe,
    selectivity,
    similarity,
    specialisation,
    top_quarter,
)
from lib.networks.population import Population, owners, stack
from lib.tasks import Rows


@given(WIDTHS, SEEDS)
def test_dead_units_are_those_whose_relu_gives_0_on_every_row(widths, seed):
    networks = drawn(widths, seed)
    networks.bias1.sub_(4)  # so that some never fire
    images = torch.rand(25, 30, generator=torch.Generator().manual_seed(seed))
    found = dead(networks.hidden(images))
    counts = count_by_network(networks, found)
    for place in range(len(widths)):
        with torch.no_grad():
            fired = nn.Sequential(*networks.sequential(place)[:2])(images) > 0
        assert found[networks.units_of(place)].tolist() == (~fired.any(0)).tolist()
        assert int(counts[place]) == int((~fired.any(0)).sum())


def test_a_unit_held_down_by_its_bias_is_dead_and_one_held_up_is_not():
    networks = drawn([2, 3])
    networks.bias1.copy_(torch.tensor([-1000.0, 1000, 1000, -1000, -1000]))
    found = dead(networks.hidden(torch.rand(50, 30)))
    assert found.tolist() == [True, False, False, True, True]
    assert count_by_network(networks, found).tolist() == [1, 2]


def activations(rows: int, units: int, seed: int) -> Tensor:
    return torch.rand(rows, units, generator=torch.Generator().manual_seed(seed)).double()


def hsic(one: Tensor, other: Tensor) -> Tensor:
    """The Hilbert-Schmidt independence criterion of two Gram matrices, up to its factor."""
    centre = torch.eye(len(one)).double() - 1 / len(one)
    return torch.trace(one @ centre @ other @ centre)


@given(st.integers(3, 20), st.integers(1, 6), st.integers(1, 6), SEEDS)
def test_cka_is_the_normalised_independence_criterion_of_linear_kernels(rows, one, other, seed):
    x, y = activations(rows, one, seed), activations(rows, other, seed + 1)
    k, m = x @ x.T, y @ y.T
    expected = float(hsic(k, m) / (hsic(k, k) * hsic(m, m)).sqrt())
    assert cka(x, y) == pytest.approx(expected)
    assert cka(y, x) == pytest.approx(expected)
    assert 0 <= cka(x, y) <= 1 + 1e-12


@given(st.integers(3, 20), st.integers(1, 6), SEEDS, st.floats(1e-3, 1e3), st.floats(-9, 9))
def test_cka_does_not_see_a_turn_a_scale_or_a_shift(rows, units, seed, scale, shift):
    x, y = activations(rows, units, seed), activations(rows, units, seed + 1)
    turn = torch.linalg.qr(activations(units, units, seed + 2)).Q
    assert cka(scale * x @ turn + shift, y) == pytest.approx(cka(x, y))
    assert cka(scale * x @ turn + shift, x) == pytest.approx(1)


def test_cka_sees_a_stretch_of_one_direction():
    x = activations(50, 3, 0)
    assert cka(x * torch.tensor([100.0, 1, 1]), x) < 0.9


@pytest.mark.parametrize("constant", [0.0, 0.1, 0.3, 1e6])
def test_a_layer_that_does_not_vary_is_like_nothing(constant):
    assert math.isnan(cka(torch.full((37, 3), constant), activations(37, 3, 0)))


@given(WIDTHS, SEEDS)
def test_networks_are_compared_one_with_the_one_at_its_place(widths, seed):
    networks, others = drawn(widths, seed), drawn(widths[::-1], seed + 1)
    images = torch.rand(40, 30, generator=torch.Generator().manual_seed(seed))
    found = similarity(networks, others, images)
    for place in range(len(widths)):
        x, y = (each.network(place).hidden(images) for each in (networks, others))
        assert float(found[place]) == pytest.approx(cka(x, y), nan_ok=True, rel=1e-5)


@given(WIDTHS, SEEDS)
def test_a_network_is_wholly_like_itself_with_its_units_in_another_order(widths, seed):
    networks = drawn(widths, seed)
    images = torch.rand(40, 30, generator=torch.Generator().manual_seed(seed))
    turned = stack([reordered(networks.network(place)) for place in range(len(widths))])
    found = similarity(networks, turned, images)
    alive = count_by_network(networks, ~dead(networks.hidden(images))) > 0
    assert found[alive].tolist() == pytest.approx([1.0] * int(alive.sum()))
    assert found[~alive].isnan().all()


def reordered(network: Population) -> Population:
    """The network with its units last to first, and twice as active."""
    return Population(
        2 * network.weight1.flip(1),
        2 * network.bias1.flip(0),
        network.weight2.flip(0),
        network.bias2,
        network.owner,
    )


def test_pruning_more_makes_a_hidden_layer_less_like_the_dense_one():
    networks, images = drawn([24, 64]), labelled(200, 0).images
    levels = [similarity(networks, pruning.prune(networks, s), images) for s in (0, 0.5, 0.9)]
    assert levels[0].tolist() == pytest.approx([1, 1])
    assert (levels[0] > levels[1]).all()
    assert (levels[1] > levels[2]).all()


def labelled(rows: int, seed: int) -> Rows:
    """Images whose label is the first pixel's, in four of five rows."""
    g = torch.Generator().manual_seed(seed)
    images = torch.rand(rows, 30, generator=g)
    noise = torch.rand(rows, generator=g) < 0.2
    return Rows(images, ((images[:, 0] > 0.5) ^ noise).float())


def test_a_probe_reads_what_the_hidden_layer_holds_whatever_its_readout():
    fit, scored = labelled(600, 0), labelled(600, 1)
    networks = drawn([3, 5])
    networks.weight1[:, :3] = 0
    networks.weight1[0, 0], networks.bias1[:3] = 1, 0
    networks.weight2[:3] = 0
    found = probe(networks, fit, scored)
    pixel = LogisticRegression().fit(fit.images[:, :1], fit.labels)
    assert float(found[0]) == pytest.approx(
        pixel.score(scored.images[:, :1], scored.labels), abs=0.02
    )
    assert float(found[0]) > 0.75
    assert 0.4 < float(found[1]) < float(found[0])


def test_a_probe_of_a_layer_that_does_not_vary_tells_the_commoner_class():
    fit = labelled(300, 0)
    networks = drawn([4])
    networks.weight1.zero_()
    share = float(fit.labels.mean())
    assert float(probe(networks, fit, fit)[0]) == pytest.approx(max(share, 1 - share))


@given(WIDTHS, SEEDS)
def test_ablation_is_the_rise_in_loss_of_the_network_with_the_unit_cut_out(widths, seed):
    networks, rows = drawn(widths, seed), labelled(40, seed)
    found, loss = ablation(networks, rows), nn.BCEWithLogitsLoss()
    for unit, owner in enumerate(networks.owner.tolist()):
        model = networks.sequential(owner).double()
        with torch.no_grad():
            before = loss(model(rows.images.double())[:, 0], rows.labels.double())
            model[2].weight[0, unit - networks.units_of(owner).start] = 0
            after = loss(model(rows.images.double())[:, 0], rows.labels.double())
        assert float(found[unit]) == pytest.approx(float(after - before), abs=1e-4)


def test_a_unit_that_adds_nothing_carries_exactly_nothing():
    networks = drawn([5])
    networks.weight2[1] = 0
    networks.bias1[3] = -1000
    assert ablation(networks, labelled(40, 0))[[1, 3]].tolist() == [0, 0]


def test_the_top_quarter_is_rounded_up_and_what_does_no_harm_counts_as_nothing():
    networks = drawn([4, 2, 5, 3])
    rises = torch.tensor([1.0, 2, 4, 1, 3, -9, 1, 1, 1, 1, 1, -1, 0, -2])
    assert top_quarter(networks, rises).tolist() == pytest.approx(
        [0.5, 1.0, 0.4, math.nan], nan_ok=True
    )


@given(WIDTHS, SEEDS)
def test_the_top_quarter_carries_at_least_its_even_share(widths, seed):
    networks = drawn(widths, seed)
    found = top_quarter(networks, torch.rand(sum(widths)).double())
    for share, width in zip(found.tolist(), widths, strict=True):
        assert -(-width // 4) / width - 1e-9 <= share <= 1 + 1e-9


def test_a_mean_by_network_is_that_of_its_units():
    networks = drawn([2, 1, 3])
    values = torch.tensor([1.0, 3, 5, 0, 1, 5])
    assert networks.owner.equal(owners([2, 1, 3]))
    assert mean_by_network(networks, values).tolist() == [2, 5, 2]


ROWS = 400


def told(*units: Tensor) -> list[float]:
    """The information of these units about a label that is 1 in every second row."""
    labels = (torch.arange(ROWS) % 2).float()
    return information(torch.stack(units, dim=1), labels).tolist()


def test_a_unit_that_knows_the_label_tells_a_bit_and_one_that_does_not_vary_nothing():
    labels = (torch.arange(ROWS) % 2).float()
    knows, graded = labels * 3, labels * 3 + torch.arange(ROWS) / ROWS
    found = told(knows, graded, torch.zeros(ROWS), torch.ones(ROWS))
    assert found[0] == pytest.approx(1, abs=0.01)
    assert found[1] == pytest.approx(1, abs=0.02)
    assert found[2:] == pytest.approx([0, 0])


def test_a_unit_that_errs_in_a_tenth_of_rows_tells_what_a_noisy_channel_does():
    labels = (torch.arange(ROWS) % 2).float()
    flipped = torch.where(torch.arange(ROWS) % 20 < 2, 1 - labels, labels)
    lost = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    assert told(flipped)[0] == pytest.approx(1 - lost, abs=0.005)


def test_units_that_know_nothing_tell_nothing_on_average():
    found = told(*torch.rand(300, ROWS, generator=torch.Generator().manual_seed(0)).relu())
    assert abs(np.mean(found)) < 3 * np.std(found) / 300**0.5
    assert min(found) < 0 < max(found)


def test_what_chance_gives_is_the_mean_over_shuffled_labels():
    g = torch.Generator().manual_seed(0)
    labels = (torch.rand(60, generator=g) < 0.3).float()
    unit = (torch.rand(60, generator=g) - 0.3 + 0.3 * labels).relu()
    bins = np.searchsorted(np.quantile(unit.numpy(), np.linspace(0, 1, 9)[1:-1]), unit.numpy())
    bits = [
        mutual_info_score(bins, labels[torch.randperm(60, generator=g)]) / math.log(2)
        for _ in range(1000)
    ]
    corrected = mutual_info_score(bins, labels) / math.log(2) - np.mean(bits)
    found = float(information(unit[:, None], labels)[0])
    assert found == pytest.approx(corrected, abs=4 * np.std(bits) / 1000**0.5)


@given(WIDTHS, SEEDS)
def test_every_row_is_in_one_bin_and_bins_are_even_where_no_two_are_equal(widths, seed):
    rows, networks = labelled(80, seed), drawn(widths, seed)
    counts = binned(networks.hidden(rows.images), rows.labels)
    assert (counts >= 0).all()
    assert (counts.sum(1) == [int((1 - rows.labels).sum()), int(rows.labels.sum())]).all()
    even = binned(torch.rand(80, 3), rows.labels)
    assert (even.sum(2) == 10).all()


def test_a_unit_that_fires_for_one_class_only_is_selective_and_a_dead_one_is_not():
    labels = (torch.arange(ROWS) % 2).float()
    hidden = torch.stack([labels * 2, 1 - labels, torch.ones(ROWS), 0 * labels, 1 + labels], dim=1)
    assert selectivity(hidden, labels).tolist() == pytest.approx([1, 1, 0, 0, 1 / 3])


@given(st.floats(0.01, 100), SEEDS)
def test_selectivity_and_specialisation_do_not_depend_on_a_unit_s_scale(scale, seed):
    rows, hidden = labelled(60, seed), activations(60, 4, seed)
    for measure in (selectivity, specialisation):
        once, scaled = (measure(each, rows.labels) for each in (hidden, hidden * scale))
        torch.testing.assert_close(once, scaled, atol=1e-6, rtol=1e-6)
        assert once.min() >= 0
        assert once.max() <= 1


@given(WIDTHS, SEEDS)
def test_specialisation_is_the_distance_of_scikit_learns_auc_from_chance(widths, seed):
    rows, networks = labelled(40, seed), drawn(widths, seed)
    hidden = networks.hidden(rows.images)
    expected = [abs(2 * roc_auc_score(rows.labels, unit) - 1) for unit in hidden.T]
    assert specialisation(hidden, rows.labels).tolist() == pytest.approx(expected, abs=1e-3)


def test_a_copy_is_a_duplicate_of_the_unit_before_it_in_its_own_network_only():
    networks = drawn([3, 2, 3])
    g = torch.Generator().manual_seed(0)
    one, two, three, four = torch.rand(4, 50, generator=g)
    units = [one, 3 * one + 1, two, one, three, 0 * one, 0 * one, four]
    found = duplicates(networks, torch.stack(units, dim=1))
    assert found.tolist() == [False, True, False, False, False, False, False, False]


@given(WIDTHS, SEEDS)
def test_duplicates_are_those_that_numpy_finds_correlated(widths, seed):
    rows, networks = labelled(40, seed), drawn(widths, seed)
    hidden = networks.hidden(rows.images)
    hidden += 3 * hidden[:, :1]  # so that some are alike
    found = duplicates(networks, hidden)
    for place, width in enumerate(widths):
        own = hidden[:, networks.units_of(place)]
        with np.errstate(invalid="ignore"):
            alike = np.corrcoef(own.T.numpy()).reshape(width, width)
        clear = (np.abs(alike - 0.95) > 1e-4).all()
        if clear:
            expected = [bool((alike[k, :k] >= 0.95).any()) for k in range(width)]
            assert found[networks.units_of(place)].tolist() == expected
