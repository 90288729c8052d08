"""What a found mask is held against: other masks, other initial weights, fewer units."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from lib.networks.layers import Masks
from lib.networks.population import Population
from lib.networks.protocols import Protocol, initial
from lib.pruning.masking import beyond, order, ranked
from lib.pruning.scoring import uniform
from lib.pruning.sizes import by_network
from lib.seeds import number


def random_like(networks: Population, kept: Masks, draws: Sequence[torch.Generator]) -> Masks:
    """Masks that keep as many weights of each layer of each network, drawn at random.

    `draws` holds a generator for each network.
    """
    ranks = ranked(networks, uniform(networks, draws), "layer")
    gone = by_network(networks, (~kept.layer1).sum(0)), by_network(networks, ~kept.layer2)
    return beyond(networks, ranks, *gone)


def shuffled(networks: Population, kept: Masks, draws: Sequence[torch.Generator]) -> Masks:
    """The masks with each unit's input weights shuffled over the pixels.

    Every unit keeps its number of weights, and its output; which pixels it sees is drawn. (A mask
    shuffled over its whole layer is `random_like`.) `draws` holds a generator for each network.
    """
    places = order(uniform(networks, draws).layer1.T.contiguous()).T
    return Masks(places >= (~kept.layer1).sum(0), kept.layer2)


def fresh(protocol: Protocol, dataset: str, task: str, widths: list[int], seed: int) -> Population:
    """Initial networks from other draws than those of `seed`, of the same distribution.

    The published draws are normal; no more of them exist, so normal ones take their place.
    """
    kind = "normal" if protocol.initial == "replayed" else protocol.initial
    return initial(
        replace(protocol, initial=kind), dataset, task, widths, number("fresh", task, seed)
    )


def dense_widths(features: int, weights: Tensor) -> Tensor:
    """The width, 1 or more, whose dense network's number of weights is nearest: int64.

    weights: numbers of weights, biases not counted. Of two equally near the narrower.
    """
    return ((2 * weights + features) // (2 * (features + 1))).clamp(min=1)
