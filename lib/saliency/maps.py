"""The kinds of map, each in closed form: with one ReLU layer they are sums over hidden units.

A unit with input weights w, bias b and output weight v has z = b + x.w before its ReLU, and adds
v relu(z) to the logit. So a map of the logit is the sum over units of v w times how far the unit
counts as active: at the image (gradient), under noise (SmoothGrad), or on the way from a black
image (integrated gradients).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lib.errors import UserError, unknown
from lib.networks.perturbed import occluded_everywhere
from lib.networks.population import Population
from lib.networks.products import product
from lib.tasks.datasets import SIDE

STEP = 0.1
"""The published finite difference's step, in units of a pixel's range."""

SIGMA = 0.15
"""The noise of SmoothGrad, in units of a pixel's range: the middle of the 10 to 20 % advised."""

PAIRS = 2**12
"""How many pairs of an image and a unit are looked at pixel by pixel at once, for memory's sake."""

PATCH = 5
"""The side of the black square of occlusion sensitivity, in pixels."""


def gradient(networks: Population, images: Tensor) -> Tensor:
    """The gradient of each logit in the pixels (Simonyan et al. 2014), signed."""
    return over_units(networks, (before(networks, images) > 0).to(images.dtype))


def gradient_times_input(networks: Population, images: Tensor) -> Tensor:
    """The gradient of the logit times the pixel (Shrikumar et al. 2016), signed."""
    return gradient(networks, images).mul_(images)


def smoothgrad(networks: Population, images: Tensor, sigma: float = SIGMA) -> Tensor:
    """The expected gradient under normal noise of sd `sigma` (Smilkov et al. 2017), signed.

    Noise on the image is normal noise of sd `sigma` |w| on z: the unit is active with probability
    Phi(z / (sigma |w|)). What Smilkov et al. estimate from a sample is so without its error.
    Raises `UserError` where `sigma` is not above 0.
    """
    if not sigma > 0:
        raise UserError(f"sigma {sigma!r} is not allowed: give the noise a deviation above 0")
    spread = sigma * networks.weight1.norm(dim=0).clamp_min(torch.finfo(images.dtype).tiny)
    return over_units(networks, torch.special.ndtr(before(networks, images) / spread))


def integrated_gradients(networks: Population, images: Tensor) -> Tensor:
    """The pixel times the mean gradient on the way from black (Sundararajan et al. 2017), signed.

    z goes from b to its value along a straight line, so that the share of the way on which it is
    above 0 is exact. The map sums to the logit of the image less that of a black one.
    """
    ends = torch.stack([before(networks, images), networks.bias1.expand(len(images), -1)])
    high, low = ends.amax(0), ends.amin(0)
    crossing = high / (high - low)  # NaN only where both ends are equal, and not used there
    share = torch.where(low > 0, 1.0, torch.where(high > 0, crossing, 0.0))
    return over_units(networks, share).mul_(images)


def occlusion(networks: Population, images: Tensor, side: int = PATCH) -> Tensor:
    """By how much a black square lowers the logit (Zeiler & Fergus 2014), signed.

    A pixel's value is the mean over all squares of `side` pixels that cover it.
    """
    behind = torch.stack(list(occluded_everywhere(networks, shaped(networks, images), side)), -1)
    drop = networks.logits(images)[..., None] - behind
    places = SIDE - side + 1
    covers = torch.ones(places, SIDE, dtype=images.dtype, device=images.device)
    covers = covers.triu().tril(side - 1)  # which pixels of a line a square at each place covers
    squares = drop.unflatten(-1, (places, places))
    return (covers.T @ squares @ covers).div_(covers.sum(0).outer(covers.sum(0))).flatten(-2)


def probability_change(networks: Population, images: Tensor, step: float = STEP) -> Tensor:
    """The change of the probability as each pixel rises by `step`, signed.

    The published saliency before its sign and strength are removed; a pixel may rise above 1. The
    logit changes by its gradient times `step`, and by how far each unit that the pixel switches on
    or off goes past 0: only few stand near enough.
    """
    z = before(networks, images)
    maps = over_units(networks, (z > 0).to(images.dtype)).mul_(step)
    move = step * networks.weight1.T.contiguous()
    near = z.abs() <= move.abs().amax(1)  # the units that one pixel can switch on or off
    for network, changes in enumerate(maps):
        units = networks.units_of(network)
        v, d = networks.weight2[units, None], move[units]
        for row, unit in (pair.unbind(1) for pair in near[:, units].nonzero().split(PAIRS)):
            begin = z[row, units.start + unit, None]
            past_zero = (begin + d[unit]).mul_(torch.where(begin > 0, -1, 1)).relu_()
            changes.index_add_(0, row, past_zero.mul_(v[unit]))
    base = networks.logits(images)[..., None]
    # s(z + d) - s(z) = -s(z + d) s(-z) expm1(-d) for the logistic function s: as a difference of
    # two probabilities near 1 it would be lost to rounding.
    return (maps + base).sigmoid().mul_((-base).sigmoid()).mul_(maps.neg().expm1_()).neg_()


def finite_difference(networks: Population, images: Tensor, step: float = STEP) -> Tensor:
    """|change of the probability| as each pixel rises by `step`, each map scaled to [0, 1].

    The published saliency; the scaling removes how strong a map is.
    """
    return stretched(probability_change(networks, images, step).abs_())


SIGNED: dict[str, Callable[[Population, Tensor], Tensor]] = {
    "gradient": gradient,
    "finite_difference": probability_change,
    "smoothgrad": smoothgrad,
    "gradient_times_input": gradient_times_input,
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
}
"""The kinds of map by name, with their sign: above 0 where a pixel speaks for the larger digit."""


def unsigned(method: str, signed: Tensor) -> Tensor:
    """A map of that kind without its sign; the published one is scaled to [0, 1] as well."""
    return stretched(signed.abs()) if method == "finite_difference" else signed.abs()


def unsigned_maps(method: str) -> Callable[[Population, Tensor], Tensor]:
    """The maps of a kind without their sign, as a function of networks and images."""
    return lambda networks, images: unsigned(method, SIGNED[method](networks, images))


METHODS = {method: unsigned_maps(method) for method in SIGNED}
"""The same without their sign: how much a pixel counts, >= 0."""


def maps(networks: Population, images: Tensor, method: str, signed: bool = False) -> Tensor:
    """Maps of a kind, (networks, rows, 784), of images (rows, 784).

    NaN where a network is not finite. Raises `UserError` for an unknown kind, or for images of
    another size than the networks take.
    """
    if method not in SIGNED:
        raise unknown("kind of map", method, SIGNED)
    found = (SIGNED if signed else METHODS)[method](networks, images)
    return found.masked_fill_(~networks.finite[:, None, None], torch.nan)


def over_units(networks: Population, active: Tensor) -> Tensor:
    """The sum over a network's units of output weight times input weights times `active`.

    active: (rows, units), from 0 to 1. One matrix product a network.
    """
    weighted = active * networks.weight2
    maps = active.new_empty(len(networks), len(active), len(networks.weight1))
    for network in range(len(networks)):
        units = networks.units_of(network)
        torch.mm(weighted[:, units], networks.weight1[:, units].T, out=maps[network])
    return maps


def before(networks: Population, images: Tensor) -> Tensor:
    """What each unit has before its ReLU, (rows, units)."""
    return product(shaped(networks, images), networks.weight1.T, networks.bias1)


def shaped(networks: Population, images: Tensor) -> Tensor:
    """Images as they are; raises `UserError` where they are none that the networks take."""
    pixels = len(networks.weight1)
    if images.dim() != 2 or images.shape[1] != pixels:
        raise UserError(f"images of shape {tuple(images.shape)}: give (rows, {pixels})")
    return images


def stretched(maps: Tensor) -> Tensor:
    """Maps scaled to [0, 1], image by image; a map that is the same everywhere becomes zeros."""
    maps = maps - maps.amin(-1, keepdim=True)
    return maps / maps.amax(-1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
