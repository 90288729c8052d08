"""Which rows withstand every perturbation: bounds certify, attacks break, branching decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population
from lib.robustness.adversary.attacks import RESTARTS, fgsm, pgd, withstood
from lib.robustness.adversary.bounds import SLACK, margin_bounds, problems
from lib.robustness.adversary.branching import BROKEN, NODES, ROBUST, decide
from lib.robustness.adversary.regions import around, each_of
from lib.tasks import Rows


class Unsound(AssertionError):
    """An attack has beaten a certificate: one of the two is wrong."""


@dataclass(frozen=True)
class Outcomes:
    """What was found of each row, bool (networks, epsilons, rows).

    certified: the bounds alone show that no image within epsilon is misclassified. attacked: no
    attack found one. robust: shown, by bounds or branching, that there is none. undecided: neither
    shown nor refuted. certified <= robust <= robust or undecided <= attacked.
    """

    certified: Tensor
    attacked: Tensor
    robust: Tensor
    undecided: Tensor


def outcomes(
    networks: Population,
    rows: Rows,
    epsilons: Sequence[float],
    generator: torch.Generator,
    nodes: int = NODES,
) -> Outcomes:
    """Robustness in L-infinity, within [0, 1], at rising epsilons; `generator` is the attack's.

    A row that is misclassified as it is, is broken at every epsilon. What is broken at one epsilon
    is so at a larger one, and what is certified, at a smaller one. Raises `UserError` where the
    epsilons do not rise, and `Unsound` where an attack breaks what is certified.
    """
    if list(epsilons) != sorted(set(epsilons)):
        raise UserError(f"epsilons {list(epsilons)}: give them rising")
    regions = [around(rows.images, epsilon) for epsilon in epsilons]
    bounds = torch.stack([margin_bounds(networks, rows, region) for region in regions], dim=1)
    certified = backwards(bounds > SLACK)
    attacked = attack(networks, rows, epsilons, generator)
    check(certified, attacked)
    robust, broken = certified.clone(), ~attacked
    for place, region in enumerate(regions):
        if place:
            broken[:, place] |= broken[:, place - 1]
        for k, (network, one) in enumerate(
            zip(each_of(networks), problems(networks, rows, region), strict=True)
        ):
            left = (~robust[k, place] & ~broken[k, place]).nonzero().flatten()
            found = decide(one.take(left), network, rows.take(left), nodes)
            robust[k, place, left] = found == ROBUST
            broken[k, place, left] = found == BROKEN
    robust = backwards(robust)
    check(robust, ~broken)
    return Outcomes(certified, attacked, robust, ~robust & ~broken)


def attack(
    networks: Population, rows: Rows, epsilons: Sequence[float], generator: torch.Generator
) -> Tensor:
    """Which rows are right, and stay so under both attacks: bool (networks, epsilons, rows)."""
    clean = rows.images.expand(len(networks), *rows.images.shape)
    found, still = [], withstood(networks, clean, rows.labels)
    for epsilon in epsilons:
        for images in (
            fgsm(networks, rows, epsilon),
            pgd(networks, rows, epsilon, restarts=RESTARTS, generator=generator),
        ):
            still = still & withstood(networks, images, rows.labels)
        found.append(still)
    return torch.stack(found, dim=1)


def backwards(shown: Tensor) -> Tensor:
    """What is shown at an epsilon, or at a larger one: bool (networks, epsilons, rows)."""
    return shown.flip(1).long().cumsum(1).flip(1) > 0


def check(certified: Tensor, withstood: Tensor) -> None:
    """Raise `Unsound` where a row that is certified was broken."""
    if beaten := int((certified & ~withstood).sum()):
        raise Unsound(f"{beaten} certified rows were broken by an attack")
