"""Training a population by a protocol, with its learning curves."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from lib.layers import Layers, Masks, MiniBatch, optimiser_of, recorded, refuse_mirrored
from lib.population import Population, blocks
from lib.protocols import Protocol
from lib.tasks import Rows, Split

Curves = dict[str, Tensor]
"""Learning curves by name, each (epochs, networks), NaN where a network had stopped.

Full-batch curves begin before the first step, mini-batch ones after the first epoch.
"""


def known(scores: Tensor, logits: Tensor) -> Tensor:
    """Scores of each network, (networks,), NaN where one of its logits is not finite.

    A comparison with NaN is false, so that a score would make a network of it that always names
    the same class.
    """
    return scores + (logits * 0).sum(1).to(scores.dtype)


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """Which rows each network classifies rightly, bool (networks, rows); none by a logit of NaN."""
    return ((logits >= 0) == labels.bool()) & logits.isfinite()


def f1(logits: Tensor, labels: Tensor) -> Tensor:
    """F1 of each network, (networks,), from logits (networks, rows); a logit >= 0 is class 1.

    0 where a network predicts class 1 on no row, as in scikit-learn's `f1_score`, also where no row
    is of it. NaN as `known` has it.
    """
    positive = (logits >= 0).to(logits.dtype)
    either = positive.sum(1) + labels.sum()
    return known(2 * (positive @ labels) / either.clamp(min=1), logits)


def logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean logistic loss of each network, (networks,), from logits (networks, rows).

    Exact to rounding however small or large it is, for nothing is taken from anything. NaN as
    `known` has it.
    """
    return known(softplus(logits * (1 - 2 * labels)).mean(1), logits)


def auc(logits: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve of each network, (networks,), from logits (networks, rows).

    By the rank sum of class 1 (Hanley & McNeil 1982), ties counted half: the mean of the sums with
    class 1 behind and before its equals. The class takes the place of a logit's last bit, so that
    logits which differ in nothing else are equal too. NaN as `known` has it.
    """
    bits = (logits.float() + 0.0).view(torch.int32)  # -0 becomes 0
    keys = bits.bitwise_xor((bits >> 31) & 0x7FFFFFFF) & -2  # in the order of the logits
    label = labels.to(torch.int32)
    places = (ascending(keys | label) & 1) + (~ascending(keys | 1 - label) & 1)
    ranks = torch.arange(1, len(labels) + 1, dtype=torch.float64, device=labels.device)
    ones = labels.sum(dtype=torch.float64)
    above = places.double() @ ranks / 2 - ones * (ones + 1) / 2
    return known(above / (ones * (len(labels) - ones)), logits)


def ascending(keys: Tensor) -> Tensor:
    """Each row sorted; by NumPy on a processor, whose sort is vectorised."""
    if keys.is_cuda:
        return keys.sort(1).values
    return torch.from_numpy(np.sort(keys.numpy(), axis=1))


def score(logits: Tensor, labels: Tensor, part: str) -> Curves:
    """One point of the curves: loss, F1 and AUC of each network on one part of the split."""
    return {
        f"loss_{part}": logistic_loss(logits, labels),
        f"f1_{part}": f1(logits, labels),
        f"auc_{part}": auc(logits, labels).to(logits.dtype),
    }


def kept(point: Curves) -> Curves:
    """A point of the curves that no later step overwrites."""
    return {name: values.clone() for name, values in point.items()}


def joined(points: list[Curves]) -> Curves:
    """The points of an epoch each as curves."""
    return {name: torch.stack([point[name] for point in points]) for name in points[0]}


def train_full_batch(layers: Layers, rows: Rows, protocol: Protocol) -> Curves:
    """All rows a step, `protocol.epochs` steps; the scores on those rows before each and after."""
    inputs = layers.inputs(rows.images)
    optimiser = optimiser_of(protocol, layers)

    def work() -> Curves:
        parts = zip(blocks(inputs), blocks(rows.labels), strict=True)
        logits = torch.cat([layers.accumulate(x, y, len(rows)) for x, y in parts], dim=1)
        layers.step(optimiser)
        return score(logits, rows.labels, "train")

    step = recorded(work, layers, optimiser)
    points = [kept(step()) for _ in range(protocol.epochs)]
    points.append(score(layers.logits(inputs), rows.labels, "train"))
    return joined(points)


def train_mini_batch(
    layers: Layers, split: Split, protocol: Protocol, order: torch.Generator
) -> Curves:
    """Mini-batches to a plateau of each network's validation loss; each keeps its best weights.

    `order` draws the order of the rows, the same for all networks of the population. Curves are
    the scores of an epoch's batches as they were met, and of the held-out rows after it. A network
    has stopped when its validation loss has not fallen for `protocol.patience` epochs.
    """
    train, held_out = layers.inputs(split.train.images), layers.inputs(split.held_out.images)
    optimiser = optimiser_of(protocol, layers)
    plateau = Plateau(layers, protocol.patience or protocol.epochs)
    step = MiniBatch(layers, optimiser, train, split.train.labels)
    points: list[Curves] = []
    while len(points) < protocol.epochs and plateau.training.any():
        met = []
        row_order = torch.randperm(len(train), generator=order).to(train.device)
        for index in row_order.split(protocol.batch or len(train)):
            met.append(step(index))
        point = score(torch.cat(met, dim=1), split.train.labels[row_order], "train")
        point |= score(layers.logits(held_out), split.held_out.labels, "val")
        points.append(plateau.record(point))
        if plateau.worth_shrinking():
            plateau.shrink(optimiser)
            step.recorded.clear()
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
            kept[mask] = now[mask[here]]
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
                name: value[mask] if value.dim() else value for name, value in state.items()
            }
        optimiser.param_groups[0]["params"] = self.layers.trained()
        self.present = self.training

    def restore(self) -> None:
        """Put the kept weights of all networks back into the layers."""
        weight1, weight2, bias2 = self.kept
        self.layers.hold(weight1, weight2, bias2, self.member)


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
    if masks is not None:
        refuse_mirrored(population)
        population = population.masked(masks.layer1, masks.layer2)
    layers = Layers(population, split.lit, masks)
    if protocol.batch is None:
        curves = train_full_batch(layers, split.train, protocol)
    else:
        curves = train_mini_batch(layers, split, protocol, order)
    weight1 = population.weight1.clone()
    weight1[split.lit] = layers.weight1[:, :-1].T
    bias1 = layers.weight1[:, -1].clone()
    return Population(weight1, bias1, layers.weight2, layers.bias2, population.owner), curves
