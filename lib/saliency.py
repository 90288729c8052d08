"""Which pixels a network looks at, and how well two maps of it agree.

Maps are (networks, rows, 784); a map of the published kind is a finite difference of the
probability, scaled to [0, 1] image by image, the other kind is the gradient of the logit.
"""

import torch
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata
from torch import Tensor

from lib.datasets import SIDE
from lib.population import Population
from lib.tasks import Rows, by_digit

STEP = 0.1
"""The published finite difference's step, in units of a pixel's range."""


def gradient(networks: Population, images: Tensor) -> Tensor:
    """The gradient of each logit in the pixels (Simonyan et al. 2014), signed."""
    active = (networks.hidden(images) > 0).to(images.dtype) * networks.weight2
    maps = images.new_empty(len(networks), *images.shape)
    for network in range(len(networks)):
        units = networks.units_of(network)
        torch.mm(active[:, units], networks.weight1[:, units].T, out=maps[network])
    return maps


def finite_difference(networks: Population, images: Tensor, step: float = STEP) -> Tensor:
    """|change of the probability| as each pixel rises by `step`, each map scaled to [0, 1].

    The published saliency: a pixel may rise above 1, and the scaling removes how strong a map is.
    """
    before = torch.addmm(networks.bias1, images, networks.weight1)
    hidden = before.relu()
    logits = networks.read(hidden)
    maps = images.new_empty(len(networks), *images.shape)
    for pixels in torch.arange(images.shape[1]).split(SIDE):
        raised = before + step * networks.weight1[pixels, None]
        change = raised.relu_().sub_(hidden).flatten(0, 1) @ networks.readout.T
        maps[:, :, pixels] = change.view(len(pixels), *logits.T.shape).permute(2, 1, 0)
    # s(z + d) - s(z) = -s(z + d) s(-z) expm1(-d) for the logistic function s: as a difference of
    # two probabilities near 1 it would be lost to rounding.
    base = logits[..., None]
    maps = (maps + base).sigmoid().mul_((-base).sigmoid()).mul_(maps.neg().expm1_()).abs_()
    maps -= maps.amin(-1, keepdim=True)
    return maps / maps.amax(-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


METHODS = {
    "gradient": lambda networks, images: gradient(networks, images).abs(),
    "finite_difference": finite_difference,
}
"""The kinds of map that are compared, all of them >= 0."""


def spearman(maps: Tensor, others: Tensor, lit: Tensor) -> Tensor:
    """Spearman's rank correlation over lit pixels, (networks, rows).

    0 where a map is flat, as that of a network none of whose units fires: it orders no pixels.
    """
    ranks = [torch.from_numpy(rankdata(m[..., lit].numpy(), axis=-1)) for m in (maps, others)]
    one, two = (r - r.mean(-1, keepdim=True) for r in ranks)
    return ((one * two).sum(-1) / (one.norm(dim=-1) * two.norm(dim=-1))).nan_to_num(0)


def ssim(maps: Tensor, others: Tensor, lit: Tensor, window: int = 7) -> Tensor:
    """Structural similarity (Wang et al. 2004) of maps scaled to [0, 1], mean over lit pixels.

    (networks, rows); uniform windows of `window` pixels, as in scikit-image's default.
    """
    x, y = (scaled(m).reshape(*m.shape[:-1], SIDE, SIDE).double().numpy() for m in (maps, others))
    size = (1,) * (x.ndim - 2) + (window, window)
    mean_x, mean_y = uniform_filter(x, size), uniform_filter(y, size)
    unbias = window**2 / (window**2 - 1)
    var_x = unbias * (uniform_filter(x * x, size) - mean_x**2)
    var_y = unbias * (uniform_filter(y * y, size) - mean_y**2)
    cov = unbias * (uniform_filter(x * y, size) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    values = ((2 * mean_x * mean_y + c1) * (2 * cov + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    return torch.from_numpy(values).flatten(-2)[..., lit].mean(-1)


def flat(maps: Tensor, lit: Tensor) -> Tensor:
    """Whether a map is the same at all lit pixels, bool (networks, rows)."""
    inside = maps[..., lit]
    return inside.amin(-1) == inside.amax(-1)


def scaled(maps: Tensor) -> Tensor:
    """Maps >= 0 divided by their maximum, image by image; a map of zeros stays one."""
    return maps / maps.amax(-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def top_decile_overlap(maps: Tensor, others: Tensor, lit: Tensor) -> Tensor:
    """The share of the top tenth of lit pixels that two maps have in common, (networks, rows).

    Pixels that tie for the last places share them, so that a flat map has a tenth in common with
    any other: what a random choice would have.
    """
    count = int(lit.sum()) // 10
    one, two = (top_share(m[..., lit], count) for m in (maps, others))
    return torch.minimum(one, two).sum(-1) / count


def top_share(values: Tensor, count: int) -> Tensor:
    """1 for the `count` highest of the last axis, 0 for others, a fraction for ties at the edge.

    The fractions are equal, and all sum to `count`.
    """
    edge = values.topk(count, dim=-1).values[..., -1:]
    above, tied = (values > edge).float(), (values == edge).float()
    return above + tied * ((count - above.sum(-1, keepdim=True)) / tied.sum(-1, keepdim=True))


AGREEMENT = {"spearman": spearman, "ssim": ssim, "top_decile": top_decile_overlap}
"""The ways to compare two maps, by the name of their column."""


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


def discriminating(rows: Rows) -> Tensor:
    """The tenth of all pixels at which the means of the two digits differ most: (pixels,).

    1 for such a pixel, 0 for others, a fraction for ties at the edge (`top_share`).
    """
    low, high = (images.mean(0) for images in by_digit(rows))
    return top_share((high - low).abs(), len(low) // 10)


def matched(confidence: Tensor, wanted: Tensor, among: Tensor) -> Tensor:
    """For each row of `wanted` the row of `among` nearest in confidence, the first of equals.

    confidence: (rows,), such as the absolute logit. wanted, among: rows, int64; one of `among` may
    serve several times. Empty where either is.
    """
    if not len(among):
        return among
    return among[(confidence[wanted, None] - confidence[among]).abs().argmin(1)]
