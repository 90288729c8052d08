"""Logits of perturbed images in closed form: no image is perturbed, and nothing is drawn."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.special import ndtr

from lib.errors import UserError
from lib.networks.population import Population
from lib.networks.products import product
from lib.tasks.datasets import SIDE


def occluded_everywhere(networks: Population, images: Tensor, side: int) -> Iterator[Tensor]:
    """Logits, (networks, rows), behind a black square of `side` pixels at each of its places.

    The places come row by row from the top left, all (29 - side)^2 of them. No image is corrupted:
    the square takes from the input of a hidden unit the sum of its pixels times their weights, so
    that a place costs one product over the square's pixels, and no more memory than one image set.
    """
    inputs = product(images, networks.weight1.T, networks.bias1)
    grid = torch.arange(SIDE * SIDE, device=images.device).reshape(SIDE, SIDE)
    for square in grid.unfold(0, side, 1).unfold(1, side, 1).reshape(-1, side * side):
        pixels, weights = images.index_select(1, square), networks.weight1[square]
        yield networks.read(torch.addmm(inputs, pixels, weights, alpha=-1).relu_())


def expected_logits(networks: Population, images: Tensor, sigma: float) -> Tensor:
    """The mean logit, (networks, rows), under normal noise on every pixel that is not clipped.

    The input of unit j is normal around its clean value z with s = sigma ||w_j||, so that its mean
    activation is z Phi(z / s) + s phi(z / s), with the normal's distribution and density. sigma:
    the standard deviation of a pixel. Raises `UserError` where that is negative or no number.
    """
    if not 0 <= sigma < math.inf:
        raise UserError(f"sigma {sigma!r} is not allowed: give a standard deviation of 0 or more")
    inputs = product(images, networks.weight1.T, networks.bias1)
    spread = (sigma * networks.weight1.norm(dim=0)).clamp_(min=torch.finfo(inputs.dtype).tiny)
    ratio = inputs / spread
    density = torch.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    return networks.read(inputs * ndtr(ratio) + spread * density)
