"""How fast a logit can change: the global Lipschitz constant in L2, between bounds and exactly.

Where the units of a set are on, the gradient is the sum of what each of them adds to it, and the
constant is the largest norm of such a sum over all sets that some input turns on. Where the
weights of the units are linearly independent, as they nearly always are when there are fewer units
than pixels, each set is turned on by some point of R^784: not all such points are images. The norms
follow from the Gram matrix of what the units add, so that pixels matter no more. To find the
largest is a quadratic problem in binary variables: exact by enumeration for few units, otherwise
between the best set that local search finds and the bound of an eigenvalue.
"""

import torch
from torch import Tensor

from lib.networks.population import Population
from lib.robustness.adversary.bounds import double
from lib.robustness.adversary.regions import each_of

MOST_ENUMERATED = 16
"""The width up to which all sets of units are enumerated."""

STARTS, STEPS = 64, 300
"""Random starts of the local search, and steps of the bound."""


def gram(network: Population) -> Tensor:
    """The inner products of what the units of one network add to the gradient: (units, units)."""
    one = double(network)
    added = one.weight1 * one.weight2
    return added.T @ added


def product_bound(network: Population) -> float:
    """The product of the layers' spectral norms, an upper bound (Szegedy et al. 2014)."""
    one = double(network)
    return float(torch.linalg.matrix_norm(one.weight1, 2) * one.weight2.norm())


def enumerated(products: Tensor) -> float:
    """The largest norm of a sum over a set of units, over all sets, from their Gram matrix."""
    units = torch.arange(len(products))
    sets = ((torch.arange(2 ** len(products))[:, None] >> units) & 1).to(products.dtype)
    return float(norms(products, sets).max())


def norms(products: Tensor, sets: Tensor) -> Tensor:
    """The norm of the sum over each set of units, (sets,), from a 0/1 matrix (sets, units)."""
    return ((sets @ products) * sets).sum(1).clamp_min(0).sqrt()


def searched(products: Tensor, generator: torch.Generator) -> float:
    """The largest norm that local search finds: a lower bound.

    From random sets, one unit at a time is added or taken out, the one that gains most, until
    none gains.
    """
    sets = torch.randint(0, 2, (STARTS, len(products)), generator=generator).to(products.dtype)
    while True:
        change = 1 - 2 * sets
        gains = 2 * change * (sets @ products) + products.diagonal()
        gain, unit = gains.max(1)
        if not (climbing := gain > 1e-12).any():
            return float(norms(products, sets).max())
        flipped = sets.scatter(1, unit[:, None], 1 - sets.gather(1, unit[:, None]))
        sets = torch.where(climbing[:, None], flipped, sets)


def eigenvalue_bound(products: Tensor, target: float, steps: int = STEPS) -> float:
    """An upper bound on the largest norm: the dual of the semidefinite relaxation.

    With signs in the place of 0 and 1 the square of the norm is e'Qe, where e has one more entry
    that is 1; for any diagonal D it is at most tr D + (units + 1) times the largest eigenvalue of
    Q - D (Delorme & Poljak 1993). D follows by subgradient steps towards `target`, a norm that is
    reached: every step is a bound, and the least is returned.
    """
    sums = products.sum(0)
    top = torch.cat([sums.sum()[None], sums])
    lifted = torch.cat([top[None], torch.cat([sums[:, None], products], dim=1)]) / 4
    size, diagonal, least = len(lifted), lifted.new_zeros(len(lifted)), torch.inf
    for _ in range(steps):
        values, vectors = torch.linalg.eigh(lifted - diagonal.diag())
        bound = float(diagonal.sum() + size * values[-1])
        least = min(least, bound)
        slope = 1 - size * vectors[:, -1].square()
        diagonal = diagonal - (bound - target**2) / slope.square().sum().clamp_min(1e-12) * slope
    return max(least, 0.0) ** 0.5


def constants(networks: Population, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A lower and an upper bound on the constant of each network, float64 (networks,) each.

    They are equal, and exact over all of R^784, to the width `MOST_ENUMERATED`; where the units'
    weights are linearly dependent, the lower one is a bound only among all sets of units.
    """
    lower, upper = [], []
    for network, width in zip(each_of(networks), networks.widths, strict=True):
        products = gram(network)
        if width <= MOST_ENUMERATED:
            least = most = enumerated(products)
        else:
            least = searched(products, generator)
            most = min(eigenvalue_bound(products, least), product_bound(network))
        lower.append(least)
        upper.append(max(least, most))
    return torch.tensor(lower).double(), torch.tensor(upper).double()
