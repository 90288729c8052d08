"""Which weights go: scores in, masks out, for a whole population at once.

A weight's rank among the weights that compete with it (its layer's, or all of its network) decides:
the `count` lowest ranks go. So the count is exact, and ties go by index. Biases are never pruned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.population import Population

METHODS = ("magnitude", "random")
SCOPES = ("layer", "global")
READINGS = {"as_described": 1.0, "as_coded": 100.0}
"""What the asked-for sparsity is divided by: the published code divides a fraction by 100."""


@dataclass(frozen=True)
class Ranks:
    """The place of each weight, 0 for the first to go, among those of its `scope`.

    layer1: (features, units); layer2: (units,).
    """

    scope: str
    layer1: Tensor
    layer2: Tensor


@dataclass(frozen=True)
class Masks:
    """Which weights stay: layer1 bool (features, units), layer2 bool (units,)."""

    layer1: Tensor
    layer2: Tensor


def order(scores: Tensor) -> Tensor:
    """The rank of each element of a vector, the smallest 0, ties by index."""
    ranks = torch.empty_like(scores, dtype=torch.int64)
    ranks[torch.argsort(scores, stable=True)] = torch.arange(len(scores), device=scores.device)
    return ranks


def scores(network: Population, method: str, draw: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """How much each weight of one network matters, in the shapes of weight1 and weight2."""
    if method == "magnitude":
        return network.weight1.abs(), network.weight2.abs()
    one = torch.rand(network.weight1.shape, generator=draw)
    return one, torch.rand(network.weight2.shape, generator=draw)


def rank(
    networks: Population,
    method: str = "magnitude",
    scope: str = "layer",
    draws: Sequence[torch.Generator] | None = None,
) -> Ranks:
    """Rank every weight, network by network: by magnitude (Han et al. 2015) or at random.

    scope "layer": each layer by itself; "global": both layers of a network together. `draws` holds
    a generator for each network and serves the method "random", so that a network's masks do not
    depend on its company. Raises `UserError` for an unknown method or scope.
    """
    if method not in METHODS:
        raise unknown("pruning method", method, METHODS)
    if scope not in SCOPES:
        raise unknown("pruning scope", scope, SCOPES)
    layer1 = torch.empty_like(networks.weight1, dtype=torch.int64)
    layer2 = torch.empty_like(networks.weight2, dtype=torch.int64)
    for place in range(len(networks)):
        first, second = scores(networks.network(place), method, draws[place] if draws else None)
        one, two = first.flatten(), second
        if scope == "global":
            both = order(torch.cat([one, two]))
            one, two = both[: len(one)], both[len(one) :]
        else:
            one, two = order(one), order(two)
        units = networks.units_of(place)
        layer1[:, units], layer2[units] = one.view(first.shape), two
    return Ranks(scope, layer1, layer2)


def masks(
    networks: Population, ranks: Ranks, sparsity: float, reading: str = "as_described"
) -> Masks:
    """The masks that leave out the int(sparsity * size) lowest ranks of each scope.

    sparsity: a fraction in [0, 1). reading "as_coded" divides it by 100 first, as the published
    code does. Raises `UserError` for a sparsity outside that range or an unknown reading.
    """
    if not 0 <= sparsity < 1:
        raise UserError(f"sparsity {sparsity!r} is not allowed: give a fraction from 0 to below 1")
    if reading not in READINGS:
        raise unknown("reading", reading, READINGS)
    fraction = sparsity / READINGS[reading]
    features = len(networks.weight1)
    widths = torch.tensor(networks.widths)
    sizes = (features * widths, widths)
    if ranks.scope == "global":
        sizes = ((features + 1) * widths,) * 2
    gone = [torch.tensor([int(fraction * size) for size in each.tolist()]) for each in sizes]
    one, two = (count.to(networks.owner.device)[networks.owner] for count in gone)
    return Masks(ranks.layer1 >= one, ranks.layer2 >= two)


def prune(
    networks: Population,
    sparsity: float,
    reading: str = "as_described",
    method: str = "magnitude",
    scope: str = "layer",
    draws: Sequence[torch.Generator] | None = None,
) -> Population:
    """The population pruned in one shot; see `rank` and `masks` for the options and errors."""
    ranks = rank(networks, method, scope, draws)
    return apply(networks, masks(networks, ranks, sparsity, reading))


def apply(networks: Population, kept: Masks) -> Population:
    """The population with the weights outside the masks at 0."""
    return networks.masked(kept.layer1, kept.layer2)


def actual_sparsity(networks: Population, kept: Masks, lit: Tensor) -> dict[str, Tensor]:
    """The share of weights that the masks leave out, per network (networks,), each in [0, 1].

    layer1, layer2: of a layer; overall: of both; lit: of both, counting in the first layer only
    the pixels that are lit, bool (features,), in some training row.
    """
    gone = torch.stack(
        [
            (~kept.layer1).sum(0).double(),
            (~kept.layer2).double(),
            (~kept.layer1[lit]).sum(0).double(),
        ]
    )
    by_network = gone.new_zeros(3, len(networks)).index_add_(1, networks.owner, gone)
    layer1, layer2, layer1_lit = by_network
    widths = torch.tensor(networks.widths, dtype=torch.float64, device=gone.device)
    features, lit_features = len(networks.weight1), int(lit.sum())
    return {
        "layer1": layer1 / (features * widths),
        "layer2": layer2 / widths,
        "overall": (layer1 + layer2) / ((features + 1) * widths),
        "lit": (layer1_lit + layer2) / ((lit_features + 1) * widths),
    }
