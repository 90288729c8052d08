"""Where an adversary may move an image: a box of pixels (L-infinity) or a ball (L2).

A region is all that bounds and attacks need to know: its centre, how far it reaches along some
weights, and where in it a linear function is least.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.networks.population import Population

Amount = float | Tensor
"""An epsilon, or one for each row: (rows,)."""


@dataclass(frozen=True)
class Box:
    """Each pixel within `radius` of `centre`, both (rows, pixels)."""

    centre: Tensor
    radius: Tensor

    @classmethod
    def around(cls, images: Tensor, epsilon: Amount) -> "Box":
        """Within epsilon of each pixel, and within [0, 1]."""
        each = column(images, epsilon)
        low, high = (images - each).clamp(0, 1), (images + each).clamp(0, 1)
        return cls((low + high) / 2, (high - low) / 2)

    def reach(self, weights: Tensor) -> Tensor:
        """How far a product with (pixels, units) can go from the centre's: (rows, units)."""
        return self.radius @ weights.abs()

    def lowest(self, slopes: Tensor) -> Tensor:
        """Where linear functions of these slopes are least; both (rows, pixels)."""
        return self.centre - self.radius * slopes.sign()

    def direction(self, slopes: Tensor) -> Tensor:
        """The steepest way up of length 1 in the region's norm."""
        return slopes.sign()

    def inside(self, images: Tensor) -> Tensor:
        """The nearest images of the region, as L-infinity and L2 both have it."""
        return torch.clamp(images, self.centre - self.radius, self.centre + self.radius)

    def take(self, rows: Tensor) -> "Box":
        """The regions of some rows."""
        return Box(self.centre[rows], self.radius[rows])


@dataclass(frozen=True)
class Ball:
    """Within `radius` (rows, 1) of `centre` (rows, pixels) in Euclidean distance.

    It is not cut with [0, 1], so that what holds in all of it holds among images too; `inside` is.
    """

    centre: Tensor
    radius: Tensor

    @classmethod
    def around(cls, images: Tensor, epsilon: Amount) -> "Ball":
        """Within epsilon of each image."""
        return cls(images, column(images, epsilon))

    def reach(self, weights: Tensor) -> Tensor:
        """As `Box.reach`."""
        return self.radius * weights.norm(dim=0)

    def lowest(self, slopes: Tensor) -> Tensor:
        """As `Box.lowest`."""
        return self.centre - self.radius * self.direction(slopes)

    def direction(self, slopes: Tensor) -> Tensor:
        """As `Box.direction`."""
        return torch.nn.functional.normalize(slopes, dim=1)

    def inside(self, images: Tensor) -> Tensor:
        """Images drawn towards the centre into the ball, then cut to [0, 1], which stays in it."""
        moved = images - self.centre
        norm = moved.norm(dim=1, keepdim=True)
        shrunk = moved * (self.radius / norm.clamp_min(1e-12)).clamp(max=1)
        return (self.centre + shrunk).clamp(0, 1)

    def take(self, rows: Tensor) -> "Ball":
        """The regions of some rows."""
        return Ball(self.centre[rows], self.radius[rows])


Region = Box | Ball

REGIONS: dict[str, type[Box] | type[Ball]] = {"linf": Box, "l2": Ball}
"""The region that a norm names."""


def column(images: Tensor, epsilon: Amount) -> Tensor:
    """An epsilon as (rows, 1), in the type of the images."""
    each = torch.as_tensor(epsilon, dtype=images.dtype, device=images.device)
    return each.expand(len(images))[:, None]


def around(images: Tensor, epsilon: Amount, norm: str = "linf") -> Region:
    """The region within epsilon of images (rows, pixels) in a norm of `REGIONS`.

    Raises `UserError` for another norm, an epsilon that is not a finite number from 0, and one
    above 1 in L-infinity, where a pixel's whole range is 1.
    """
    if norm not in REGIONS:
        raise unknown("norm", norm, REGIONS)
    values = torch.as_tensor(epsilon, dtype=torch.float64)
    most = 1.0 if norm == "linf" else torch.finfo(torch.float64).max
    if not bool(((values >= 0) & (values <= most)).all()):  # NaN fails both
        allowed = "from 0 to 1" if norm == "linf" else "of at least 0"
        raise UserError(f"epsilon {epsilon!r} in the norm {norm}: give a number {allowed}")
    return REGIONS[norm].around(images, epsilon)


def check_images(networks: Population, images: Tensor) -> None:
    """Raise `UserError` where images have another shape than (rows, the networks' pixels)."""
    pixels = len(networks.weight1)
    if images.ndim != 2 or images.shape[1] != pixels:
        raise UserError(f"images of shape {tuple(images.shape)}: give (rows, {pixels})")


def signs(labels: Tensor) -> Tensor:
    """-1 for the smaller digit and 1 for the larger: by it a logit is a margin, float64 (rows,)."""
    return labels.double() * 2 - 1


def wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Where a prediction is not the label; a logit of 0 or more is the larger digit."""
    return (logits >= 0) != labels.bool()


def each_of(networks: Population) -> list[Population]:
    """The networks, as populations of one.

    Each with its weights in one piece: oneDNN's product on columns out of a larger matrix takes a
    thousand times as long.
    """
    return [networks.select([place]) for place in range(len(networks))]
