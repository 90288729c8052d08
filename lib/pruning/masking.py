"""Scores in, masks out, for a whole population at once, in one shot.

A weight's rank among the weights that compete with it (its layer's, or all of its network) decides:
the `count` lowest ranks go. So the count is exact, and ties go by index. Biases are never pruned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.networks.layers import Masks, refuse_linear
from lib.networks.population import Population
from lib.networks.scores import ascending
from lib.pruning.scoring import Scores, method_of, scores
from lib.tasks import Rows

READINGS = {"as_described": 1.0, "as_coded": 100.0}
"""What the asked-for sparsity is divided by: the published code divides a fraction by 100."""

Pair = tuple[Tensor, Tensor]
"""Something of both layers of networks of one width: (networks, weights) each."""


def order(scores: Tensor) -> Tensor:
    """The rank of each element along the last dimension, the smallest 0, ties by index.

    Scores are compared in single precision. A score's bits, turned so that they rise with it, and
    its index make one integer: sorting these needs no stable sort, and NumPy's is vectorised.
    """
    bits = (scores.float() + 0.0).view(torch.int32).long()  # -0 becomes 0
    index = torch.arange(scores.shape[-1], device=scores.device)
    keys = bits.bitwise_xor((bits >> 31) & 0x7FFFFFFF) << 32 | index
    places = ascending(keys) & 0xFFFFFFFF
    return torch.empty_like(places).scatter_(-1, places, index.expand_as(places))


def by_layer(one: Tensor, two: Tensor) -> Pair:
    """Each layer ranked by itself; of a network, each loses the same share."""
    return order(one), order(two)


def together(one: Tensor, two: Tensor) -> Pair:
    """Both layers of a network ranked together."""
    ranks1, ranks2 = order(torch.cat([one, two], dim=1)).split([one.shape[1], two.shape[1]], dim=1)
    return ranks1, ranks2


def by_erdos_renyi(one: Tensor, two: Tensor) -> Pair:
    """Both layers together, each in the order of its own scores, by Erdős–Rényi densities.

    For whatever number of kept weights, the layers share it in proportion to the sum of their
    numbers of inputs and outputs until one is whole (ERK: Mocanu et al. 2018, Evci et al. 2020), to
    the nearest weights by D'Hondt's divisors: the k-th best of a layer stands at k / its share.
    """
    width = two.shape[1]
    shares = one.shape[1] // width + width, width + 1
    places = [
        (order(layer) - layer.shape[1]) / share
        for layer, share in zip((one, two), shares, strict=True)
    ]
    return together(*places)


SCOPES: dict[str, Callable[[Tensor, Tensor], Pair]] = {
    "layer": by_layer,
    "global": together,
    "first": by_layer,
    "erk": by_erdos_renyi,
}
"""Which weights compete: a layer's; a network's; the first layer's only; as many as ERK gives."""


@dataclass(frozen=True)
class Criterion:
    """How the weights that go are chosen: by what score, among which of them, in which reading.

    method: a name in `scoring.METHODS`; scope: in `SCOPES`; reading: in `READINGS`.
    """

    method: str = "magnitude"
    scope: str = "layer"
    reading: str = "as_described"


STUDIED = Criterion()
"""As the published study's text says: the smallest weights of each layer."""


@dataclass(frozen=True)
class Ranks:
    """The place of each weight, 0 for the first to go, among those of its `scope`.

    layer1: (features, units); layer2: (units,).
    """

    scope: str
    layer1: Tensor
    layer2: Tensor


def ranked(networks: Population, scores: Scores, scope: str) -> Ranks:
    """Rank every weight by its score, among those of its network that are in `scope`.

    Raises `UserError` for an unknown scope.
    """
    if scope not in SCOPES:
        raise unknown("pruning scope", scope, SCOPES)
    layer1 = torch.empty_like(scores.layer1, dtype=torch.int64)
    layer2 = torch.empty_like(scores.layer2, dtype=torch.int64)
    for units in networks.by_width():
        one = scores.layer1[:, units].movedim(1, 0)
        ranks1, layer2[units] = SCOPES[scope](one.flatten(1), scores.layer2[units])
        layer1[:, units] = ranks1.view(one.shape).movedim(0, 1)
    return Ranks(scope, layer1, layer2)


def rank(
    networks: Population,
    criterion: Criterion = STUDIED,
    draws: Sequence[torch.Generator] | None = None,
    rows: Rows | None = None,
) -> Ranks:
    """Rank every weight of every network by a criterion, whose reading does not matter here.

    `draws` holds a generator for each network and serves the method "random", so that a network's
    masks do not depend on its company; `rows` are the training rows for "activation", "gradient"
    and "snip". Raises `UserError` for an unknown method or scope, one that scores in rounds, a
    missing `draws` or `rows`, and a network of width 0.
    """
    refuse_linear(networks)
    if method_of(criterion.method).rounds > 1:
        raise UserError(
            f"pruning method {criterion.method!r} has no single ranking: call prune or cut"
        )
    return ranked(networks, scores(networks, criterion.method, draws, rows), criterion.scope)


def fraction_of(sparsity: float, reading: str) -> float:
    """The share of weights that goes for an asked-for sparsity.

    Raises `UserError` for a sparsity outside [0, 1) or an unknown reading.
    """
    if not 0 <= sparsity < 1:
        raise UserError(f"sparsity {sparsity!r} is not allowed: give a fraction from 0 to below 1")
    if reading not in READINGS:
        raise unknown("reading", reading, READINGS)
    return sparsity / READINGS[reading]


def competing(scope: str, features: int) -> tuple[int, int]:
    """By how many weights, for each unit of its network, those of either layer are ranked."""
    return {"layer": (features, 1), "first": (features, 0)}.get(scope, (features + 1,) * 2)


def masks(
    networks: Population, ranks: Ranks, sparsity: float, reading: str = "as_described"
) -> Masks:
    """The masks that leave out the int(sparsity * size) lowest ranks of each scope.

    sparsity: a fraction in [0, 1), of the first layer's weights in scope "first". reading
    "as_coded" divides it by 100 first, as the published code does. Raises `UserError` for a
    sparsity outside that range or an unknown reading.
    """
    fraction = fraction_of(sparsity, reading)
    one, two = (
        torch.tensor([int(fraction * (by_unit * width)) for width in networks.widths])
        for by_unit in competing(ranks.scope, len(networks.weight1))
    )
    return beyond(networks, ranks, one, two)


def beyond(networks: Population, ranks: Ranks, gone1: Tensor, gone2: Tensor) -> Masks:
    """The masks that leave out ranks below `gone1` and `gone2`, int64 (networks,), by layer."""
    one, two = (gone.to(networks.owner.device)[networks.owner] for gone in (gone1, gone2))
    return Masks(ranks.layer1 >= one, ranks.layer2 >= two)


def whole(networks: Population) -> Masks:
    """The masks that leave nothing out."""
    every = (
        torch.ones_like(each, dtype=torch.bool) for each in (networks.weight1, networks.weight2)
    )
    return Masks(*every)


def stacked(parts: Sequence[Masks]) -> Masks:
    """The masks of several populations as those of their `stack`: train them as one."""
    return Masks(
        torch.cat([kept.layer1 for kept in parts], 1), torch.cat([k.layer2 for k in parts])
    )


def in_rounds(
    networks: Population,
    sparsity: float,
    criterion: Criterion,
    draws: Sequence[torch.Generator] | None,
    rows: Rows | None,
) -> Masks:
    """Score, prune a little, and again, as iterative SynFlow does (Tanaka et al. 2020).

    After round k of n, (1 - sparsity)^(k / n) of the weights are left, each time those with the
    highest scores in what the round before left. Raises `UserError` as `rank` does.
    """
    refuse_linear(networks)
    kept, rounds = whole(networks), method_of(criterion.method).rounds
    steps = [1 - (1 - sparsity) ** (step / rounds) for step in range(1, rounds)]
    for share in (*steps, sparsity):
        found = scores(apply(networks, kept), criterion.method, draws, rows).within(kept)
        kept = masks(networks, ranked(networks, found, criterion.scope), share)
    return kept


def cuts(
    networks: Population,
    sparsities: Sequence[float],
    criterion: Criterion = STUDIED,
    draws: Sequence[torch.Generator] | None = None,
    rows: Rows | None = None,
) -> list[Masks]:
    """One-shot masks at each sparsity; see `rank` and `masks` for the options and errors."""
    if method_of(criterion.method).rounds > 1:
        shares = [fraction_of(sparsity, criterion.reading) for sparsity in sparsities]
        return [in_rounds(networks, share, criterion, draws, rows) for share in shares]
    ranks = rank(networks, criterion, draws, rows)
    return [masks(networks, ranks, sparsity, criterion.reading) for sparsity in sparsities]


def cut(
    networks: Population,
    sparsity: float,
    criterion: Criterion = STUDIED,
    draws: Sequence[torch.Generator] | None = None,
    rows: Rows | None = None,
) -> Masks:
    """The masks of `cuts` at one sparsity."""
    return cuts(networks, [sparsity], criterion, draws, rows)[0]


def prune(
    networks: Population,
    sparsity: float,
    criterion: Criterion = STUDIED,
    draws: Sequence[torch.Generator] | None = None,
    rows: Rows | None = None,
) -> Population:
    """The population pruned in one shot, by the masks of `cut`."""
    return apply(networks, cut(networks, sparsity, criterion, draws, rows))


def apply(networks: Population, kept: Masks) -> Population:
    """The population with the weights outside the masks at 0."""
    return networks.masked(kept.layer1, kept.layer2)
