"""What is done to the images: seeded corruptions by name and severity.

A severity is a whole number from 0, which leaves the images as they are; the corruption's own unit
at each severity is its `amount`, which rises from 0. Two corruptions are those of the published
study, Gaussian noise and occlusion. The other fifteen are MNIST-C-style: of the kinds of MNIST-C
(Mu & Gilmer 2019, whose code no longer runs), written anew from their description, each with one
amount. They draw other numbers, so that a score under them is no MNIST-C score.
"""

from collections.abc import Callable
from dataclasses import dataclass
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

STUDIED = ("gaussian_noise", "occlusion")
"""The corruptions of the published study."""

SEVERITIES = range(1, 6)
"""The severities that corrupt; 0 leaves images as they are."""


@dataclass(frozen=True)
class Corruption:
    """A way to corrupt images, and how much of it there is at each severity.

    apply: images (rows, 784) in [0, 1], an amount and a generator to such images. amounts: one a
    severity, rising from above 0, in `unit`, which is what an axis says. mnist_c: the severity
    whose amount is MNIST-C's own single setting, the default in its code; None for other kinds.
    """

    apply: Callable[[Tensor, float, torch.Generator], Tensor]
    amounts: tuple[float, float, float, float, float]
    unit: str
    mnist_c: int | None = None


CORRUPTIONS = {
    each.apply.__name__: each
    for each in (
        Corruption(gaussian_noise, (0.1, 0.2, 0.3, 0.4, 0.5), "noise $\\sigma$"),
        Corruption(occlusion, (3, 5, 7, 9, 11), "patch side (pixels)"),
        Corruption(shot_noise, (1 / 60, 1 / 25, 1 / 12, 1 / 5, 1 / 3), "variance of white", 5),
        Corruption(impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27), "share of pixels", 4),
        Corruption(glass_blur, (1, 2, 3, 4, 5), "reach (pixels)", 1),
        Corruption(motion_blur, (3, 5, 8, 12, 15), "fading $\\sigma$ (pixels)", 1),
        Corruption(shear, (0.2, 0.4, 0.6, 0.8, 1.0), "slope", 2),
        Corruption(scale, (0.1, 0.2, 0.3, 0.4, 0.5), "share of the size", 3),
        Corruption(rotate, (0.2, 0.4, 0.6, 0.8, 1.0), "angle (radians)", 2),
        Corruption(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), "shift", 5),
        Corruption(translate, (1, 2, 3, 4, 5), "shift (pixels)", 3),
        Corruption(stripe, (3, 5, 7, 9, 11), "columns", 3),
        Corruption(fog, (1.0, 1.5, 2.0, 2.5, 3.0), "strength", 5),
        Corruption(spatter, (0.3, 0.4, 0.5, 0.6, 0.7), "share of liquid pixels", 3),
        Corruption(dotted_line, (1, 2, 3, 4, 5), "lines", 1),
        Corruption(zigzag, (1, 2, 3, 4, 5), "lines", 1),
        Corruption(canny_edges, (0.2, 0.4, 0.6, 0.8, 1.0), "share of edges", 5),
    )
}
"""Every corruption by name.

Amounts are those of the study where it has them, else those that MNIST-C's code lists (shot and
impulse noise, motion blur, shear, scale, rotate, brightness, translate), else chosen here.
"""


def amount(name: str, severity: int) -> float:
    """The corruption's own unit at a severity from 0 to 5; 0 at severity 0.

    Raises `UserError` for an unknown corruption or a severity outside that range.
    """
    if name not in CORRUPTIONS:
        raise unknown("corruption", name, CORRUPTIONS)
    whole = isinstance(severity, Integral) and not isinstance(severity, bool)
    if not whole or severity not in (0, *SEVERITIES):
        raise UserError(f"severity {severity!r} is not allowed: give 0 to {SEVERITIES[-1]}")
    return CORRUPTIONS[name].amounts[severity - 1] if severity else 0


def corrupt(images: Tensor, name: str, severity: int, generator: torch.Generator) -> Tensor:
    """Images (rows, 784) in [0, 1], corrupted; the same generator gives the same corruption.

    Raises `UserError` as `amount` does, and for images of another kind, size or range.
    """
    own_unit = amount(name, severity)
    check_images(images)
    changes = severity and len(images)
    return CORRUPTIONS[name].apply(images, own_unit, generator) if changes else images


def check_images(images: Tensor) -> None:
    """Raise `UserError` where images are not floating point, (rows, 784) and within [0, 1]."""
    if images.dtype not in (torch.float32, torch.float64):
        raise UserError(f"images of {images.dtype}: give float32 or float64, scaled to [0, 1]")
    if images.shape[1:] != (SIDE * SIDE,):
        raise UserError(f"images of shape {tuple(images.shape)}: give (rows, {SIDE * SIDE})")
    if not bool(((images >= 0) & (images <= 1)).all()):
        raise UserError("images have pixels that are NaN or outside [0, 1]: scale them to [0, 1]")
