"""The same networks, trained in every way that a user would think of.

Each contender takes a shard and returns its trained networks. All start from the same weights and
have the rows in memory as they like them best; mini-batches come in the same order wherever the
library lets one choose it. What is timed is the training alone.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import joblib
import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lib import seeds
from lib.networks import protocols, training
from lib.networks.population import Population, blocks, owners, stack
from lib.networks.products import product
from lib.networks.protocols import Protocol
from lib.study import Shard
from lib.tasks import Split

CORES = joblib.cpu_count()

Place = tuple[Population, Split]
"""Initial networks and their rows, on one device."""


@lru_cache(maxsize=4)
def begin(shard: Shard) -> Population:
    """The networks of a shard before training; kept, and so never altered by a contender."""
    return protocols.initial(
        shard.protocol, shard.dataset, shard.task, list(shard.widths), shard.seed
    )


def row_order(shard: Shard) -> torch.Generator:
    """What draws the order of a shard's rows, from its beginning."""
    return seeds.generator(shard.dataset, shard.task, "order", shard.seed)


def batches_of_an_epoch(shard: Shard) -> int:
    """How many steps meet every row once."""
    return math.ceil(len(shard.split.train) / (shard.protocol.batch or len(shard.split.train)))


def epochs(shard: Shard) -> int:
    """How often the steps of a shard, which are whole epochs, meet every row."""
    return shard.protocol.steps // batches_of_an_epoch(shard)


def batches(shard: Shard) -> Iterator[tuple[Tensor, Tensor]]:
    """The images and labels of each step that the protocol takes, in its order."""
    rows, order = shard.split.train, row_order(shard)
    for _ in range(epochs(shard)):
        if shard.protocol.batch is None:
            yield rows.images, rows.labels
        else:
            for index in torch.randperm(len(rows), generator=order).split(shard.protocol.batch):
                yield rows.images[index], rows.labels[index]


def one(weight1: Any, bias1: Any, weight2: Any, bias2: Any) -> Population:
    """One network from arrays or tensors of any float type, as a population of one."""
    first, bias, second, last = (
        torch.as_tensor(value).detach().to(torch.float32).clone()
        for value in (weight1, bias1, weight2, bias2)
    )
    return Population(first, bias, second, last, owners([len(bias)]))


# The project's own way.


def train_at(shard: Shard, place: Place) -> Population:
    """Train a shard's networks where they and their rows are."""
    return training.train(*place, shard.protocol, row_order(shard))[0]


def population_threads(shard: Shard) -> Population:
    """`lib.networks.training` in one process, with threads over the cores."""
    return train_at(shard, (begin(shard), shard.split))


def one_thread(train: Callable[..., Any], *arguments: object) -> Any:
    """Call `train` with one thread, in whichever process this is."""
    torch.set_num_threads(1)
    return train(*arguments)


def on_each_core(train: Callable[[Shard], Any], shard: Shard) -> Any:
    """As many times `train` as there are cores, one process with one thread each; one result."""
    return Parallel(n_jobs=CORES)([delayed(one_thread)(train, shard)] * CORES)[0]


def population(shard: Shard) -> Population:
    """`lib.networks.training` as `lib.study` calls it: a shard a core."""
    return on_each_core(population_threads, shard)


def moved(networks: Population, split: Split) -> Place:
    """Networks and rows, copied into the memory of the GPU."""
    parts = (split.train, split.held_out, split.test)
    return networks.to("cuda"), Split(*(part.to("cuda") for part in parts))


@lru_cache(maxsize=2)
def on_gpu(shard: Shard) -> Place:
    """The networks and rows of a shard in the memory of the GPU, kept there."""
    return moved(begin(shard), shard.split)


def population_gpu(shard: Shard) -> Population:
    """`lib.networks.training` on a GPU; the trained weights come back."""
    return train_at(shard, on_gpu(shard)).to("cpu")


# The speed limit, by two libraries.


@lru_cache(maxsize=2)
def lit_inputs(shard: Shard) -> Tensor:
    """The training rows as the population's products see them: lit pixels and a constant."""
    images = shard.split.train.images
    return torch.cat([images[:, shard.split.lit], torch.ones(len(images), 1)], dim=1)


Products = Callable[[Tensor, Tensor, Tensor], object]
"""The two large products of a step, of weights (units, pixels), residuals and inputs."""


def products_mm(weight: Tensor, residual: Tensor, inputs: Tensor) -> None:
    """By `torch.mm`: on most processors MKL's."""
    torch.mm(inputs, weight.T)
    torch.mm(inputs.T, residual.T)


def products_onednn(weight: Tensor, residual: Tensor, inputs: Tensor) -> None:
    """By what `lib.networks.products` calls: oneDNN's."""
    product(weight, inputs)
    product(residual, inputs.T)


def all_products(products: Products, shard: Shard) -> None:
    """The large products of all steps, and nothing else."""
    inputs, units = lit_inputs(shard), sum(shard.widths)
    parts = blocks(inputs) if shard.protocol.batch is None else inputs.split(shard.protocol.batch)
    weight = torch.full((units, inputs.shape[1]), 0.01)
    residual = torch.full((units, len(parts[0])), 0.01)
    for _ in range(epochs(shard)):
        for part in parts:
            products(weight, residual[:, : len(part)], part)


def bare(products: Products) -> Callable[[Shard], None]:
    """Those products on every core."""
    return partial(on_each_core, partial(all_products, products))


@lru_cache(maxsize=2)
def logits_of(shard: Shard) -> list[Tensor]:
    """The logits of the initial networks on the rows that the learning curves are taken on."""
    split = shard.split
    parts = (split.train,) if shard.protocol.batch is None else (split.train, split.held_out)
    return [begin(shard).logits(rows.images) for rows in parts]


def all_scores(shard: Shard) -> None:
    """The learning curves alone: the scores of every point, on logits that are there already.

    In mini-batches a point is of the rows met since the last one: about all training rows.
    """
    for _ in training.points(shard.protocol):
        for logits, rows in zip(
            logits_of(shard), (shard.split.train, shard.split.held_out), strict=False
        ):
            training.point(logits, rows.labels, "part")


# What a user would pick instead.


@lru_cache(maxsize=2)
def doubles(shard: Shard) -> tuple[np.ndarray, np.ndarray]:
    """Training images and labels in NumPy's float64."""
    rows = shard.split.train
    return rows.images.numpy().astype(np.float64), rows.labels.numpy().astype(np.float64)


Scores = Callable[[np.ndarray, np.ndarray], object]
"""What is recorded of each step, from probabilities and labels."""


def numpy_f1(chances: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1 alone, in three sums."""
    predicted, actual = chances >= 0.5, labels == 1
    return float(2 * (predicted & actual).sum() / (predicted.sum() + actual.sum()))


def scikit_scores(chances: np.ndarray, labels: np.ndarray) -> list[float]:
    """What the published study records of each step: loss, accuracy, and four of scikit-learn."""
    predicted, sure = chances >= 0.5, np.clip(chances, 1e-12, 1 - 1e-12)
    return [
        -np.mean(labels * np.log(sure) + (1 - labels) * np.log(1 - sure)),
        np.mean(predicted == labels),
        precision_score(labels, predicted, zero_division=0),
        recall_score(labels, predicted),
        f1_score(labels, predicted),
        roc_auc_score(labels, chances),
    ]


def numpy_loop(scores: Scores, shard: Shard) -> Population:
    """The published protocol in plain NumPy float64, one network after another."""
    images, labels = doubles(shard)
    starts = (begin(shard).network(network) for network in range(len(shard.widths)))
    return stack([numpy_network(start, images, labels, shard.protocol, scores) for start in starts])


def numpy_network(
    start: Population, images: np.ndarray, labels: np.ndarray, protocol: Protocol, scores: Scores
) -> Population:
    """One network, all rows a step, with the scores of each step."""
    weight1, bias1, weight2, bias2 = (
        getattr(start, name).numpy().astype(np.float64)
        for name in ("weight1", "bias1", "weight2", "bias2")
    )
    rate, history = protocol.learning_rate, []
    for _ in range(protocol.steps):
        hidden = np.maximum(images @ weight1 + bias1, 0)
        chances = 1 / (1 + np.exp(-(hidden @ weight2 + bias2)))
        history.append(scores(chances, labels))
        residual = (chances - labels) / len(labels)
        back = np.outer(residual, weight2) * (hidden > 0)
        weight2 -= rate * (hidden.T @ residual)
        bias2 -= rate * residual.sum()
        weight1 -= rate * (images.T @ back)
        bias1 -= rate * back.sum(0)
    return one(weight1, bias1, weight2, bias2)


def scikit_learn(shard: Shard) -> Population:
    """`MLPClassifier` under joblib on all cores, the widest networks first."""
    widest_first = sorted(range(len(shard.widths)), key=lambda k: -shard.widths[k])
    work = [delayed(one_thread)(scikit_network, shard, network) for network in widest_first]
    trained = dict(zip(widest_first, Parallel(n_jobs=CORES)(work), strict=True))
    return stack([trained[network] for network in range(len(shard.widths))])


def scikit_network(shard: Shard, network: int) -> Population:
    """One `MLPClassifier`, given the initial weights between a fit on two rows and the fit."""
    rows, start, protocol = shard.split.train, begin(shard).network(network), shard.protocol
    images, labels = rows.images.numpy(), rows.labels.numpy()
    ends = [labels.argmin(), labels.argmax()]  # a row of each class
    model = MLPClassifier(
        hidden_layer_sizes=(shard.widths[network],),
        solver=protocol.optimiser,
        learning_rate_init=protocol.learning_rate,
        momentum=0.0,
        alpha=0.0,
        batch_size=protocol.batch or len(labels),
        shuffle=protocol.batch is not None,
        max_iter=1,
        tol=0.0,
        n_iter_no_change=protocol.steps + 1,
        warm_start=True,
        random_state=shard.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConvergenceWarning, UserWarning))
        model.fit(images[ends], labels[ends])
        model.coefs_ = [start.weight1.numpy().copy(), start.weight2[:, None].numpy().copy()]
        model.intercepts_ = [start.bias1.numpy().copy(), start.bias2.numpy().copy()]
        model.set_params(max_iter=epochs(shard)).fit(images, labels)
    (weight1, weight2), (bias1, bias2) = model.coefs_, model.intercepts_
    return one(weight1, bias1, weight2[:, 0], bias2)


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
}


def torch_loop(shard: Shard) -> Population:
    """`nn.Sequential`, autograd and `torch.optim`, one network after another."""
    networks = range(len(shard.widths))
    return stack([torch_network(shard, network) for network in networks])


def torch_network(shard: Shard, network: int) -> Population:
    """One network with rows in memory and no DataLoader, which would be slower."""
    model = begin(shard).sequential(network)
    protocol = shard.protocol
    optimiser = OPTIMISERS[protocol.optimiser](model.parameters(), lr=protocol.learning_rate)
    for images, labels in batches(shard):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(model(images)[:, 0], labels).backward()
        optimiser.step()
    weight1, bias1, weight2, bias2 = model.parameters()
    return one(weight1.T, bias1, weight2[0], bias2)


def torch_vmap(shard: Shard) -> Population:
    """`torch.func.vmap` over networks padded with units of weight 0 to the widest."""
    widest, protocol = max(shard.widths), shard.protocol
    models = [padded(begin(shard), network, widest) for network in range(len(shard.widths))]
    stacked, _ = torch.func.stack_module_state(models)
    parameters = {name: value.detach() for name, value in stacked.items()}

    def loss(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        logits = torch.func.functional_call(models[0], parameters, (images,))
        return binary_cross_entropy_with_logits(logits[:, 0], labels)

    gradient = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None, None))
    optimiser = OPTIMISERS[protocol.optimiser](parameters.values(), lr=protocol.learning_rate)
    for images, labels in batches(shard):
        for name, value in gradient(parameters, images, labels).items():
            parameters[name].grad = value
        optimiser.step()
    return unpadded(list(parameters.values()), shard.widths)


def padded(networks: Population, network: int, width: int) -> nn.Sequential:
    """One network as plain PyTorch with units of weight 0, which no gradient reaches, added."""
    single = networks.network(network)
    missing = width - len(single.owner)
    weight1 = nn.functional.pad(single.weight1, (0, missing))
    bias1 = nn.functional.pad(single.bias1, (0, missing))
    weight2 = nn.functional.pad(single.weight2, (0, missing))
    return one(weight1, bias1, weight2, single.bias2).sequential(0)


def unpadded(stacked: Sequence[Tensor], widths: Sequence[int]) -> Population:
    """The population in stacked parameters of padded networks."""
    return stack(
        [
            one(weight1[:width].T, bias1[:width], weight2[0, :width], bias2)
            for width, weight1, bias1, weight2, bias2 in zip(widths, *stacked, strict=True)
        ]
    )


@dataclass(frozen=True)
class Contender:
    """A way to train: what it is called, the function, what it runs on, and how much it trains.

    copies: how many times the shard's networks one call trains. processes: how many it uses; where
    there is more than one, each has one thread. mini_batch: whether it does mini-batches.
    """

    name: str
    train: Callable[[Shard], Population | None]
    copies: int = 1
    processes: int = 1
    mini_batch: bool = True
    gpu: bool = False


CONTENDERS = (
    Contender("population", population, CORES, CORES),
    Contender("population, threads", population_threads),
    Contender("population on a GPU", population_gpu, gpu=True),
    Contender("bare products, oneDNN", bare(products_onednn), CORES, CORES),
    Contender("bare products, torch.mm", bare(products_mm), CORES, CORES),
    Contender("scores alone", partial(on_each_core, all_scores), CORES, CORES),
    Contender("torch.func.vmap, padded", torch_vmap),
    Contender("PyTorch, one after another", torch_loop),
    Contender("scikit-learn, joblib", scikit_learn, processes=CORES),
    Contender("NumPy float64 loop", partial(numpy_loop, scikit_scores), mini_batch=False),
    Contender("NumPy float64 loop, F1 only", partial(numpy_loop, numpy_f1), mini_batch=False),
)
"""In the order in which they take their turns; the first is what the others are held against."""
