"""Corruptions of pixels where they are.

Where one is of the kinds of MNIST-C (Mu & Gilmer 2019), "there" is what MNIST-C's code has.
"""

import torch
from torch import Tensor

from lib.tasks.datasets import SIDE


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


def shot_noise(images: Tensor, variance: float, generator: torch.Generator) -> Tensor:
    """Pixels x counted in photons: Poisson(x / v) v, clipped to [0, 1].

    v is the `variance` of a white pixel, 1 over the photons that it stands for (60, 25, 12, 5, 3
    there). Mu & Gilmer 2019, after Hendrycks & Dietterich 2019.
    """
    counted, lit = images.clone(), images > 0  # a black pixel has no photons to draw
    counted[lit] = torch.poisson(images[lit].cpu() / variance, generator).to(images) * variance
    return counted.clamp_(0, 1)


def impulse_noise(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A `share` of the pixels, drawn one by one, becomes black or white, as often.

    Salt and pepper; Mu & Gilmer 2019, after Hendrycks & Dietterich 2019.
    """
    drawn = torch.rand(images.shape, generator=generator).to(images.device)
    return images.masked_fill(drawn < share, 0.0).masked_fill_(drawn < share / 2, 1.0)


def brightness(images: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """Every pixel brighter by `shift`, clipped to 1; nothing is drawn.

    The value of a grey pixel in HSV is its grey. Mu & Gilmer 2019, after Hendrycks & Dietterich
    2019.
    """
    return (images + shift).clamp_(max=1)


def stripe(images: Tensor, columns: float, generator: torch.Generator) -> Tensor:
    """So many `columns` at the left and at the right inverted, to 1 - x; nothing is drawn.

    Mu & Gilmer 2019, who have 7.
    """
    outer = torch.arange(SIDE, device=images.device)
    outer = (outer < columns) | (outer >= SIDE - columns)
    return torch.where(outer.repeat(SIDE), 1 - images, images)
