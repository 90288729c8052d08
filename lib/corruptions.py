"""What is done to the images: seeded corruptions by name and severity.

A severity is a whole number from 0, which leaves the images as they are; the corruption's own unit
at each severity is its `amount`.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from lib.datasets import SIDE
from lib.errors import UserError, unknown
from lib.population import Population
from lib.products import product

Corruption = Callable[[Tensor, float, torch.Generator], Tensor]


def gaussian_noise(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Normal noise of standard deviation `sigma` on every pixel, clipped to [0, 1]."""
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return (images + sigma * noise).clamp_(0, 1)


def occlusion(images: Tensor, side: float, generator: torch.Generator) -> Tensor:
    """A black square of `side` pixels at a random place, wholly inside each image."""
    patch = int(side)
    corner = torch.randint(0, SIDE - patch + 1, (2, len(images), 1), generator=generator)
    along = torch.arange(SIDE)
    row, column = (along >= corner) & (along < corner + patch)
    covered = (row[:, :, None] & column[:, None, :]).flatten(1)
    return images.masked_fill(covered.to(images.device), 0.0)


CORRUPTIONS: dict[str, Corruption] = {"gaussian_noise": gaussian_noise, "occlusion": occlusion}
AMOUNTS = {"gaussian_noise": (0.1, 0.2, 0.3, 0.4, 0.5), "occlusion": (3, 5, 7, 9, 11)}
"""The amount of severities 1 to 5: a standard deviation, and a side in pixels."""


def amount(name: str, severity: int) -> float:
    """The corruption's own unit at a severity from 0 to 5; 0 at severity 0.

    Raises `UserError` for an unknown corruption or a severity outside that range.
    """
    if name not in AMOUNTS:
        raise unknown("corruption", name, AMOUNTS)
    if severity not in range(len(AMOUNTS[name]) + 1):
        raise UserError(f"severity {severity!r} is not allowed: give 0 to {len(AMOUNTS[name])}")
    return AMOUNTS[name][severity - 1] if severity else 0


def corrupt(images: Tensor, name: str, severity: int, generator: torch.Generator) -> Tensor:
    """Images (rows, 784) in [0, 1], corrupted; the same generator gives the same corruption."""
    own_unit = amount(name, severity)
    if images.shape[1:] != (SIDE * SIDE,):
        raise UserError(f"images of shape {tuple(images.shape)}: give (rows, {SIDE * SIDE})")
    return CORRUPTIONS[name](images, own_unit, generator) if severity else images


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
