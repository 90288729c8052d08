"""Lower bounds on the margin of a one-hidden-layer ReLU network over a region around each image.

The margin is the logit, with the sign of the label; a bound above 0 certifies the row. The input of
every hidden unit has exact bounds over a region, as it is linear (interval bounds: Gowal et al.
2018). A unit whose input can have either sign is replaced by something linear that lies below what
it adds to the margin: for a unit that adds, by any line through 0 of a slope from 0 to its weight;
for a unit that takes away, by the chord (Zhang et al. 2018). What is left is linear, and least at a
known point of the region. Raising the bound over the free slopes is a concave problem, whose best
value is that of the convex relaxation (Salman et al. 2019); at every step it also names an image,
the one at which the bound is attained, which may itself be an adversary.

All is in float64. A row counts as certified only from `SLACK` on.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lib.networks.population import Population
from lib.robustness.adversary.regions import Region, check_images, each_of, signs
from lib.tasks import Rows

SLACK = 1e-4
"""What a bound must be above 0 by: the forward pass in float32 moves a logit by up to 1e-5."""

STEPS = 30
"""Steps of the ascent for a bound that is to stand alone."""


@dataclass(frozen=True)
class Problem:
    """One network in float64 and a region around each of some rows.

    signs: (rows,). centre: the units' inputs at the regions' centres; reach: how far they go from
    there; weights: what each unit adds to the margin by its activation; all (rows, units).
    """

    network: Population
    region: Region
    signs: Tensor
    centre: Tensor
    reach: Tensor
    weights: Tensor

    @property
    def bias(self) -> Tensor:
        """What the second bias adds to each margin: (rows,)."""
        return self.signs * self.network.bias2

    def take(self, rows: Tensor) -> "Problem":
        """The same for some of the rows."""
        return Problem(
            self.network,
            self.region.take(rows),
            *(each[rows] for each in (self.signs, self.centre, self.reach, self.weights)),
        )

    def inputs(self, images: Tensor) -> Tensor:
        """The inputs of the hidden units, (rows, units)."""
        return torch.addmm(self.network.bias1, images, self.network.weight1)

    def image(self, row: Tensor, slopes: Tensor) -> Tensor:
        """Where in the regions of `row` the linear bounds of these slopes (n, units) are least."""
        return self.region.take(row).lowest(slopes @ self.network.weight1.T)


def problem(network: Population, rows: Rows, region: Region) -> Problem:
    """The margins of a population of one over the region of each row."""
    exact = double(network)
    centre = torch.addmm(exact.bias1, region.centre, exact.weight1)
    side = signs(rows.labels)
    return Problem(
        exact, region, side, centre, region.reach(exact.weight1), side[:, None] * exact.weight2
    )


def double(network: Population) -> Population:
    """The same network with its weights in float64."""
    values = {f.name: getattr(network, f.name) for f in fields(network)}
    return replace(network, **{k: v.double() for k, v in values.items() if k != "owner"})


@dataclass(frozen=True)
class Nodes:
    """Linear bounds on the margin over (a part of) a row's region: several may have one row.

    Anywhere there, margin >= bias + sum over units of offset + slope * input, for any slopes from
    `low` to `high`. row: int64 (n,); the rest (n, units). bent: units that the bound holds by their
    chord, which is not exact.
    """

    row: Tensor
    slopes: Tensor
    low: Tensor
    high: Tensor
    offset: Tensor
    bent: Tensor

    def take(self, index: Tensor | slice) -> "Nodes":
        """Some of the nodes."""
        return Nodes(*(getattr(self, field.name)[index] for field in fields(self)))


def roots(problem: Problem) -> Nodes:
    """One node a row, of its whole region."""
    least, most = problem.centre - problem.reach, problem.centre + problem.reach
    weights, zero = problem.weights, torch.zeros_like(problem.weights)
    on, unsure = least >= 0, (least < 0) & (most > 0)
    bent = unsure & (weights < 0)
    chord = weights * most / (most - least).clamp_min(torch.finfo(weights.dtype).tiny)
    low = torch.where(bent, chord, torch.where(on, weights, zero))
    high = torch.where(bent, chord, torch.where(on | unsure, weights, zero))
    offset = torch.where(bent, -chord * least, zero)
    return Nodes(torch.arange(len(least)), low, low, high, offset, bent)


@dataclass(frozen=True)
class Ascent:
    """The best bound of each node (n,), its slopes, and the inputs (n, units) where it is attained.

    margin, found_at: the least true margin at any image that was met, and its slopes.
    """

    bound: Tensor
    slopes: Tensor
    inputs: Tensor
    margin: Tensor
    found_at: Tensor


def ascend(problem: Problem, nodes: Nodes, steps: int) -> Ascent:
    """Raise the bounds of nodes towards 0 by `steps` projected supergradient steps.

    The supergradient in a slope is the unit's input where the bound is attained. Steps are Polyak's
    (1969) for a target a little above 0, as only the sign of a bound is asked for, each slope in
    the unit of what its input may be. The first slopes tried have no unsure unit adding anything,
    so that no bound is below the interval bound.
    """
    weights, reach = problem.weights[nodes.row], problem.reach[nodes.row].square()
    bias, slopes = problem.bias[nodes.row], nodes.slopes
    constant = bias + nodes.offset.sum(1)
    scale = reach.clamp_min(1e-12)
    best: Ascent | None = None
    for step in range(steps):
        inputs = problem.inputs(problem.image(nodes.row, slopes))
        bound = constant + (slopes * inputs).sum(1)
        margin = bias + (weights * inputs.relu()).sum(1)
        best = better(best, Ascent(bound, slopes, inputs, margin, slopes))
        if step == steps - 1:
            break
        blocked = ((slopes >= nodes.high) & (inputs > 0)) | ((slopes <= nodes.low) & (inputs < 0))
        way = inputs.masked_fill(blocked, 0)
        length = (way.square() / scale).sum(1).clamp_min(1e-12)
        target = 10 * SLACK - 0.1 * best.bound.clamp(max=0)
        size = (target - bound).clamp_min(0) / length
        slopes = (slopes + size[:, None] * way / scale).clamp(nodes.low, nodes.high)
    assert best is not None
    return best


def better(one: Ascent | None, other: Ascent) -> Ascent:
    """Row by row the higher bound, and the lower margin."""
    if one is None:
        return other
    higher, lower = other.bound > one.bound, other.margin < one.margin
    return Ascent(
        torch.where(higher, other.bound, one.bound),
        torch.where(higher[:, None], other.slopes, one.slopes),
        torch.where(higher[:, None], other.inputs, one.inputs),
        torch.where(lower, other.margin, one.margin),
        torch.where(lower[:, None], other.found_at, one.found_at),
    )


def margin_bounds(networks: Population, rows: Rows, region: Region, steps: int = STEPS) -> Tensor:
    """A lower bound on each margin over the region of its row: float64 (networks, rows).

    Raises `UserError` for images of another size.
    """
    return torch.stack(
        [ascend(one, roots(one), steps).bound for one in problems(networks, rows, region)]
    )


def problems(networks: Population, rows: Rows, region: Region) -> list[Problem]:
    """A problem for each network. Raises `UserError` for images of another size."""
    check_images(networks, rows.images)
    exact = type(region)(region.centre.double(), region.radius.double())
    return [problem(network, rows, exact) for network in each_of(networks)]
