"""Corruptions that move pixels, or smear them over others.

All are of the kinds of MNIST-C (Mu & Gilmer 2019); "there" is what MNIST-C's code has. What comes
from outside the image is black. A side, such as left or right, is drawn for each image.
"""

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.signal import fftconvolve
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from lib.tasks.datasets import SIDE

TRAIL = SIDE
"""How many pixels a moving point is smeared over at most."""

RISE = math.ceil(TRAIL * math.sin(math.pi / 4))
"""How far such a trail goes up or down at most."""


def squares(images: Tensor) -> Tensor:
    """Images (rows, 784) as (rows, 28, 28)."""
    return images.reshape(-1, SIDE, SIDE)


def sides(rows: int, generator: torch.Generator) -> Tensor:
    """-1 or 1 for each row, as often."""
    return 2.0 * torch.randint(0, 2, (rows,), generator=generator) - 1


def warped(images: Tensor, source: Tensor) -> Tensor:
    """Images resampled bilinearly: the pixel at p, seen from the centre, takes what is at A p.

    source: A, (rows, 2, 2), of p = (x, y), to the right and down.
    """
    maps = torch.cat([source, torch.zeros(len(images), 2, 1)], dim=2).to(images)
    places = affine_grid(maps, [len(images), 1, SIDE, SIDE], align_corners=True)
    taken = grid_sample(squares(images)[:, None], places, align_corners=True)
    return taken.flatten(1).clamp_(0, 1)


def linear(rows: int, xx: object, xy: object, yx: object, yy: object) -> Tensor:
    """The matrices [[xx, xy], [yx, yy]], (rows, 2, 2); an entry is a number or one for each row."""
    entries = [torch.as_tensor(each, dtype=torch.float32).expand(rows) for each in (xx, xy, yx, yy)]
    return torch.stack(entries, dim=1).reshape(rows, 2, 2)


def shear(images: Tensor, slope: float, generator: torch.Generator) -> Tensor:
    """Each image leans to one side: x takes x + `slope` y. Mu & Gilmer 2019, by an angle there."""
    rows = len(images)
    return warped(images, linear(rows, 1, slope * sides(rows, generator), 0, 1))


def scale(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Each image smaller by a `share` of its size: p takes p / (1 - share); nothing is drawn.

    Mu & Gilmer 2019.
    """
    larger = 1 / (1 - share)
    return warped(images, linear(len(images), larger, 0, 0, larger))


def rotate(images: Tensor, angle: float, generator: torch.Generator) -> Tensor:
    """Each image turned to one side about its centre by an `angle` in radians.

    Mu & Gilmer 2019.
    """
    rows = len(images)
    sine = math.sin(angle) * sides(rows, generator)
    return warped(images, linear(rows, math.cos(angle), -sine, sine, math.cos(angle)))


def translate(images: Tensor, pixels: float, generator: torch.Generator) -> Tensor:
    """Each image moved by so many whole `pixels`, up or down and to the left or right.

    Mu & Gilmer 2019.
    """
    step, rows = int(pixels), torch.arange(len(images))
    around = pad(squares(images), (step,) * 4)
    to_row, to_column = (step + step * sides(len(images), generator).long() for _ in "xy")
    along = torch.arange(SIDE)
    from_row, from_column = to_row[:, None] + along, to_column[:, None] + along
    return around[rows[:, None, None], from_row[:, :, None], from_column[:, None]].flatten(1)


def glass_blur(images: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    """Pixels shuffled within `reach` pixels, twice, between two Gaussian blurs of 0.7 pixels.

    Mu & Gilmer 2019, after Hendrycks & Dietterich 2019. There neighbours are swapped one after
    another; here each pass shuffles the pixels within their rows, then within their columns.
    """
    smooth = torch.from_numpy(gaussian_filter1d(np.eye(SIDE), 0.7, axis=0, mode="nearest"))
    smooth = smooth.to(images)
    mixed = smooth @ squares(images) @ smooth.T
    for _ in range(4):
        mixed = mixed.gather(2, shuffled(mixed.shape, reach, generator).to(images.device)).mT
    return (smooth @ mixed @ smooth.T).flatten(1).clamp_(0, 1)


def shuffled(shape: torch.Size, reach: float, generator: torch.Generator) -> Tensor:
    """Permutations along the last axis in which nothing moves farther than `reach`.

    The place i is sorted by i + U[0, reach + 1): it cannot pass what is farther than that.
    """
    ahead = (reach + 1) * torch.rand(shape, generator=generator)
    return (torch.arange(shape[-1]) + ahead).argsort(-1)


def motion_blur(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Each image smeared along a line of its own, at up to 45 degrees from the horizontal.

    A point leaves a trail of 28 pixels that fades as exp(-i^2 / 2 sigma^2), `sigma` in pixels.
    Mu & Gilmer 2019, after Hendrycks & Dietterich 2019.
    """
    angle = (torch.rand(len(images), generator=generator) - 0.5) * math.pi / 2
    trails = trail(angle, sigma).numpy()
    smeared = fftconvolve(squares(images).cpu().numpy(), trails, axes=(1, 2))
    inside = smeared[:, RISE : RISE + SIDE, :SIDE].reshape(len(images), -1)
    return torch.from_numpy(inside).to(images).clamp_(0, 1)


def trail(angle: Tensor, sigma: float) -> Tensor:
    """Kernels of sum 1: a trail to the right at each angle (rows,), from (RISE, 0).

    Each point of the trail is shared bilinearly among the four pixels around it.
    """
    shape, along = (2 * RISE + 1, TRAIL + 1), torch.arange(TRAIL)
    weight = torch.exp(-(along**2) / (2 * sigma**2))
    kernels = torch.zeros(len(angle), shape[0] * shape[1])
    right, down = angle.cos()[:, None] * along, RISE + angle.sin()[:, None] * along
    for column, share_x in shared(right):
        for row, share_y in shared(down):
            share = share_x * share_y * weight / weight.sum()
            kernels.scatter_add_(1, row * shape[1] + column, share)
    return kernels.reshape(-1, *shape)


def shared(place: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two whole numbers around each place, and the share that each has of it."""
    below = place.floor()
    return [(below.long(), 1 - (place - below)), (below.long() + 1, place - below)]
