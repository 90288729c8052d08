"""Where maps lie: on strokes, on the pixels that tell the digits apart, on edges."""

import torch
from scipy.ndimage import sobel
from torch import Tensor

from lib.saliency.agreement import pictures, top_share
from lib.tasks import Rows, by_digit


def mass(maps: Tensor, weights: Tensor) -> Tensor:
    """The share of a map's sum that lies on some pixels, (networks, rows); NaN for a map of zeros.

    maps: >= 0, (networks, rows, pixels). weights: bool, or a number from 0 to 1 where a pixel
    belongs in part, (pixels,) or (rows, pixels).
    """
    return (maps * weights).sum(-1) / maps.sum(-1)


def concentration(maps: Tensor, pixels: Tensor) -> Tensor:
    """The share of a map's sum on some pixels over their share of its area, (networks, rows).

    pixels: bool (rows, pixels). 1 for a map that is the same everywhere, NaN for a map of zeros.
    """
    return mass(maps, pixels) / pixels.to(maps.dtype).mean(-1)


def mean_difference(rows: Rows) -> Tensor:
    """The mean image of the larger digit less that of the smaller, (784,)."""
    low, high = (images.mean(0) for images in by_digit(rows))
    return high - low


def discriminating(rows: Rows) -> Tensor:
    """The tenth of all pixels at which the means of the two digits differ most: (pixels,).

    1 for such a pixel, 0 for others, a fraction for ties at the edge (`top_share`).
    """
    apart = mean_difference(rows).abs()
    return top_share(apart, len(apart) // 10)


def edges(images: Tensor) -> Tensor:
    """The strength of the edges of images (rows, 784): the length of Sobel's gradient, >= 0."""
    down, across = (sobel(pictures(images).numpy(), axis) for axis in (-2, -1))
    return torch.from_numpy(down).hypot(torch.from_numpy(across)).flatten(-2)


def matched(confidence: Tensor, wanted: Tensor, among: Tensor) -> Tensor:
    """For each row of `wanted` the row of `among` nearest in confidence, the first of equals.

    confidence: (rows,), such as the absolute logit. wanted, among: rows, int64; one of `among` may
    serve several times. Empty where either is.
    """
    if not len(among):
        return among
    return among[(confidence[wanted, None] - confidence[among]).abs().argmin(1)]
