"""LeNet-300-100 on the ten digits, trained on masks: the network on which pruners are compared.

Layers of 300 and 100 ReLU units and ten logits (LeCun et al. 1998), in plain PyTorch. A trained
network is kept in the store under all that decides it, the weights and masks that it began from
among them, so that a run goes on where it was interrupted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lib.networks.products import product
from lib.seeds import generator
from lib.study import store
from lib.study.shard import code
from lib.tasks import datasets

SIZES = (784, 300, 100, 10)
"""The inputs, the units of both hidden layers, and the classes."""

State = dict[str, Tensor]
"""The weights and biases of a network by the names that `nn.Sequential` gives them."""

WEIGHTS = ("0.weight", "2.weight", "4.weight")
"""The weights of the three layers in a `State`, each (outputs, inputs)."""

Masks = Sequence[Tensor]
"""The weights that are kept of each layer, bool (outputs, inputs)."""


@dataclass(frozen=True)
class Recipe:
    """How a network comes to its weights: Adam for some epochs, selection on held-out rows.

    batch: rows a step. held_out: rows of the training file that select the epoch. limit: caps the
    rows of the training and of the test file, None for all.
    """

    dataset: str
    epochs: int
    batch: int
    learning_rate: float
    held_out: int
    limit: int | None = None


@dataclass(frozen=True)
class SplitRows:
    """The images of both files, float (rows, 784), their labels, and how training is divided.

    train, held_out: places in the training file.
    """

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    train: Tensor
    held_out: Tensor

    def of(self, part: str) -> tuple[Tensor, Tensor]:
        """The images and labels of "held_out" or "test"."""
        if part == "test":
            return self.images["test"], self.labels["test"]
        return self.images["train"][self.held_out], self.labels["train"][self.held_out]


@lru_cache(maxsize=1)
def rows(recipe: Recipe, seed: int) -> SplitRows:
    """The rows of a seed, which draws those that are held out."""
    data = datasets.load(recipe.dataset)
    images = {part: datasets.pixels(each[: recipe.limit]) for part, each in data.images.items()}
    labels = {part: each[: recipe.limit] for part, each in data.labels.items()}
    places = torch.randperm(
        len(labels["train"]), generator=generator(recipe.dataset, "lenet", "split", seed)
    )
    return SplitRows(images, labels, places[recipe.held_out :], places[: recipe.held_out])


class Affine(torch.autograd.Function):
    """x @ weight.T + bias and its gradients by the routine of `lib.networks.products`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(rows, outputs) of x (rows, inputs), weight (outputs, inputs) and bias (outputs,)."""
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """The gradients of x, where it has one, of weight and of bias."""
        x, weight = ctx.saved_tensors
        below = product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        return below, product(gradient.T, x.T), gradient.sum(0)


class Linear(nn.Linear):
    """`nn.Linear` through `Affine`."""

    def forward(self, x: Tensor) -> Tensor:
        """(rows, outputs) of x (rows, inputs)."""
        return Affine.apply(x, self.weight, self.bias)


def network(state: State | None = None) -> nn.Sequential:
    """LeNet-300-100 with these weights; (rows, 784) to logits (rows, 10)."""
    one, two, three = (Linear(*sizes) for sizes in pairwise(SIZES))
    model = nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), three)
    if state is not None:
        model.load_state_dict(state)
    return model


def initial(dataset: str, seed: int) -> State:
    """Weights drawn from a normal distribution (Glorot & Bengio 2010), by seed; biases 0."""
    state, draws = network().state_dict(), generator(dataset, "lenet", "initial", seed)
    for name, tensor in state.items():
        if name in WEIGHTS:
            nn.init.xavier_normal_(tensor, generator=draws)
        else:
            tensor.zero_()
    return state


def whole() -> Masks:
    """The masks that leave nothing out."""
    return [torch.ones(two, one, dtype=torch.bool) for one, two in pairwise(SIZES)]


def masked(state: State, kept: Masks) -> State:
    """The same network with the weights outside the masks at 0; biases stay."""
    return state | {n: state[n] * mask for n, mask in zip(WEIGHTS, kept, strict=True)}


@torch.no_grad()
def accuracy(state: State, images: Tensor, labels: Tensor) -> float:
    """The share of rows whose label has the largest logit."""
    right = network(state)(images).argmax(1) == labels
    return int(right.sum()) / len(labels)


def train(
    start: State, kept: Masks, digits: SplitRows, recipe: Recipe, order: torch.Generator
) -> tuple[State, dict[str, Any]]:
    """Train on masks from some weights: the network of the best epoch, and facts about it.

    The best is the first with the highest accuracy on held-out rows. `order` draws the order of the
    rows. Weights outside the masks are 0 from the first step on and stay 0. Facts: epoch, from 1;
    accuracy_held_out; accuracy, on the test file; accuracy_last, there, after the last epoch.
    """
    model = network(masked(start, kept))
    weights = [model.get_parameter(name) for name in WEIGHTS]
    through = [mask.float() for mask in kept]
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    images, labels = digits.images["train"], digits.labels["train"]
    held_out, test = digits.of("held_out"), digits.of("test")
    best, highest, facts = start, -1.0, {}
    for epoch in range(1, recipe.epochs + 1):
        shuffled = digits.train[torch.randperm(len(digits.train), generator=order)]
        for batch in shuffled.split(recipe.batch):
            optimiser.zero_grad()
            cross_entropy(model(images[batch]), labels[batch]).backward()
            for weight, mask in zip(weights, through, strict=True):
                weight.grad.mul_(mask)  # type: ignore[union-attr]
            optimiser.step()
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        now = accuracy(state, *held_out)
        if now > highest:
            best, highest, facts = state, now, {"epoch": epoch, "accuracy_held_out": now}
    return best, facts | {
        "accuracy": accuracy(best, *test),
        "accuracy_last": accuracy(state, *test),
    }


CODE = ("beyond/lenet.py", "networks/products.py", "seeds.py", "tasks/datasets.py")
"""The files of lib that decide what a trained network is."""

FACTS = ("epoch", "accuracy_held_out", "accuracy", "accuracy_last")
"""What is kept of a training beside its network."""


def content(start: State, kept: Masks) -> str:
    """A hash of what a training begins from."""
    tensors = [*(start[name] for name in sorted(start)), *kept]
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def trained(
    recipe: Recipe, seed: int, name: str, start: State, kept: Masks
) -> tuple[State, dict[str, Any]]:
    """As `train` on the rows of a seed, from the store where it is there; `name` is its folder's.

    Each training of a seed meets the rows in the same order.
    """
    data = datasets.load(recipe.dataset).checksum
    key = store.digest(asdict(recipe), seed, data, code(CODE), content(start, kept))
    folder = f"networks/{recipe.dataset}/lenet/{name}/seed{seed}-{key}"
    for found in store.networks(folder):
        facts = {each: found.pop(each).item() for each in FACTS}
        return found, facts
    order = generator(recipe.dataset, "lenet", "order", seed)
    state, facts = train(start, kept, rows(recipe, seed), recipe, order)
    numbers = {each: torch.tensor(facts[each], dtype=torch.float64) for each in FACTS}
    store.put_networks(folder, "network", state | numbers)
    return state, facts
