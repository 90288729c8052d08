"""When weights go, and what is trained after: the regimes beside pruning in one shot.

Pruning in one shot is `lib.pruning.prune` of trained networks. Pruning at the start (SNIP, SynFlow,
random masks) and every control is `train_masked` on masks from some initial networks. Each training
meets the rows in the same order, the one that `order` has ready: what a network becomes does not
depend on its company.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log

import torch

from lib.errors import unknown
from lib.networks.layers import Masks, refuse_linear
from lib.networks.population import Population
from lib.networks.protocols import Protocol
from lib.networks.training import train
from lib.pruning.masking import STUDIED, Criterion, apply, masks, ranked, whole
from lib.pruning.scoring import METHODS, method_of, scores
from lib.pruning.sizes import by_network
from lib.tasks import Split


@dataclass(frozen=True)
class Round:
    """The networks of one round of iterative pruning, and the masks on which they were trained."""

    sparsity: float
    kept: Masks
    networks: Population


def schedule(rounds: int, share: float = 0.2) -> list[float]:
    """The sparsity after each round, where each takes `share` of what is left: 1 - (1 - share)^k.

    To six decimals, as tables hold it. 14 rounds of a fifth go past 0.95, 21 past 0.99.
    """
    return [round(1 - (1 - share) ** step, 6) for step in range(1, rounds + 1)]


def through(levels: Sequence[float], share: float = 0.2) -> list[float]:
    """The sparsity after each round, where rounds meet each of the rising `levels`.

    From one level to the next they take equal shares of what is left, each about `share`.
    """
    found: list[float] = []
    left = 1.0
    for level in levels:
        rounds = max(1, round(log((1 - level) / left) / log(1 - share)))
        step = ((1 - level) / left) ** (1 / rounds)
        found += [round(1 - left * step**each, 6) for each in range(1, rounds)] + [level]
        left = 1 - level
    return found


def train_masked(
    initial: Population, kept: Masks, split: Split, protocol: Protocol, order: torch.Generator
) -> Population:
    """Networks trained on masks from these initial weights.

    A unit whose output is pruned has a gradient of exactly 0 and stays what it was, so such units
    stay outside: of a network pruned by layer to 95 %, nineteen in twenty.
    """
    refuse_linear(initial)
    begin = apply(initial, kept)
    lost = by_network(initial, kept.layer2) == 0  # such a network is no smaller for it
    heard = kept.layer2 | lost[initial.owner]
    part = replace(
        begin,
        weight1=begin.weight1[:, heard],
        bias1=begin.bias1[heard],
        weight2=begin.weight2[heard],
        owner=begin.owner[heard],
    )
    on = Masks(kept.layer1[:, heard], kept.layer2[heard])
    end, _ = train(part, split, protocol, order.clone_state(), on)
    weight1, bias1, weight2 = (each.clone() for each in (begin.weight1, begin.bias1, begin.weight2))
    weight1[:, heard], bias1[heard], weight2[heard] = end.weight1, end.bias1, end.weight2
    return replace(begin, weight1=weight1, bias1=bias1, weight2=weight2, bias2=end.bias2)


def fine_tune(
    networks: Population,
    kept: Masks,
    split: Split,
    protocol: Protocol,
    order: torch.Generator,
    steps: int,
) -> Population:
    """Trained networks, pruned to the masks in one shot, and trained on them for more steps.

    The protocol's schedule holds here too: one cycle is as long as these steps.
    """
    return train_masked(networks, kept, split, replace(protocol, steps=steps), order)


def rewind(
    initial: Population,
    dense: Population,
    split: Split,
    protocol: Protocol,
    order: torch.Generator,
    sparsities: Sequence[float],
    criterion: Criterion = STUDIED,
) -> Iterator[Round]:
    """Iterative pruning with rewinding (Frankle & Carbin 2019), a round at a time.

    Of the trained weights keep those of the highest scores, as many as the next of the rising
    `sparsities` says (a `schedule`); set them back to their initial values; train; again. The first
    round is `dense`: the networks that came of training `initial`. All networks prune together,
    each by its own ranks; what a round took stays away. criterion: of a method that scores trained
    weights; its reading does not matter. Raises `UserError` for another method.
    """
    if method_of(criterion.method).at_start:
        others = [name for name, each in METHODS.items() if not each.at_start]
        raise unknown("method that scores trained weights", criterion.method, others)
    kept, networks = whole(initial), dense
    yield Round(0.0, kept, networks)
    for sparsity in sparsities:
        found = scores(networks, criterion.method, rows=split.train).within(kept)
        kept = masks(initial, ranked(networks, found, criterion.scope), sparsity)
        networks = train_masked(initial, kept, split, protocol, order)
        yield Round(sparsity, kept, networks)
