"""What the pixels that a map points at do to the logit: deletion and insertion curves."""

import torch
from torch import Tensor

from lib.networks.population import Population

STEPS = 20
"""Into how many equal steps an image's ink is cut."""


def deletion_and_insertion(networks: Population, images: Tensor, order: Tensor) -> Tensor:
    """The logit, for the class that the network names, as ink goes and as it comes.

    order: (networks, rows, 784), higher for pixels that go, or come, earlier. Only pixels with ink
    take part: to set an empty one to 0 does nothing. Returns (2, steps + 1, networks, rows): first
    deletion (Petsiuk et al. 2018), from the whole image to a black one, then insertion, the way
    back. Each logit has the sign that makes that of the whole image positive.
    """
    place = places(order, images > 0)
    shares = torch.linspace(0, 1, STEPS + 1, dtype=place.dtype)
    sign = torch.where(networks.logits(images) >= 0, 1.0, -1.0)
    curves = images.new_empty(2, len(shares), *sign.shape)
    for network in range(len(networks)):
        one = networks.network(network)
        for step, share in enumerate(shares):
            gone = place[network] < share
            for kind, kept in enumerate((~gone, gone)):
                curves[kind, step, network] = one.logits(images * kept)[0]
    return curves * sign


def places(order: Tensor, ink: Tensor) -> Tensor:
    """When each pixel's turn comes: 0 for the first with ink, below 1 for the last, else infinite.

    order: (networks, rows, 784). ink: bool (rows, 784). Of equals the first comes first.
    """
    keys = order.masked_fill(~ink, -torch.inf)
    ranks = keys.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    return (ranks / ink.sum(-1, keepdim=True)).masked_fill(~ink, torch.inf)
