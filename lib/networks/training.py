"""Training a population by a protocol, with its learning curves."""

from collections.abc import Collection, Container, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from lib.networks.layers import (
    Layers,
    Masks,
    MiniBatch,
    optimiser_of,
    recorded,
    refuse_linear,
    set_rate,
)
from lib.networks.population import Population, blocks
from lib.networks.protocols import Protocol
from lib.networks.scores import logistic_loss, scores
from lib.tasks import Rows, Split

Curves = dict[str, Tensor]
"""Learning curves by name, each (points, networks): the loss and every score on a part's rows."""

EVERY = 100
"""Mini-batch steps from one point of the curves to the next."""


def points(protocol: Protocol) -> list[int]:
    """How many steps the networks had taken at each point of their curves.

    In full batches before each step and after the last; in mini-batches after every `EVERY` steps,
    and after the last.
    """
    if protocol.batch is None:
        return list(range(protocol.steps + 1))
    return [*range(EVERY, protocol.steps, EVERY), protocol.steps]


def point(logits: Tensor, labels: Tensor, part: str) -> Curves:
    """One point of the curves: loss and scores of each network on one part of the split."""
    values = {"loss": logistic_loss(logits, labels), **scores(logits, labels)}
    return {f"{name}_{part}": value for name, value in values.items()}


def copied(found: Curves) -> Curves:
    """A point of the curves that no later step overwrites."""
    return {name: values.clone() for name, values in found.items()}


def as_curves(found: list[Curves]) -> Curves:
    """Points as curves."""
    return {name: torch.stack([each[name] for each in found]) for name in found[0]}


def full_batches(
    layers: Layers, rows: Rows, protocol: Protocol, stops: Container[int]
) -> Iterator[tuple[int, Curves]]:
    """All rows a step; at each stop its steps, and the scores on those rows before each of them.

    And after the last.
    """
    inputs = layers.inputs(rows.images)
    optimiser = optimiser_of(protocol, layers)

    def work() -> Curves:
        parts = zip(blocks(inputs), blocks(rows.labels), strict=True)
        logits = torch.cat([layers.accumulate(x, y, len(rows)) for x, y in parts], dim=1)
        layers.step(optimiser)
        return point(logits, rows.labels, "train")

    step = recorded(work, layers, optimiser)
    found: list[Curves] = []
    for number, rate in enumerate([*protocol.learning_rates, None]):
        if number in stops:
            yield number, as_curves([*found, point(layers.logits(inputs), rows.labels, "train")])
        if rate is not None:
            set_rate(optimiser, rate)
            found.append(copied(step()))


def mini_batches(
    layers: Layers, split: Split, protocol: Protocol, order: torch.Generator
) -> Iterator[tuple[int, Curves]]:
    """Some rows a step, in an order that `order` draws, the same for all networks; to the end.

    Curves are the scores of the batches since the last point as they were met, and of the held-out
    rows after them, which nothing is chosen by.
    """
    train, held_out = layers.inputs(split.train.images), layers.inputs(split.held_out.images)
    optimiser = optimiser_of(protocol, layers)
    step = MiniBatch(layers, optimiser, train, split.train.labels)
    met: list[tuple[Tensor, Tensor]] = []
    found: list[Curves] = []
    ends = set(points(protocol))
    drawn = batches(split.train, protocol.batch or len(train), order)
    for number, (rate, index) in enumerate(zip(protocol.learning_rates, drawn, strict=False), 1):
        set_rate(optimiser, rate)
        met.append((step(index), split.train.labels[index]))
        if number in ends:
            logits, labels = (torch.cat(each, dim=-1) for each in zip(*met, strict=True))
            found.append(
                point(logits, labels, "train")
                | point(layers.logits(held_out), split.held_out.labels, "val")
            )
            met.clear()
    yield protocol.steps, as_curves(found)


def batches(rows: Rows, size: int, order: torch.Generator) -> Iterator[Tensor]:
    """The places of the rows of one batch after another, epoch after epoch without an end.

    An epoch meets every row once; its last batch has what is left.
    """
    while True:
        yield from torch.randperm(len(rows), generator=order).to(rows.labels.device).split(size)


def train(
    population: Population,
    split: Split,
    protocol: Protocol,
    order: torch.Generator,
    masks: Masks | None = None,
) -> tuple[Population, Curves]:
    """Train a population on one split by one protocol; the trained networks and their curves.

    Weights of unlit pixels stay what they were. `order` draws the order of the rows where the
    protocol has mini-batches. Weights outside `masks` are 0 from the first step on and stay 0.
    Raises `UserError` for masks of a network of width 0.
    """
    [(_, networks, curves)] = passing(population, split, protocol, order, masks)
    return networks, curves


def passing(
    population: Population,
    split: Split,
    protocol: Protocol,
    order: torch.Generator,
    masks: Masks | None = None,
    stops: Collection[int] = (),
) -> Iterator[tuple[int, Population, Curves]]:
    """As `train`; also what the networks are after each number of steps in `stops`, on the way.

    Only full batches stop before the protocol's last step. Yields steps, networks, curves.
    """
    if masks is not None:
        refuse_linear(population)
        population = population.masked(masks.layer1, masks.layer2)
    layers = Layers(population, split.lit, masks)
    if protocol.batch is None:
        reached = full_batches(layers, split.train, protocol, {*stops, protocol.steps})
    else:
        reached = mini_batches(layers, split, protocol, order)
    for steps, curves in reached:
        weight1 = population.weight1.clone()
        weight1[split.lit] = layers.weight1[:, :-1].T
        trained = {
            "weight1": weight1,
            "bias1": layers.weight1[:, -1].clone(),
            "weight2": layers.weight2.clone(),
            "bias2": layers.bias2.clone(),
        }
        yield steps, replace(population, **trained), curves
