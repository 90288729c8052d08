"""A protocol is data: initial weights, optimiser, schedule, split, and what is scored where."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population, owners, stack
from lib.seeds import generator
from lib.tasks import PUBLISHED_ORDER, digits

PUBLISHED_WIDTHS = (2, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64)
PUBLISHED_SEEDS = (0, 42, 78)
REPLAY_ORDER = ("0-1", "1-7", "4-9", "3-8", "5-6")
"""The order in which the published code walks the pairs, and so draws their weights."""

FEATURES = 784


@dataclass(frozen=True)
class Protocol:
    """How a network comes to its weights.

    split: a name in `lib.tasks.SPLITS`. initial: "replayed" (the published draws), "normal"
    (sd `scale`) or "uniform" (PyTorch's default for Linear, times `scale`). optimiser: "sgd" or
    "adam". learning_rate: of every step, or the peak of the cycle. batch: rows a step, None for
    all rows; the last of an epoch has what is left. steps: how many there are, whatever the number
    of rows. schedule: a name in `SCHEDULES`. The last weights count. scored_on: the part of the
    split that reported scores use.
    """

    name: str
    split: str
    initial: str
    scale: float
    optimiser: str
    learning_rate: float
    batch: int | None
    steps: int
    schedule: str
    scored_on: str

    @property
    def learning_rates(self) -> list[float]:
        """The learning rate of each step."""
        return [self.learning_rate * share for share in SCHEDULES[self.schedule](self.steps)]


RISING = 0.25
"""The share of a cycle's steps over which its learning rate rises."""


def constant(steps: int) -> list[float]:
    """The same learning rate at every step."""
    return [1.0] * steps


def cycle(steps: int) -> list[float]:
    """One cycle (Smith & Topin 2019): up to the peak in a line, then down to 0 by a cosine.

    Shares of the peak, each that of the middle of its step.
    """
    done = (np.arange(steps) + 0.5) / steps
    falling = (1 + np.cos(np.pi * (done - RISING) / (1 - RISING))) / 2
    return np.where(done < RISING, done / RISING, falling).tolist()


SCHEDULES = {"constant": constant, "cycle": cycle}
"""The learning rate of each of so many steps, as shares of the protocol's."""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "published", "balanced", "replayed", 0.1, "sgd", 0.03, None, 100, "constant", "held_out"
        ),
        Protocol(
            "described", "balanced", "normal", 0.1, "sgd", 0.03, None, 100, "constant", "test"
        ),
        Protocol("converged", "full", "uniform", 1.0, "adam", 0.01, 128, 2000, "cycle", "test"),
    )
}


@lru_cache(maxsize=4)
def published_draws(seed: int) -> dict[tuple[str, int], tuple[Tensor, Tensor]]:
    """Both weight matrices of the 55 published networks of one seed, by task and width.

    The published code seeds NumPy's legacy generator once and draws for each width, then for each
    pair; nothing else draws from it, so no network can be had without those before it.
    """
    rng = np.random.RandomState(seed)
    draws = {}
    for width in PUBLISHED_WIDTHS:
        for task in REPLAY_ORDER:
            weight1 = rng.standard_normal((FEATURES, width)) * 0.1
            weight2 = rng.standard_normal((width, 1)) * 0.1
            draws[task, width] = (
                torch.from_numpy(weight1.astype(np.float32)),
                torch.from_numpy(weight2[:, 0].astype(np.float32)),
            )
    return draws


def replayed(task: str, width: int, seed: int) -> Population:
    """The published initial network; biases 0.

    Raises `UserError` for a task or width that the published study does not have.
    """
    if task not in REPLAY_ORDER or width not in PUBLISHED_WIDTHS:
        raise UserError(
            f"protocol 'published' has no network of width {width} on {task}: it has"
            f" {', '.join(PUBLISHED_ORDER)} at {', '.join(map(str, PUBLISHED_WIDTHS))};"
            " use 'described' for others"
        )
    weight1, weight2 = published_draws(seed)[task, width]
    return Population(weight1, torch.zeros(width), weight2, torch.zeros(1), owners([width]))


def drawn(protocol: Protocol, dataset: str, task: str, width: int, seed: int) -> Population:
    """An initial network from its own name: normal with biases 0, or PyTorch's uniform.

    The uniform bound is 1 / sqrt(fan-in) for weights and biases (torch.nn.Linear's default).
    """
    g = generator(dataset, task, "initial", width, seed)
    if width == 0:
        return logistic_regression(protocol, g)
    if protocol.initial == "normal":
        weight1 = torch.randn(FEATURES, width, generator=g) * protocol.scale
        weight2 = torch.randn(width, generator=g) * protocol.scale
        return Population(weight1, torch.zeros(width), weight2, torch.zeros(1), owners([width]))
    bound1, bound2 = protocol.scale / FEATURES**0.5, protocol.scale / width**0.5
    weight1 = torch.rand(FEATURES, width, generator=g).mul_(2).sub_(1) * bound1
    bias1 = torch.rand(width, generator=g).mul_(2).sub_(1) * bound1
    weight2 = torch.rand(width, generator=g).mul_(2).sub_(1) * bound2
    bias2 = torch.rand(1, generator=g).mul_(2).sub_(1) * bound2
    return Population(weight1, bias1, weight2, bias2, owners([width]))


def logistic_regression(protocol: Protocol, g: torch.Generator) -> Population:
    """Width 0: a linear function, held as two mirrored units, for relu(z) - relu(-z) = z."""
    if protocol.initial == "normal":
        weight = torch.randn(FEATURES, 1, generator=g)
    else:
        weight = torch.rand(FEATURES, 1, generator=g).mul_(2).sub_(1) / FEATURES**0.5
    pair = torch.tensor([1.0, -1.0])
    weight1 = weight * protocol.scale * pair
    linear = torch.tensor([True])
    return Population(weight1, torch.zeros(2), pair, torch.zeros(1), owners([2]), linear)


def initial(
    protocol: Protocol, dataset: str, task: str, widths: list[int], seed: int
) -> Population:
    """The initial population of these widths; each network depends on its own name only.

    Width 0 is logistic regression. Raises `UserError` for a task that is no pair, a width below 0,
    or one that cannot be replayed.
    """
    digits(task)
    for width in widths:
        if width < 0:
            raise UserError(
                f"width {width} is not allowed: give a number of units, 0 for logistic regression"
            )
    if protocol.initial == "replayed":
        return stack([replayed(task, width, seed) for width in widths])
    return stack([drawn(protocol, dataset, task, width, seed) for width in widths])
