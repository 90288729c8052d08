"""What is done to the images: seeded corruptions by name and severity.

A severity is a whole number from 0, which leaves the images as they are; the corruption's own unit
at each severity is its `amount`, which rises from 0. Two corruptions are those of the published
study, Gaussian noise and occlusion. The other fifteen are MNIST-C-style: of the kinds of MNIST-C
(Mu & Gilmer 2019, whose code no longer runs), written anew from their description, each with one
amount. They draw other numbers, so that a score under them is no MNIST-C score.
"""

from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.robustness.moved import glass_blur, motion_blur, rotate, scale, shear, translate
from lib.robustness.overlaid import canny_edges, dotted_line, fog, spatter, zigzag
from lib.robustness.pixelwise import (
    brightness,
    gaussian_noise,
    impulse_noise,
    occlusion,
    shot_noise,
    stripe,
)
from lib.tasks.datasets import SIDE

__all__ = [
    "AMOUNTS",
    "CORRUPTIONS",
    "MNIST_C",
    "STUDIED",
    "amount",
    "canny_edges",
    "corrupt",
]

Corruption = Callable[[Tensor, float, torch.Generator], Tensor]

STUDIED: dict[str, Corruption] = {"gaussian_noise": gaussian_noise, "occlusion": occlusion}
"""The corruptions of the published study."""

CORRUPTIONS: dict[str, Corruption] = STUDIED | {
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "shear": shear,
    "scale": scale,
    "rotate": rotate,
    "brightness": brightness,
    "translate": translate,
    "stripe": stripe,
    "fog": fog,
    "spatter": spatter,
    "dotted_line": dotted_line,
    "zigzag": zigzag,
    "canny_edges": canny_edges,
}
"""Every corruption by name: (images (rows, 784) in [0, 1], amount, generator) to such images."""

AMOUNTS: dict[str, tuple[float, ...]] = {
    "gaussian_noise": (0.1, 0.2, 0.3, 0.4, 0.5),
    "occlusion": (3, 5, 7, 9, 11),
    "shot_noise": (1 / 60, 1 / 25, 1 / 12, 1 / 5, 1 / 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "glass_blur": (1, 2, 3, 4, 5),
    "motion_blur": (3, 5, 8, 12, 15),
    "shear": (0.2, 0.4, 0.6, 0.8, 1.0),
    "scale": (0.1, 0.2, 0.3, 0.4, 0.5),
    "rotate": (0.2, 0.4, 0.6, 0.8, 1.0),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "translate": (1, 2, 3, 4, 5),
    "stripe": (3, 5, 7, 9, 11),
    "fog": (1.0, 1.5, 2.0, 2.5, 3.0),
    "spatter": (0.3, 0.4, 0.5, 0.6, 0.7),
    "dotted_line": (1, 2, 3, 4, 5),
    "zigzag": (1, 2, 3, 4, 5),
    "canny_edges": (0.2, 0.4, 0.6, 0.8, 1.0),
}
"""The amount of severities 1 to 5, in the unit that the corruption's docstring names.

Those of the study where it has them, else those that MNIST-C's code lists (shot and impulse noise,
motion blur, shear, scale, rotate, brightness, translate), else chosen here.
"""

MNIST_C = {
    "shot_noise": 5,
    "impulse_noise": 4,
    "glass_blur": 1,
    "motion_blur": 1,
    "shear": 2,
    "scale": 3,
    "rotate": 2,
    "brightness": 5,
    "translate": 3,
    "stripe": 3,
    "fog": 5,
    "spatter": 3,
    "dotted_line": 1,
    "zigzag": 1,
    "canny_edges": 5,
}
"""The severity whose amount is MNIST-C's own single setting: the default in its code."""


def amount(name: str, severity: int) -> float:
    """The corruption's own unit at a severity from 0 to 5; 0 at severity 0.

    Raises `UserError` for an unknown corruption or a severity outside that range.
    """
    if name not in AMOUNTS:
        raise unknown("corruption", name, AMOUNTS)
    whole = isinstance(severity, Integral) and not isinstance(severity, bool)
    if not whole or severity not in range(len(AMOUNTS[name]) + 1):
        raise UserError(f"severity {severity!r} is not allowed: give 0 to {len(AMOUNTS[name])}")
    return AMOUNTS[name][severity - 1] if severity else 0


def corrupt(images: Tensor, name: str, severity: int, generator: torch.Generator) -> Tensor:
    """Images (rows, 784) in [0, 1], corrupted; the same generator gives the same corruption.

    Raises `UserError` as `amount` does, and for images of another kind, size or range.
    """
    own_unit = amount(name, severity)
    check_images(images)
    changes = severity and len(images)
    return CORRUPTIONS[name](images, own_unit, generator) if changes else images


def check_images(images: Tensor) -> None:
    """Raise `UserError` where images are not floating point, (rows, 784) and within [0, 1]."""
    if images.dtype not in (torch.float32, torch.float64):
        raise UserError(f"images of {images.dtype}: give float32 or float64, scaled to [0, 1]")
    if images.shape[1:] != (SIDE * SIDE,):
        raise UserError(f"images of shape {tuple(images.shape)}: give (rows, {SIDE * SIDE})")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise UserError("images have pixels that are NaN or outside [0, 1]: scale them to [0, 1]")
