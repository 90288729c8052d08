"""Scores in closed form are those of plain PyTorch and its automatic differentiation."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_population import SEEDS, WIDTHS, drawn
from test_pruning import doubled, rows
from test_sizes import drawn_masks
from test_training import plain
from torch import Tensor, nn

from lib import pruning
from lib.networks.population import Population
from lib.networks.protocols import PROTOCOLS, initial
from lib.pruning.scoring import Scores, activation, flow, gradient, magnitude
from lib.tasks import SPLITS, Rows

Pair = tuple[Tensor, Tensor]
SPARSITIES = st.floats(0, 1, exclude_max=True)


def assert_equal_scores(networks: Population, found: Scores, place: int, expected: Pair) -> None:
    """The scores of one network are these, in the shapes of its plain PyTorch weights."""
    units = networks.units_of(place)
    torch.testing.assert_close(found.layer1[:, units].T, expected[0])
    torch.testing.assert_close(found.layer2[units][None], expected[1])


def linears(model: nn.Sequential) -> tuple[nn.Linear, nn.Linear]:
    return model[0], model[2]


@given(WIDTHS, SEEDS)
def test_by_activation_a_weight_counts_with_the_mean_size_of_its_input(widths, seed):
    networks = doubled(drawn(widths, seed))
    fit = rows(networks, seed)
    found = activation(networks, fit)
    for place in range(len(widths)):
        model = plain(networks, place)
        with torch.no_grad():
            met = [fit.images.abs().mean(0), model[:2](fit.images).abs().mean(0)]
        one, two = (
            layer.weight.detach().abs() * inputs
            for layer, inputs in zip(linears(model), met, strict=True)
        )
        assert_equal_scores(networks, found, place, (one, two))


@given(WIDTHS, SEEDS)
def test_by_gradient_a_weight_counts_with_what_autograd_says_of_the_loss(widths, seed):
    networks = doubled(drawn(widths, seed))
    fit = rows(networks, seed)
    found = gradient(networks, fit)
    for place in range(len(widths)):
        model = plain(networks, place)
        nn.BCEWithLogitsLoss()(model(fit.images)[:, 0], fit.labels).backward()
        one, two = ((layer.weight.detach() * layer.weight.grad).abs() for layer in linears(model))
        assert_equal_scores(networks, found, place, (one, two))


@pytest.mark.parametrize("name", ["described", "converged"])
def test_at_initial_weights_the_gradient_scores_are_snips_connection_sensitivities(digits, name):
    split = SPLITS[PROTOCOLS[name].split](digits, "4-9", 0)
    fit = Rows(split.train.images.double(), split.train.labels.double())
    networks = doubled(initial(PROTOCOLS[name], "MNIST", "4-9", [3, 8], 0))
    found = gradient(networks, fit)
    assert not found.layer1[~split.lit].any()
    for place in range(2):
        one = networks.network(place)
        switches = [torch.ones_like(w).requires_grad_() for w in (one.weight1, one.weight2)]
        hidden = (fit.images @ (one.weight1 * switches[0]) + one.bias1).relu()
        logits = hidden @ (one.weight2 * switches[1]) + one.bias2
        nn.functional.binary_cross_entropy_with_logits(logits, fit.labels).backward()
        sensitivity = switches[0].grad.abs().T, switches[1].grad.abs()[None]
        assert_equal_scores(networks, found, place, sensitivity)


def flows(weight1: Tensor, weight2: Tensor) -> Tensor:
    """|weight x gradient| of R = 1^T |weight1| |weight2|, by autograd, both layers in a row."""
    weights = [weight1.clone().requires_grad_(), weight2.clone().requires_grad_()]
    (torch.ones(len(weight1)).double() @ weights[0].abs() @ weights[1].abs()).backward()
    return torch.cat([(weight * weight.grad).abs().flatten() for weight in weights]).detach()


@given(WIDTHS, SEEDS)
def test_the_synaptic_flow_is_that_of_autograd(widths, seed):
    networks = doubled(drawn(widths, seed))
    found = flow(networks)
    for place, width in enumerate(widths):
        one = networks.network(place)
        expected = flows(one.weight1, one.weight2)
        first, second = expected.split([30 * width, width])
        assert_equal_scores(networks, found, place, (first.view(30, width).T, second[None]))


def synflow_of_one(weight1: Tensor, weight2: Tensor, sparsity: float, rounds: int) -> Tensor:
    """Iterative SynFlow of one network as the paper has it: the mask of both layers in a row."""
    kept = torch.ones(weight1.numel() + len(weight2), dtype=torch.bool)
    for step in range(1, rounds + 1):
        first, second = kept[: weight1.numel()].view(weight1.shape), kept[weight1.numel() :]
        scores = flows(weight1 * first, weight2 * second).masked_fill(~kept, -1)
        gone = 1 - (1 - sparsity) ** (step / rounds) if step < rounds else sparsity
        kept = torch.ones_like(kept)
        kept[scores.argsort(stable=True)[: int(gone * len(kept))]] = False
    return kept


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), SEEDS, SPARSITIES)
def test_synflow_prunes_what_a_loop_of_a_hundred_rounds_by_autograd_prunes(widths, seed, sparsity):
    networks = doubled(drawn(widths, seed, features=7))
    kept = pruning.cut(networks, sparsity, pruning.Criterion("synflow", "global"))
    for place in range(len(widths)):
        one, units = networks.network(place), networks.units_of(place)
        expected = synflow_of_one(one.weight1, one.weight2, sparsity, 100)
        found = torch.cat([kept.layer1[:, units].flatten(), kept.layer2[units]])
        assert torch.equal(found, expected)


@pytest.mark.parametrize("scope", pruning.SCOPES)
@given(widths=WIDTHS, seed=SEEDS, sparsity=SPARSITIES)
def test_synflow_takes_as_many_weights_as_magnitude_takes(scope, widths, seed, sparsity):
    networks = drawn(widths, seed)
    kept = pruning.cut(networks, sparsity, pruning.Criterion("synflow", scope))
    by_size = pruning.cut(networks, sparsity, pruning.Criterion(scope=scope))
    assert torch.equal(pruning.counts(networks, kept), pruning.counts(networks, by_size))


def test_what_a_mask_left_out_scores_below_everything_else():
    networks = drawn([2, 3])
    networks.weight1[4] = 0
    kept = drawn_masks([2, 3], 30, 0, 0.5)
    assert not kept.layer1[4].all()
    scores = magnitude(networks).within(kept)
    assert torch.equal(scores.layer1 < 0, ~kept.layer1)
    assert torch.equal(scores.layer2 < 0, ~kept.layer2)
