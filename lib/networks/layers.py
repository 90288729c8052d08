"""The tensors that are trained, their gradients in closed form, and a step of the optimiser.

The gradient of every network's mean logistic loss is written out, so that a step is two large
products (weights by images, residuals by images), a small one with the readout, a ReLU and its
mask. The second layer's gradient takes none: a ReLU unit's output is its weights times its inputs
where it is active and 0 elsewhere, so weight2 . d/dweight2 = weight1 . d/dweight1 in each unit (Du,
Hu & Lee 2018), and the sum behind the one gives the other. A pixel that is 0 in every training row
has a gradient of exactly 0: such pixels are left out of the products, and their weights stay what
they were. Units come first in every tensor and rows last, in which order no product has to turn a
matrix around.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population, blocks, finite
from lib.networks.products import product
from lib.networks.protocols import Protocol

Result = TypeVar("Result")


@dataclass(frozen=True)
class Masks:
    """Which weights stay: layer1 bool (features, units), layer2 bool (units,)."""

    layer1: Tensor
    layer2: Tensor


class Layers:
    """The trained tensors of a population, over lit pixels only, and their gradients.

    weight1: (units, lit pixels + 1), the hidden bias as its last column; weight2: (units,); bias2:
    (networks,); member: (networks, units), 1 where a unit belongs to a network; readout: weight2
    in that shape; owner: int64 (units,), the network of each unit; linear: the first unit of each
    network of width 0; masks: of weight1 and weight2 in their shapes, 1 and 0, or none.
    """

    def __init__(self, population: Population, lit: Tensor, masks: Masks | None = None) -> None:
        self.lit = lit
        self.masks = [mask.to(population.weight1.dtype) for mask in turned(masks, lit)]
        self.weight1 = torch.cat([population.weight1[lit], population.bias1[None]]).T.contiguous()
        self.weight2, self.bias2 = population.weight2.clone(), population.bias2.clone()
        self.member, self.owner = members(population), population.owner
        self.contain()
        self.readout = self.member * self.weight2
        self.linear = torch.searchsorted(population.owner, population.linear.nonzero()[:, 0])
        self.sums: list[Tensor] = []

    def trained(self) -> list[Tensor]:
        """What an optimiser steps."""
        return [self.weight1, self.weight2, self.bias2]

    def inputs(self, images: Tensor) -> Tensor:
        """Images (rows, pixels) as (rows, lit pixels + 1), with the constant that carries bias1."""
        columns = torch.cat([self.lit.nonzero()[:, 0], self.lit.new_zeros(1, dtype=torch.int64)])
        inputs = torch.index_select(images, 1, columns)
        inputs[:, -1] = 1
        return inputs

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden activations (units, rows) and logits (networks, rows) of `inputs`."""
        hidden = product(self.weight1, inputs, relu=True)
        return hidden, product(self.readout, hidden.T).add_(self.bias2[:, None])

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits (networks, rows) of `inputs`, a block of rows at a time."""
        return torch.cat([self.forward(block)[1] for block in blocks(inputs)], dim=1)

    def accumulate(self, inputs: Tensor, labels: Tensor, rows: int) -> Tensor:
        """Add these rows' share of the gradient of a mean over `rows`; return their logits.

        What is summed is the residual of a row times its inputs where the unit is active, and the
        residual itself: `gradients` makes the rest of it.
        """
        hidden, logits = self.forward(inputs)
        residual = logits.sigmoid().sub_(labels).mul_(1 / rows)
        active = residual.index_select(0, self.owner)
        torch.ops.aten.threshold_backward.grad_input(active, hidden, 0, grad_input=active)
        shares = [product(active, inputs.T), residual.sum(1)]
        for whole, share in zip(self.sums, shares, strict=False):
            whole.add_(share)
        self.sums = self.sums or shares
        return logits

    def gradients(self) -> list[Tensor]:
        """The gradients of weight1, weight2 and bias2 by all rows added; the sums begin anew."""
        (inputs, residuals), self.sums = self.sums, []
        gradient2 = torch.linalg.vecdot(self.weight1, inputs)
        return [inputs.mul_(self.weight2[:, None]), gradient2, residuals]

    def step(self, optimiser: torch.optim.Optimizer) -> None:
        """One step of the optimiser by the gradients, which begin anew after it.

        A weight outside the masks is 0 and has a gradient of 0, so that with either optimiser its
        moments are 0 too, and it stays 0 exactly.
        """
        gradients = self.gradients()
        if len(self.linear):
            self.mirror(*gradients[:2])
        for gradient, mask in zip(gradients, self.masks, strict=False):
            gradient.mul_(mask)
        for tensor, gradient in zip(self.trained(), gradients, strict=True):
            tensor.grad = gradient
        stepped(optimiser)
        if isinstance(optimiser, torch.optim.SGD):  # the steps of Adam are as small as its rate
            self.contain()
        torch.mul(self.member, self.weight2, out=self.readout)

    def contain(self) -> None:
        """Leave a network that is not finite a NaN in bias2 alone; its other weights become 0.

        So all its logits are NaN from here on, which the products' ReLU would make 0, and nothing
        of it reaches other networks, which it would as 0 x NaN in the product with the readout.
        """
        lost = ~finite(self.weight1, self.weight2, self.bias2, self.owner)
        units = lost[self.owner]
        self.weight1.masked_fill_(units[:, None], 0)
        self.weight2.masked_fill_(units, 0)
        self.bias2.masked_fill_(lost, torch.nan)

    def mirror(self, gradient1: Tensor, gradient2: Tensor) -> None:
        """Give mirrored units the gradients of the linear function that they are together.

        Its weights move in opposite ways; its constant is bias2 alone, and its weight2 stay. No
        number is assigned: a CUDA graph cannot hold the copy from the processor that this takes.
        """
        whole = gradient1[self.linear] - gradient1[self.linear + 1]
        whole[:, -1].zero_()
        gradient1[self.linear], gradient1[self.linear + 1] = whole, -whole
        for units in (self.linear, self.linear + 1):
            gradient2.index_fill_(0, units, 0)


def members(population: Population) -> Tensor:
    """Which network each unit belongs to: (networks, units), 1 at the owner and 0 elsewhere."""
    return replace(population, weight2=torch.ones_like(population.weight2)).readout


def turned(masks: Masks | None, lit: Tensor) -> list[Tensor]:
    """Masks in the shapes of the layers' weight1 and weight2; the hidden bias always stays."""
    if masks is None:
        return []
    bias = torch.ones_like(masks.layer2)[None]
    return [torch.cat([masks.layer1[lit], bias]).T.contiguous(), masks.layer2]


def refuse_linear(population: Population) -> None:
    """Raise `UserError` where a network is of width 0: one linear function, not two units."""
    if population.linear.any():
        raise UserError(
            "a network of width 0 (logistic regression, held as two mirrored units) cannot be"
            " pruned: give networks of width 1 or more"
        )


def optimiser_of(protocol: Protocol, layers: Layers) -> torch.optim.Optimizer:
    """PyTorch's own optimiser over the layers; `set_rate` gives it the rate of each step.

    On a GPU the rate is a tensor: a graph would keep a number for good.
    """
    on_gpu = layers.weight1.is_cuda
    rate: Any = protocol.learning_rate
    if on_gpu:
        rate = torch.tensor(rate, device=layers.weight1.device)
    if protocol.optimiser == "sgd":
        return torch.optim.SGD(layers.trained(), lr=rate, fused=True)
    return torch.optim.Adam(layers.trained(), lr=rate, fused=True, capturable=on_gpu)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the steps that follow."""
    [group] = optimiser.param_groups
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def stepped(optimiser: torch.optim.Optimizer) -> None:
    """`optimiser.step()`, to the bit, without what it looks up anew at each step.

    With Adam on a processor that is nearly half of its time, for tensors as small as these. Its
    first step, which makes the moments, is its own.
    """
    [group] = optimiser.param_groups
    tensors = group["params"]
    states = [optimiser.state[tensor] for tensor in tensors]
    if not isinstance(optimiser, torch.optim.Adam) or tensors[0].is_cuda or not all(states):
        optimiser.step()
        return
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, 1)
    torch._fused_adam_(
        tensors,
        [tensor.grad for tensor in tensors],
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )


def recorded(
    work: Callable[[], Result], layers: Layers, optimiser: torch.optim.Optimizer
) -> Callable[[], Result]:
    """`work`, which steps the layers, as a CUDA graph: launched as one and not kernel by kernel.

    What it returns is overwritten by the next call. Recording leaves layers and optimiser as they
    were. On a processor it is `work` itself.
    """
    if not layers.weight1.is_cuda:
        return work
    weights = [tensor.clone() for tensor in layers.trained()]
    moments = copy.deepcopy(list(optimiser.state.values()))
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        work()  # a graph must not meet what is only set up at the first call
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    for now, before in zip(layers.trained(), weights, strict=True):
        now.copy_(before)
    torch.mul(layers.member, layers.weight2, out=layers.readout)
    for place, state in enumerate(optimiser.state.values()):
        for name, value in state.items():
            if isinstance(value, Tensor):
                value.copy_(moments[place][name]) if moments else value.zero_()

    def replay() -> Result:
        graph.replay()
        return result

    return replay


class MiniBatch:
    """A step on some rows, recorded once for each number of them."""

    def __init__(
        self, layers: Layers, optimiser: torch.optim.Optimizer, inputs: Tensor, labels: Tensor
    ) -> None:
        self.layers, self.optimiser, self.inputs, self.labels = layers, optimiser, inputs, labels
        self.recorded: dict[int, tuple[Tensor, Callable[[], Tensor]]] = {}

    def __call__(self, index: Tensor) -> Tensor:
        """Step on the rows at `index`; their logits, (networks, rows), from before the step."""
        if not index.is_cuda:
            return self.on(index)
        if len(index) not in self.recorded:
            place = index.clone()
            self.recorded[len(index)] = (
                place,
                recorded(lambda: self.on(place), self.layers, self.optimiser),
            )
        place, step = self.recorded[len(index)]
        place.copy_(index)
        return step().clone()

    def on(self, index: Tensor) -> Tensor:
        """The step itself."""
        inputs = torch.index_select(self.inputs, 0, index)
        logits = self.layers.accumulate(inputs, self.labels[index], len(index))
        self.layers.step(self.optimiser)
        return logits
