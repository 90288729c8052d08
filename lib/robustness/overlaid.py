"""Corruptions that lay something over the image, or put a drawing in its place.

All are of the kinds of MNIST-C (Mu & Gilmer 2019); "there" is what MNIST-C's code has.
"""

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm
from skimage.feature import canny
from torch import Tensor
from torch.nn.functional import pad

from lib.robustness.moved import squares
from lib.tasks.datasets import SIDE


def fog(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """A cloud F in [0, 1] over each image: (x + sF) m / (m + s), m its brightest pixel.

    s is the `strength`. F is a plasma fractal whose steps shrink by 1.4^2 from each scale to the
    next. Mu & Gilmer 2019, after Hendrycks & Dietterich 2019; there F is a corner of a map of
    256 x 256 pixels, here of one of 32 x 32, so that it is rougher within the image.
    """
    cloud = plasma(len(images), 1.4**2, generator)[:, :SIDE, :SIDE].flatten(1).to(images.device)
    brightest = images.amax(1, keepdim=True)
    return ((images + strength * cloud) * brightest / (brightest + strength)).clamp_(0, 1)


def plasma(rows: int, decay: float, generator: torch.Generator) -> Tensor:
    """Maps of heights (rows, 32, 32) from 0 to 1 each, without edges: the diamond-square algorithm.

    Each round puts a point between its four neighbours: their mean, and a uniform step whose size
    shrinks by `decay` a round (Fournier, Fussell & Carpenter 1982).
    """
    heights, step = torch.zeros(rows, 1, 1), 1.0
    while heights.shape[1] < 32:
        size = heights.shape[1]
        draws = 2 * step * (torch.rand(3, rows, size, size, generator=generator) - 0.5)
        right, below = heights.roll(-1, 2), heights.roll(-1, 1)
        centre = (heights + right + below + right.roll(-1, 1)) / 4 + draws[0]
        beside = (heights + right + centre + centre.roll(1, 1)) / 4 + draws[1]
        under = (heights + below + centre + centre.roll(1, 2)) / 4 + draws[2]
        upper, lower = torch.stack([heights, beside], 3), torch.stack([under, centre], 3)
        heights = torch.stack([upper, lower], 2).reshape(rows, 2 * size, 2 * size)
        step /= decay
    heights = heights - heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)


MUD = 63 / 255
"""The grey of spatter, as there."""


def spatter(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Mud over the image: x (1 - m) + (63/255) m.

    A `share` of the pixels is liquid, those where normal noise that was blurred by 1 pixel is
    highest; m is the liquid blurred by 1.5 pixels, 0 where below 0.8. Mu & Gilmer 2019, after
    Hendrycks & Dietterich 2019.
    """
    near, far = (torch.from_numpy(gaussian_filter1d(np.eye(SIDE), s, axis=0)) for s in (1, 1.5))
    near = (near / near.norm(dim=1, keepdim=True)).float()  # so that each pixel has variance 1
    noise = torch.randn(len(images), SIDE, SIDE, generator=generator)
    liquid = (near @ noise @ near.T > norm.isf(share)).float()
    mud = (far.float() @ liquid @ far.float().T).flatten(1).to(images.device)
    mud = mud.where(mud >= 0.8, 0.0)
    return (images * (1 - mud) + MUD * mud).clamp_(0, 1)


def stroke(distance: Tensor) -> Tensor:
    """The brightness of a drawn line at a distance from it in pixels: 1 + log(1 - d / 2.3) or 0."""
    return (1 + torch.log1p(-(distance.abs() / 2.3).clamp_(max=0.999))).clamp_(min=0)


def drawn(images: Tensor, distance: Tensor, where: Tensor) -> Tensor:
    """Images with a line added `where` it is, clipped to 1; distance: (rows, 28, 28)."""
    line = (stroke(distance) * where).flatten(1).to(images.device)
    return (images + line).clamp_(max=1)


def dotted_line(images: Tensor, lines: float, generator: torch.Generator) -> Tensor:
    """So many dotted `lines` from a random row at the left to a random row at the right.

    Two columns are drawn, two are left out. Mu & Gilmer 2019, who have one line.
    """
    column, row = torch.arange(SIDE), torch.arange(SIDE)[:, None]
    for _ in range(int(lines)):
        left, right = torch.randint(0, SIDE - 1, (2, len(images), 1, 1), generator=generator)
        distance = row - (left + (right - left) * column / (SIDE - 1))
        images = drawn(images, distance, column % 4 >= 2)
    return images


ENDS = 2, 25
"""The columns between which a zigzag runs."""


def zigzag(images: Tensor, lines: float, generator: torch.Generator) -> Tensor:
    """So many zigzag `lines` from left to right, 2 pixels to either side of a straight line.

    The straight line starts in a random row and ends within 5 rows of it; a tooth is 8 pixels long.
    Mu & Gilmer 2019, who have one line; distances are taken across the straight line.
    """
    first, last = ENDS
    column, row = torch.arange(SIDE) - first, torch.arange(SIDE)[:, None]
    for _ in range(int(lines)):
        start = torch.randint(0, SIDE - 1, (len(images), 1, 1), generator=generator)
        rise = torch.randint(-5, 5, (len(images), 1, 1), generator=generator)
        angle = torch.atan(rise / (last - first))
        along = column * angle.cos() + (row - start) * angle.sin()
        across = (row - start) * angle.cos() - column * angle.sin()
        inside = (along >= 0) & (along <= (last - first) / angle.cos())
        images = drawn(images, across - teeth(along), inside)
    return images


def teeth(along: Tensor) -> Tensor:
    """A triangle wave of period 8 between -2 and 2, which rises from 0 at 0."""
    return 4 / math.pi * torch.asin(torch.sin(2 * math.pi / 8 * along))


def canny_edges(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The image turned into its edges: (1 - `share`) x + `share` E; nothing is drawn.

    E is 1 on edges (Canny 1986), as scikit-image finds them after a blur of 1 pixel. Mu & Gilmer
    2019, who have E alone. Images stand below one another in one strip, parted by masked rows that
    are more than the blur reaches over: edges are those of each image alone.
    """
    apart = 5
    strip = pad(squares(images).cpu(), (0, 0, 0, apart)).reshape(-1, SIDE).numpy()
    within = np.arange(len(strip)) % (SIDE + apart) < SIDE
    found = torch.from_numpy(canny(strip, mask=np.repeat(within[:, None], SIDE, 1)))
    edges = found.reshape(-1, SIDE + apart, SIDE)[:, :SIDE].flatten(1).to(images)
    return torch.lerp(images, edges, share)
