"""How well two maps agree: each is described, and the two descriptions are compared.

Only pixels that are ever lit count: a border that all images share would raise every measure.
"""

from collections.abc import Callable
from math import nan
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from torch import Tensor

from lib.tasks.datasets import SIDE


class MapAgreement(NamedTuple):
    """A measure of agreement of maps (networks, rows, 784); its values are (networks, rows).

    describe: of maps and the lit pixels, bool (784,), all that the measure needs of one side, so
    that a map which many are compared with is described once. compare: of two descriptions. signed:
    whether the maps are to have their sign, else they are >= 0.
    """

    describe: Callable[[Tensor, Tensor], Any]
    compare: Callable[[Any, Any], Tensor]
    signed: bool = False

    def __call__(self, maps: Tensor, others: Tensor, lit: Tensor) -> Tensor:
        """The agreement of two sets of maps."""
        return self.compare(self.describe(maps, lit), self.describe(others, lit))


def ranked(maps: Tensor, lit: Tensor) -> Tensor:
    """The ranks of lit pixels, centred and of length 1; zeros where a map is flat."""
    return normed(torch.from_numpy(rankdata(maps[..., lit].numpy(), axis=-1)))


def normed(values: Tensor) -> Tensor:
    """Values along the last axis less their mean, over their length; zeros where all are equal."""
    values = values - values.mean(-1, keepdim=True)
    return (values / values.norm(dim=-1, keepdim=True)).nan_to_num(0)


def inner(one: Tensor, other: Tensor) -> Tensor:
    """The sum of products along the last axis: a correlation, of what is `normed`; NaN of none."""
    products = one * other
    return products.sum(-1) if products.shape[-1] else products.new_full(products.shape[:-1], nan)


class Windows(NamedTuple):
    """Maps as pictures (..., 28, 28), the mean and variance around each pixel, and what is lit."""

    values: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    lit: Tensor


WINDOW = 7
"""The side of the window of SSIM, as in scikit-image's default."""

UNBIASED = WINDOW**2 / (WINDOW**2 - 1)


def around(pictures: np.ndarray) -> np.ndarray:
    """The mean over the window around each pixel."""
    return uniform_filter(pictures, (1,) * (pictures.ndim - 2) + (WINDOW, WINDOW))


def windows(maps: Tensor, lit: Tensor) -> Windows:
    """What SSIM needs of maps >= 0, which are scaled to [0, 1] first."""
    x = pictures(scaled(maps).double()).numpy()
    mean = around(x)
    return Windows(x, mean, UNBIASED * (around(x * x) - mean**2), lit)


def similarity(one: Windows, other: Windows) -> Tensor:
    """Structural similarity (Wang et al. 2004), mean over lit pixels."""
    covariance = UNBIASED * (around(one.values * other.values) - one.mean * other.mean)
    c1, c2 = 0.01**2, 0.03**2
    values = ((2 * one.mean * other.mean + c1) * (2 * covariance + c2)) / (
        (one.mean**2 + other.mean**2 + c1) * (one.variance + other.variance + c2)
    )
    return torch.from_numpy(values).flatten(-2)[..., one.lit].mean(-1)


def top_tenth(maps: Tensor, lit: Tensor) -> Tensor:
    """1 for the highest tenth of lit pixels, 0 for others, a fraction for ties at the edge.

    A tenth is rounded down, and is one pixel where there are fewer than ten.
    """
    count = int(lit.sum())
    return top_share(maps[..., lit], min(count, max(1, count // 10)))


def in_common(one: Tensor, other: Tensor) -> Tensor:
    """The share of one choice of pixels that is in another of as many."""
    return torch.minimum(one, other).sum(-1) / one.sum(-1)


def top_share(values: Tensor, count: int) -> Tensor:
    """1 for the `count` highest of the last axis, 0 for others, a fraction for ties at the edge.

    The fractions are equal, and all sum to `count`.
    """
    if not count:
        return torch.zeros_like(values)
    edge = values.topk(count, dim=-1).values[..., -1:]
    above, tied = (values > edge).float(), (values == edge).float()
    return above + tied * ((count - above.sum(-1, keepdim=True)) / tied.sum(-1, keepdim=True))


ORIENTATIONS, CELL, BLOCK = 9, 4, 2
"""Of the histograms of oriented gradients: bins over 180 degrees, pixels a cell, cells a block."""


def histograms(maps: Tensor, lit: Tensor) -> Tensor:
    """Histograms of oriented gradients (Dalal & Triggs 2005) of maps >= 0, centred, of length 1.

    As skimage.feature.hog has them (L2-Hys) of maps scaled to [0, 1], for all maps at once; only of
    blocks that lie wholly on lit pixels.
    """
    whole = pictures(lit).unfold(0, BLOCK * CELL, CELL).unfold(1, BLOCK * CELL, CELL)
    inside = whole.flatten(2).all(-1)
    return normed(oriented(pictures(scaled(maps)))[..., inside, :].flatten(-2).double())


def oriented(images: Tensor) -> Tensor:
    """The histograms of pictures (..., 28, 28) by block: (..., 6, 6, bins of its four cells)."""
    down, across = torch.zeros_like(images), torch.zeros_like(images)
    down[..., 1:-1, :] = images[..., 2:, :] - images[..., :-2, :]
    across[..., 1:-1] = images[..., 2:] - images[..., :-2]
    angle = torch.rad2deg(torch.atan2(down, across)) % 180
    bins = (angle * (ORIENTATIONS / 180)).long().clamp_(0, ORIENTATIONS - 1)
    strength = torch.hypot(down, across)
    side = SIDE // CELL
    cell = torch.arange(SIDE) // CELL
    place = (cell[:, None] * side + cell) * ORIENTATIONS + bins
    cells = images.new_zeros(*images.shape[:-2], side * side * ORIENTATIONS)
    cells.scatter_add_(-1, place.flatten(-2), strength.flatten(-2))
    cells = cells.unflatten(-1, (side, side, ORIENTATIONS)) / CELL**2
    blocks = cells.unfold(-3, BLOCK, 1).unfold(-3, BLOCK, 1).flatten(-3)
    clipped = of_length_1(blocks).clamp_max(0.2)
    return of_length_1(clipped)


def of_length_1(blocks: Tensor) -> Tensor:
    """Histograms over their length, with scikit-image's small number against none."""
    return blocks / (blocks.square().sum(-1, keepdim=True) + 1e-10).sqrt()


AGREEMENT = {
    "spearman": MapAgreement(ranked, inner),
    "spearman_signed": MapAgreement(ranked, inner, signed=True),
    "ssim": MapAgreement(windows, similarity),
    "top_decile": MapAgreement(top_tenth, in_common),
    "hog": MapAgreement(histograms, inner),
}
"""The ways to compare two maps, by the name of their column.

Spearman's rank correlation, 0 where a map is flat, which orders no pixels; structural similarity
(Wang et al. 2004) of maps scaled to [0, 1], in windows of 7 pixels; the share of the top tenth of
lit pixels in common, whose last places are shared by pixels that tie, so that a flat map has a
tenth in common with any other, as a random choice has; Pearson's correlation of histograms of
oriented gradients, 0 where a map is flat.
"""


def flat(maps: Tensor, lit: Tensor) -> Tensor:
    """Whether a map is the same at all lit pixels, bool (networks, rows); so it is at none."""
    inside = maps[..., lit]
    return (inside == inside[..., :1]).all(-1)


def scaled(maps: Tensor) -> Tensor:
    """Maps >= 0 divided by their maximum, image by image; a map of zeros stays one."""
    return maps / maps.amax(-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def pictures(maps: Tensor) -> Tensor:
    """Maps (..., 784) as (..., 28, 28)."""
    return maps.unflatten(-1, (SIDE, SIDE))
