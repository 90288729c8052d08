"""Images near given ones that a network misclassifies, by gradient: upper bounds on robustness.

An attack shows that a row is not robust, and by failing shows nothing. Every network has images of
its own, (networks, rows, pixels).
"""

import torch
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population
from lib.networks.products import product
from lib.robustness.adversary.regions import (
    Amount,
    Region,
    around,
    check_images,
    column,
    each_of,
    wrong,
)
from lib.tasks import Rows

STEPS, RESTARTS = 40, 2
"""Of projected gradient descent, as the tables have it."""


def fgsm(networks: Population, rows: Rows, epsilon: float) -> Tensor:
    """One step of epsilon against the sign of the margin's gradient (Goodfellow et al. 2015).

    Images (networks, rows, pixels), within [0, 1]. Raises `UserError` as `pgd` does.
    """
    check_images(networks, rows.images)
    region = around(rows.images, epsilon)
    found = []
    for network in each_of(networks):
        _, slopes = margins(network, rows, rows.images)
        found.append(region.inside(rows.images - epsilon * slopes.sign()))
    return torch.stack(found)


def pgd(
    networks: Population,
    rows: Rows,
    epsilon: Amount,
    norm: str = "linf",
    steps: int = STEPS,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient descent on the margin (Madry et al. 2018): (networks, rows, pixels).

    The first start is the image itself, further ones are drawn from the region by `generator`, and
    are for the rows that no earlier start has broken. Of all images met, that of the least margin
    is returned. A step is 2.5 epsilon / steps, along the gradient's sign or, in L2, its direction.
    Raises `UserError` for an unknown norm, an epsilon out of range, less than one step or start,
    and images of another size.
    """
    if steps < 1 or restarts < 1:
        raise UserError(f"{steps} steps and {restarts} starts: give at least one of each")
    check_images(networks, rows.images)
    region, size = around(rows.images, epsilon, norm), column(rows.images, epsilon) * 2.5 / steps
    found = []
    for network in each_of(networks):
        best = rows.images.clone()
        for start in range(restarts):
            left = (~wrong(network.logits(best)[0], rows.labels)).nonzero().flatten()
            some, here = rows.take(left), region.take(left)
            begin = drawn(some.images, here, generator) if start else some.images
            best[left] = descended(network, some, here, begin, best[left], size[left], steps)
        found.append(best)
    return torch.stack(found)


def descended(
    network: Population,
    rows: Rows,
    region: Region,
    begin: Tensor,
    best: Tensor,
    size: Tensor,
    steps: int,
) -> Tensor:
    """The images of least margin among `best` and those met on the way down from `begin`."""
    images, (lowest, _) = begin, margins(network, rows, best)
    _, slopes = margins(network, rows, images)
    for _ in range(steps):
        images = region.inside(images - size * region.direction(slopes))
        margin, slopes = margins(network, rows, images)
        best = torch.where((margin < lowest)[:, None], images, best)
        lowest = torch.minimum(margin, lowest)
    return best


def margins(network: Population, rows: Rows, images: Tensor) -> tuple[Tensor, Tensor]:
    """The margins of one network, (rows,), and their gradients in the pixels, (rows, pixels)."""
    hidden, side = network.hidden(images), 2 * rows.labels - 1
    slopes = side[:, None] * (hidden > 0) * network.weight2
    return side * network.read(hidden)[0], product(slopes, network.weight1)


def drawn(images: Tensor, region: Region, generator: torch.Generator | None) -> Tensor:
    """A point of each region, drawn about its centre."""
    noise = 2 * torch.rand(images.shape, generator=generator) - 1
    return region.inside(region.centre + region.radius * noise)


def withstood(networks: Population, images: Tensor, labels: Tensor) -> Tensor:
    """Which of its own images, (networks, rows, pixels), each network classifies rightly."""
    return torch.stack(
        [
            ~wrong(network.logits(own)[0], labels)
            for network, own in zip(each_of(networks), images, strict=True)
        ]
    )
