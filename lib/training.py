"""Training a population: gradients in closed form, a few matrix products a step.

The gradient of every network's mean logistic loss is written out, so that a step is two large
products (images by weights, images by residuals), two small ones with the readout, a ReLU and its
mask. A pixel that is 0 in every training row has a gradient of exactly 0: such pixels are left out
of the products, and their weights stay what they were.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lib.population import Population, blocks
from lib.protocols import Protocol
from lib.tasks import Rows, Split

Curves = dict[str, Tensor]
"""Learning curves by name, each (epochs, networks), NaN where a network had stopped.

Full-batch curves begin before the first step, mini-batch ones after the first epoch.
"""


def f1(logits: Tensor, labels: Tensor) -> Tensor:
    """F1 of each network, (networks,), from logits (networks, rows); a logit >= 0 is class 1.

    0 where a network predicts class 1 on no row, as in scikit-learn's `f1_score`.
    """
    positive = (logits >= 0).to(logits.dtype)
    return 2 * (positive @ labels) / (positive.sum(1) + labels.sum())


def logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean logistic loss of each network, (networks,), from logits (networks, rows)."""
    return softplus(logits).mean(1) - logits @ labels / len(labels)


class Layers:
    """The trained tensors of a population, over lit pixels only, and their gradients.

    weight1: (lit pixels + 1, units), the hidden bias as its last row; weight2: (units,); bias2:
    (networks,); member: (networks, units), 1 where a unit belongs to a network; readout: weight2
    in that shape.
    """

    def __init__(self, population: Population, lit: Tensor) -> None:
        self.lit = lit
        self.hold(
            torch.cat([population.weight1[lit], population.bias1[None]]),
            population.weight2.clone(),
            population.bias2.clone(),
            replace(population, weight2=torch.ones_like(population.weight2)).readout,
        )

    def hold(self, weight1: Tensor, weight2: Tensor, bias2: Tensor, member: Tensor) -> None:
        """Take these tensors for the layers; their gradients begin at 0."""
        self.weight1, self.weight2, self.bias2, self.member = weight1, weight2, bias2, member
        self.readout = member * weight2
        self.gradients = [torch.zeros_like(tensor) for tensor in self.trained()]
        for tensor, gradient in zip(self.trained(), self.gradients, strict=True):
            tensor.grad = gradient
        self.buffers: dict[str, Tensor] = {}

    def keep(self, networks: Tensor, units: Tensor) -> None:
        """Go on with some networks and their units only, both bool masks."""
        self.hold(
            self.weight1[:, units].contiguous(),
            self.weight2[units],
            self.bias2[networks],
            self.member[networks][:, units].contiguous(),
        )

    def trained(self) -> list[Tensor]:
        """What an optimiser steps."""
        return [self.weight1, self.weight2, self.bias2]

    def inputs(self, images: Tensor) -> Tensor:
        """Images (rows, pixels) as (rows, lit pixels + 1), with the constant that carries bias1."""
        return torch.cat([images[:, self.lit], images.new_ones(len(images), 1)], dim=1)

    def buffer(self, name: str, rows: int, columns: int) -> Tensor:
        """Memory that is kept from step to step: fresh pages cost more than a ReLU."""
        if name not in self.buffers or len(self.buffers[name]) < rows:
            self.buffers[name] = self.weight1.new_empty(rows, columns)
        return self.buffers[name][:rows]

    def chosen(self, inputs: Tensor, index: Tensor) -> Tensor:
        """The rows of `inputs` at `index`, until the next call."""
        out = self.buffer("inputs", len(index), inputs.shape[1])
        return torch.index_select(inputs, 0, index, out=out)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden activations (rows, units), until the next call, and logits (networks, rows)."""
        out = self.buffer("hidden", len(inputs), len(self.weight2))
        hidden = torch.mm(inputs, self.weight1, out=out).relu_()
        return hidden, torch.addmm(self.bias2[:, None], self.readout, hidden.T)

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits (networks, rows) of `inputs`, a block of rows at a time."""
        return torch.cat([self.forward(block)[1] for block in blocks(inputs)], dim=1)

    def accumulate(self, inputs: Tensor, labels: Tensor, rows: int) -> Tensor:
        """Add these rows' share of the gradient of a mean over `rows`; return their logits."""
        hidden, logits = self.forward(inputs)
        gradient1, gradient2, gradient_bias = self.gradients
        residual = logits.sigmoid().sub_(labels).mul_(1 / rows)
        gradient_bias.add_(residual.sum(1))
        gradient2.add_((residual @ hidden).mul_(self.member).sum(0))
        back = self.buffer("back", len(inputs), len(self.weight2))
        torch.mm(residual.T, self.readout, out=back)
        torch.ops.aten.threshold_backward.grad_input(back, hidden, 0, grad_input=back)
        gradient1.addmm_(inputs.T, back)
        return logits

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """One step of the optimiser; the gradients are 0 again after it."""
        optimiser.step()
        torch.mul(self.member, self.weight2, out=self.readout)
        for gradient in self.gradients:
            gradient.zero_()


def optimiser_of(protocol: Protocol, layers: Layers) -> torch.optim.Optimizer:
    """PyTorch's own optimiser over the layers."""
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[protocol.optimiser]
    return kind(layers.trained(), lr=protocol.learning_rate, fused=True)


def score(logits: Tensor, labels: Tensor, part: str) -> Curves:
    """One point of the curves: loss and F1 of each network on one part of the split."""
    return {f"loss_{part}": logistic_loss(logits, labels), f"f1_{part}": f1(logits, labels)}


def joined(points: list[Curves]) -> Curves:
    """The points of an epoch each as curves."""
    return {name: torch.stack([point[name] for point in points]) for name in points[0]}


def train_full_batch(layers: Layers, rows: Rows, protocol: Protocol) -> Curves:
    """All rows a step, `protocol.epochs` steps; loss and F1 on those rows before each and after."""
    inputs = layers.inputs(rows.images)
    optimiser = optimiser_of(protocol, layers)
    points = []
    for _ in range(protocol.epochs):
        parts = zip(blocks(inputs), blocks(rows.labels), strict=True)
        logits = torch.cat([layers.accumulate(x, y, len(rows)) for x, y in parts], dim=1)
        points.append(score(logits, rows.labels, "train"))
        layers.step(optimiser)
    points.append(score(layers.logits(inputs), rows.labels, "train"))
    return joined(points)


def train_mini_batch(
    layers: Layers, split: Split, protocol: Protocol, order: torch.Generator
) -> Curves:
    """Mini-batches to a plateau of each network's validation loss; each keeps its best weights.

    `order` draws the order of the rows, the same for all networks of the population. Curves are
    loss and F1 of an epoch's batches as they were met, and of the held-out rows after it. A network
    has stopped when its validation loss has not fallen for `protocol.patience` epochs.
    """
    train, held_out = layers.inputs(split.train.images), layers.inputs(split.held_out.images)
    optimiser = optimiser_of(protocol, layers)
    plateau = Plateau(layers, protocol.patience or protocol.epochs)
    points: list[Curves] = []
    while len(points) < protocol.epochs and plateau.training.any():
        met = []
        row_order = torch.randperm(len(train), generator=order).to(train.device)
        for index in row_order.split(protocol.batch or len(train)):
            x, y = layers.chosen(train, index), split.train.labels[index]
            met.append(layers.accumulate(x, y, len(index)))
            layers.step(optimiser)
        point = score(torch.cat(met, dim=1), split.train.labels[row_order], "train")
        point |= score(layers.logits(held_out), split.held_out.labels, "val")
        points.append(plateau.record(point))
        if plateau.worth_shrinking():
            plateau.shrink(optimiser)
    plateau.restore()
    return joined(points)


class Plateau:
    """Which networks still train, and the weights of each at its lowest validation loss.

    training: bool (networks,); present: bool (networks,), those that the layers still hold; kept:
    weight1, weight2 and bias2 of all networks; age: epochs since the lowest loss.
    """

    def __init__(self, layers: Layers, patience: int) -> None:
        self.layers, self.patience = layers, patience
        self.kept = [tensor.clone() for tensor in layers.trained()]
        self.member = layers.member
        self.loss = torch.full_like(layers.bias2, torch.inf)
        self.age = torch.zeros_like(layers.bias2, dtype=torch.int64)
        self.present = torch.ones_like(self.age, dtype=torch.bool)

    @property
    def training(self) -> Tensor:
        """Networks whose lowest loss is younger than the patience."""
        return self.age < self.patience

    def units(self, networks: Tensor) -> Tensor:
        """The units of some networks, bool (units,)."""
        return self.member[networks].sum(0) > 0

    def record(self, point: Curves) -> Curves:
        """Take an epoch's scores, keep what is better, and give the scores of those that train."""
        full = {name: torch.full_like(self.loss, torch.nan) for name in point}
        for name, values in point.items():
            full[name][self.present] = values
            full[name][~self.training] = torch.nan
        better = full["loss_val"] < self.loss
        self.age = torch.where(better, 0, self.age + 1)
        self.loss = torch.where(better, full["loss_val"], self.loss)
        masks = (self.units(better), self.units(better), better)
        held = (self.units(self.present), self.units(self.present), self.present)
        for kept, now, mask, here in zip(
            self.kept, self.layers.trained(), masks, held, strict=True
        ):
            kept[..., mask] = now[..., mask[here]]
        return full

    def worth_shrinking(self) -> bool:
        """Whether less than two thirds of the units that are still stepped are of use."""
        useful, stepped = self.units(self.training).sum(), self.units(self.present).sum()
        return bool(0 < useful < 2 / 3 * stepped)

    def shrink(self, optimiser: torch.optim.Optimizer) -> None:
        """Let go of the networks that have stopped; those that train notice nothing."""
        networks = self.training[self.present]
        units = self.units(self.training)[self.units(self.present)]
        before = self.layers.trained()
        self.layers.keep(networks, units)
        for old, new, mask in zip(
            before, self.layers.trained(), (units, units, networks), strict=True
        ):
            state = optimiser.state.pop(old)
            optimiser.state[new] = {
                name: value[..., mask].contiguous() if value.dim() else value
                for name, value in state.items()
            }
        optimiser.param_groups[0]["params"] = self.layers.trained()
        self.present = self.training

    def restore(self) -> None:
        """Put the kept weights of all networks back into the layers."""
        weight1, weight2, bias2 = self.kept
        self.layers.hold(weight1, weight2, bias2, self.member)


def train(
    population: Population, split: Split, protocol: Protocol, order: torch.Generator
) -> tuple[Population, Curves]:
    """Train a population on one split by one protocol; the trained networks and their curves.

    Weights of unlit pixels stay what they were. `order` draws the order of the rows where the
    protocol has mini-batches.
    """
    layers = Layers(population, split.lit)
    if protocol.batch is None:
        curves = train_full_batch(layers, split.train, protocol)
    else:
        curves = train_mini_batch(layers, split, protocol, order)
    weight1 = population.weight1.clone()
    weight1[split.lit] = layers.weight1[:-1]
    return (
        Population(weight1, layers.weight1[-1], layers.weight2, layers.bias2, population.owner),
        curves,
    )
