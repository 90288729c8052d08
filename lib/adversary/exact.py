"""How little has to change before a row is misclassified: a bracket, and exactly.

The bracket comes from bisection with `branching.decide`. The exact amount is the optimum of a
mixed-integer programme (Tjeng, Xiao & Tedrake 2019), solved by HiGHS through SciPy, in which only
those units are binary that take away from the margin and may have either sign: what the others add
is convex.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_array, csr_array, eye_array
from torch import Tensor

from lib.adversary.bounds import SLACK, double, problem
from lib.adversary.branching import BROKEN, NODES, ROBUST, decide
from lib.adversary.regions import around, check_images, each_of
from lib.errors import UserError
from lib.population import Population
from lib.tasks import Rows

WIDEST = {"linf": 1.0, "l2": 28.0}
"""The largest change of an image by norm: every pixel by its whole range."""

HALVINGS = 12
"""Of that range, by bisection."""


def brackets(
    networks: Population, rows: Rows, norm: str = "linf", nodes: int = NODES
) -> tuple[Tensor, Tensor]:
    """Between what amounts the least change lies that has a row misclassified: float64 each.

    (networks, rows): the largest amount that is shown to be safe, -inf for a row that is wrong as
    it is; and the smallest that is shown not to be, inf where none is. The ends are `HALVINGS`
    halvings of `WIDEST` apart where every question on the way was decided. In L2 a change is not
    held to the range of a pixel. Raises `UserError` for an unknown norm and images of another size.
    """
    check_images(networks, rows.images)
    around(rows.images, 0.0, norm)
    safe = torch.stack([bisected(one, rows, norm, nodes, ROBUST) for one in each_of(networks)])
    unsafe = torch.stack([bisected(one, rows, norm, nodes, BROKEN) for one in each_of(networks)])
    return safe, unsafe


def bisected(network: Population, rows: Rows, norm: str, nodes: int, wanted: int) -> Tensor:
    """The largest amount that is found `ROBUST`, or the smallest found `BROKEN`: (rows,)."""
    images, exact = rows.images.double(), double(network)
    low, high = torch.zeros(len(rows)).double(), torch.full((len(rows),), WIDEST[norm]).double()
    found = torch.full_like(low, torch.inf if wanted == BROKEN else -torch.inf)
    ends = [low.clone(), high.clone()]
    for amount in [*ends, *([None] * HALVINGS)]:
        middle = (low + high) / 2 if amount is None else amount
        region = around(images, middle, norm)
        status = decide(problem(exact, rows, region), network, rows, nodes)
        right = status == wanted
        if wanted == ROBUST:
            found = torch.where(right, torch.maximum(found, middle), found)
            low, high = torch.where(right, middle, low), torch.where(right, high, middle)
        else:
            found = torch.where(right, torch.minimum(found, middle), found)
            low, high = torch.where(right, low, middle), torch.where(right, middle, high)
        if amount is not None:
            low, high = ends
    return found


class Minimum(NamedTuple):
    """The least L-infinity change of an image that has it misclassified, and such an image.

    amount: NaN where the time was up, inf where there is none within the range that was searched.
    image: (pixels,), None where there is none.
    """

    amount: float
    image: Tensor | None


def minimum(network: Population, row: Rows, within: float, seconds: float = 10.0) -> Minimum:
    """The least change within [0, 1] and `within` of one row, as a mixed-integer programme.

    network: a population of one. The image that comes back is held against the network itself.
    Raises `UserError` for more than one row or network, and an amount or image that `around` does
    not take.
    """
    if len(network) != 1 or len(row) != 1:
        raise UserError(f"{len(network)} networks and {len(row)} rows: give one of each")
    check_images(network, row.images)
    region = around(row.images.double(), within)
    found = problem(network, row, region)
    weight1 = found.network.weight1.numpy()
    image = row.images[0].double().numpy()
    middle, radius = region.centre[0].numpy(), region.radius[0].numpy()  # type: ignore[union-attr]
    at_image = image @ weight1 + found.network.bias1.numpy()
    weights, bias = found.weights[0].numpy(), float(found.bias[0])
    least = (found.centre - found.reach)[0].numpy()
    most = (found.centre + found.reach)[0].numpy()
    on, unsure = least >= 0, (least < 0) & (most > 0)
    adds, takes = np.flatnonzero(unsure & (weights > 0)), np.flatnonzero(unsure & (weights < 0))
    pixels, a, t = len(image), len(adds), len(takes)

    # The variables in blocks: changes of pixels, the amount, activations of units that add and of
    # those that take away, and whether the latter are on.
    def of(units: np.ndarray) -> csr_array:
        return csr_array(weight1[:, units].T)

    one = np.ones((pixels, 1))
    steady = bias + weights[on] @ at_image[on]
    blocks = [
        [eye_array(pixels), csr_array(-one), None, None, None],
        [-eye_array(pixels), csr_array(-one), None, None, None],
        [of(adds), None, -eye_array(a), None, None],
        [-of(takes), None, None, eye_array(t), csr_array(np.diag(-least[takes]))],
        [csr_array((t, pixels)), None, None, eye_array(t), csr_array(np.diag(-most[takes]))],
        [
            csr_array((weight1[:, on] @ weights[on])[None]),
            None,
            csr_array(weights[adds][None]),
            csr_array(weights[takes][None]),
            csr_array((1, t)),
        ],
    ]
    limits = np.concatenate(
        [
            np.zeros(2 * pixels),
            -at_image[adds],
            at_image[takes] - least[takes],
            np.zeros(t),
            [-steady],
        ]
    )
    low = np.concatenate([middle - radius - image, np.zeros(1 + a + 2 * t)])
    high = np.concatenate([middle + radius - image, [within], most[adds], most[takes], np.ones(t)])
    objective = np.zeros(len(low))
    objective[pixels] = 1
    whole = np.zeros(len(low))
    whole[len(low) - t :] = 1
    answer = milp(
        objective,
        integrality=whole,
        bounds=Bounds(low, high),
        constraints=LinearConstraint(block_array(blocks, format="csr"), -np.inf, limits),
        options={"time_limit": seconds},
    )
    return checked(network, row, answer)
