"""How little has to change before a row is misclassified: a bracket, and exactly.

The bracket comes from bisection with `branching.decide`. The exact amount is the optimum of a
mixed-integer programme (Tjeng, Xiao & Tedrake 2019), solved by HiGHS through SciPy, in which only
those units are binary that take away from the margin and may have either sign: what the others add
is convex.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_array, csr_array, eye_array
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population
from lib.robustness.adversary.bounds import SLACK, Problem, double, problem
from lib.robustness.adversary.branching import BROKEN, NODES, ROBUST, decide
from lib.robustness.adversary.regions import Box, around, check_images, each_of, signs
from lib.tasks import Rows

WIDEST = {"linf": 1.0, "l2": 28.0}
"""The largest change of an image by norm: every pixel by its whole range."""

HALVINGS = 12
"""Of that range, by bisection."""

SECONDS = 60.0
"""The most that the programme of one row may take."""


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
    low = torch.zeros(len(rows), dtype=torch.float64)
    high = torch.full_like(low, WIDEST[norm])

    def holds(amounts: Tensor) -> Tensor:
        found = problem(exact, rows, around(images, amounts, norm))
        return decide(found, network, rows, nodes) == wanted

    nowhere = ~holds(low) if wanted == ROBUST else ~holds(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = holds(middle) == (wanted == ROBUST)
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    if wanted == ROBUST:
        return low.masked_fill(nowhere, -torch.inf)
    return high.masked_fill(nowhere, torch.inf)


class Minimum(NamedTuple):
    """The least L-infinity change of an image that has it misclassified, and such an image.

    amount: NaN where the nodes or the time were up, inf where there is none in the range searched.
    image: (pixels,), None where there is none.
    """

    amount: float
    image: Tensor | None


def minimum(network: Population, row: Rows, within: float, nodes: int = 1000) -> Minimum:
    """The least change of one row that has it misclassified, among changes up to `within`.

    network: a population of one. The image that comes back is held against the network itself. The
    solver gives up after `nodes` nodes, which is the same on any machine, or after `SECONDS`.
    Raises `UserError` for more than one row or network, and for an amount or image that `around`
    and `check_images` do not take.
    """
    if len(network) != 1 or len(row) != 1:
        raise UserError(f"{len(network)} networks and {len(row)} rows: give one of each")
    check_images(network, row.images)
    region = Box.around(row.images.double(), within)
    around(row.images, within)
    programme = written(problem(double(network), row, region), row.images[0].double())
    answer = milp(**programme, options={"node_limit": nodes, "time_limit": SECONDS})
    if answer.status == INFEASIBLE:
        return Minimum(np.inf, None)
    if answer.status != OPTIMAL:
        return Minimum(np.nan, None)
    change = torch.from_numpy(answer.x[: row.images.shape[1]])
    image = (row.images[0].double() + change).to(row.images.dtype).clamp(0, 1)
    margin = float(network.logits(image[None])) * float(signs(row.labels))
    return Minimum(float(answer.fun) if margin <= SLACK else np.nan, image)


OPTIMAL, INFEASIBLE = 0, 2
"""What `milp` says of its answer."""


def written(problem: Problem, image: Tensor) -> dict[str, Any]:
    """The programme of one row as `milp` takes it.

    Variables: the change of each pixel, the largest of them (which is to be least), the activation
    of each unsure unit, and whether each of those that take away from the margin is on.
    """
    weights1, at_image = problem.network.weight1.numpy(), problem.inputs(image[None])[0].numpy()
    weights, centre, reach = (
        each[0].numpy() for each in (problem.weights, problem.centre, problem.reach)
    )
    on, unsure = centre - reach >= 0, abs(centre) < reach
    takes = np.flatnonzero((weights < 0)[unsure])
    least, most = (centre - reach)[unsure], (centre + reach)[unsure]
    pixels, units, binaries = len(image), len(least), len(takes)
    into, picked = weights1[:, unsure].T, np.eye(units)[takes]
    one, no_pixels = np.ones((pixels, 1)), np.zeros((binaries, pixels))
    rows = [
        [eye_array(pixels), -one, None, None],
        [-eye_array(pixels), -one, None, None],
        [into, None, -np.eye(units), None],
        [-into[takes], None, picked, -np.diag(least[takes])],
        [no_pixels, None, picked, -np.diag(most[takes])],
        [(weights1[:, on] @ weights[on])[None], None, weights[unsure][None], None],
    ]
    limits = [
        np.zeros(2 * pixels),
        -at_image[unsure],
        at_image[unsure][takes] - least[takes],
        np.zeros(binaries),
        [-float(problem.bias) - weights[on] @ at_image[on]],
    ]
    low = (problem.region.centre - problem.region.radius)[0] - image
    high = (problem.region.centre + problem.region.radius)[0] - image
    matrix = block_array([[None if b is None else csr_array(b) for b in row] for row in rows])
    return {
        "c": np.eye(matrix.shape[1])[pixels],
        "integrality": np.repeat([0, 1], [pixels + 1 + units, binaries]),
        "bounds": Bounds(
            np.concatenate([low, np.zeros(1 + units + binaries)]),
            np.concatenate([high, [1.0], most, np.ones(binaries)]),
        ),
        "constraints": LinearConstraint(matrix.tocsr(), -np.inf, np.concatenate(limits)),
    }
