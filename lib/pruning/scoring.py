"""How much each weight matters: networks in (with training rows or draws), a score per weight out.

The weights of the lowest scores go first. Biases have no score: they are never pruned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.networks.layers import Layers, Masks
from lib.networks.population import Population, blocks
from lib.tasks import Rows


@dataclass(frozen=True)
class Scores:
    """A score for each weight: layer1 (features, units), layer2 (units,)."""

    layer1: Tensor
    layer2: Tensor

    def within(self, kept: Masks) -> "Scores":
        """These scores, none below 0, with -1 for what the masks leave out: that goes first."""
        return Scores(
            torch.where(kept.layer1, self.layer1, -1), torch.where(kept.layer2, self.layer2, -1)
        )


def magnitude(networks: Population) -> Scores:
    """|weight| (Han et al. 2015)."""
    return Scores(networks.weight1.abs(), networks.weight2.abs())


def activation(networks: Population, rows: Rows) -> Scores:
    """|weight| times the mean |activation| of its input, as in Wanda (Sun et al. 2023).

    The input of a first-layer weight is its pixel, that of a second-layer weight its hidden unit;
    neither is ever negative. Wanda itself takes the root mean square, and compares the weights of
    one output; here `scope` says which weights are compared.
    """
    pixels = rows.images.mean(0)
    hidden = sum(networks.hidden(block).sum(0) for block in blocks(rows.images)) / len(rows)
    return Scores(networks.weight1.abs() * pixels[:, None], networks.weight2.abs() * hidden)


def gradient(networks: Population, rows: Rows) -> Scores:
    """|weight x gradient of the mean logistic loss|: first order of a Taylor series.

    It estimates the change of the loss when the weight becomes 0 (Molchanov et al. 2017). At the
    initial weights it is SNIP (Lee et al. 2019).
    """
    lit = rows.images.amax(0) > 0
    layers = Layers(networks, lit)
    for images, labels in zip(blocks(rows.images), blocks(rows.labels), strict=True):
        layers.accumulate(layers.inputs(images), labels, len(rows))
    lit_gradient1, gradient2, _ = layers.gradients()
    gradient1 = torch.zeros_like(networks.weight1)
    gradient1[lit] = lit_gradient1[:, :-1].T
    return Scores((networks.weight1 * gradient1).abs(), (networks.weight2 * gradient2).abs())


def flow(networks: Population) -> Scores:
    """The synaptic flow through each weight (Tanaka et al. 2020), without data.

    |weight x gradient| of R = 1^T |weight1| |weight2|, the sum over all paths of the product of
    their weights, for each network; with one hidden layer, written out.
    """
    one, two = networks.weight1.abs(), networks.weight2.abs()
    return Scores(one * two, one.sum(0) * two)


def uniform(networks: Population, draws: Sequence[torch.Generator]) -> Scores:
    """Uniform draws in [0, 1), from a generator for each network."""
    layer1, layer2 = torch.empty_like(networks.weight1), torch.empty_like(networks.weight2)
    for place, draw in enumerate(draws):
        units = networks.units_of(place)
        layer1[:, units] = torch.rand(layer1[:, units].shape, generator=draw).to(layer1)
        layer2[units] = torch.rand(layer2[units].shape, generator=draw).to(layer2)
    return Scores(layer1, layer2)


@dataclass(frozen=True)
class PruningMethod:
    """A way to choose the weights that go.

    score: a function of networks, and of `rows` (the training rows) or `draws` (a generator for
    each network) where it has parameters of these names. at_start: whether it looks at the initial
    weights, before any training, as its paper does, or at none; else at trained ones, so that
    pruning can go in rounds of training. scopes: names in `masking.SCOPES`, among which weights it
    is compared. rounds: how often what is left is scored anew on the way to a sparsity.
    """

    score: Callable[..., Scores]
    at_start: bool = False
    scopes: tuple[str, ...] = ("layer",)
    rounds: int = 1


METHODS = {
    "magnitude": PruningMethod(magnitude, scopes=("layer", "global", "first")),
    "activation": PruningMethod(activation),
    "gradient": PruningMethod(gradient),
    "snip": PruningMethod(gradient, at_start=True, scopes=("global",)),
    "synflow": PruningMethod(flow, at_start=True, scopes=("global",), rounds=100),
    "random": PruningMethod(uniform, at_start=True, scopes=("layer", "erk")),
}
"""The ways to choose the weights that go, by name."""

TO_GIVE = {"draws": "a generator per network", "rows": "the training rows"}


def method_of(name: str) -> PruningMethod:
    """The method of that name; raises `UserError` for an unknown one."""
    if name not in METHODS:
        raise unknown("pruning method", name, METHODS)
    return METHODS[name]


def scores(
    networks: Population,
    method: str,
    draws: Sequence[torch.Generator] | None = None,
    rows: Rows | None = None,
) -> Scores:
    """The scores of every weight by a method.

    Raises `UserError` for an unknown one, and where the draws or the training rows that it takes
    are missing.
    """
    score, given = method_of(method).score, {"draws": draws, "rows": rows}
    taken = [name for name in signature(score).parameters if name in given]
    for name in taken:
        if given[name] is None:
            raise UserError(f"pruning method {method!r} needs {name}: give {TO_GIVE[name]}")
    return score(networks, **{name: given[name] for name in taken})
