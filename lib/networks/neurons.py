"""What hidden units do, and what their layer holds."""

import math

import numpy as np
import torch
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.metrics.cluster import expected_mutual_information
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from lib.errors import UserError
from lib.networks.population import Population
from lib.networks.scores import auc, logistic_loss
from lib.tasks import Rows


def dead(hidden: Tensor) -> Tensor:
    """Which units are 0 on every row: bool (units,), from activations (rows, units)."""
    return hidden.amax(0) == 0


def count_by_network(networks: Population, units: Tensor) -> Tensor:
    """How many of these units, bool (units,), each network has: int64 (networks,).

    Where a network is not finite, float64 with NaN for it.
    """
    counts = torch.zeros(len(networks), dtype=torch.int64).index_add_(
        0, networks.owner.cpu(), units.cpu().long()
    )
    if networks.lost is None:
        return counts
    return counts.double().masked_fill_(~networks.finite.cpu(), torch.nan)


def mean_by_network(networks: Population, values: Tensor) -> Tensor:
    """The mean of some values, (units,), over the units of each network: (networks,).

    NaN for a network that is not finite.
    """
    means = values.new_zeros(len(networks))
    means.scatter_reduce_(0, networks.owner, values, "mean", include_self=False)
    return means.masked_fill_(~networks.finite, torch.nan)


def embed(hidden: Tensor) -> np.ndarray:
    """Activations (rows, units) as points (rows, 2): t-SNE (van der Maaten & Hinton 2008).

    From a principal-component start and in one thread, so that the same activations give the same
    bytes; NaN where an activation is. Raises `UserError` for fewer than 2 units or 4 rows.
    """
    rows, units = hidden.shape
    if units < 2 or rows < 4:
        raise UserError(f"t-SNE of {rows} rows and {units} units: give at least 4 rows and 2 units")
    if not hidden.isfinite().all():
        return np.full((rows, 2), np.nan)
    with threadpool_limits(1):
        perplexity = min(30.0, (rows - 1) / 3)
        return TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(hidden.numpy())


def silhouette(hidden: Tensor, labels: Tensor) -> float:
    """The mean silhouette by class (Rousseeuw 1987), -1 to 1, of activations (rows, units).

    NaN where an activation is.
    """
    if not hidden.isfinite().all():
        return math.nan
    with threadpool_limits(1):
        return float(silhouette_score(hidden.numpy(), labels.numpy()))


def cka(one: Tensor, other: Tensor) -> float:
    """Linear centred kernel alignment, CKA, of two hidden layers (Kornblith et al. 2019): 0 to 1.

    From activations (rows, units) on the same rows, of any numbers of units; 1 where one is the
    other turned and scaled. NaN where either does not vary.
    """
    x, y = (hidden.double() - hidden.double().mean(0) for hidden in (one, other))
    return float((y.T @ x).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm()))


def similarity(networks: Population, others: Population, images: Tensor) -> Tensor:
    """Linear CKA on `images` between each network and the one at its place in `others`."""
    one, other = networks.hidden(images), others.hidden(images)
    return torch.tensor(
        [
            cka(one[:, networks.units_of(k)], other[:, others.units_of(k)])
            for k in range(len(others))
        ]
    )


def probe(networks: Population, fit: Rows, scored: Rows) -> Tensor:
    """The accuracy on `scored` of a linear probe of each hidden layer: (networks,).

    Logistic regression, fitted to the standardised activations on `fit` (Alain & Bengio 2017):
    how well a readout trained anew tells the classes apart. NaN where a network is not finite.
    """
    seen, unseen = networks.hidden(fit.images).numpy(), networks.hidden(scored.images).numpy()
    readout = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    found = torch.full((len(networks),), torch.nan)
    with threadpool_limits(1):
        for network in networks.finite.nonzero()[:, 0].tolist():
            units = networks.units_of(network)
            readout.fit(seen[:, units], fit.labels)
            found[network] = readout.score(unseen[:, units], scored.labels)
    return found


def ablation(networks: Population, rows: Rows) -> Tensor:
    """By how much the mean logistic loss rises as each unit alone is set to 0: float64 (units,).

    In closed form, all units of all networks at once: without a unit, a logit is less what that
    unit adds to it. Negative where the network does better without (Morcos et al. 2018).
    """
    hidden = networks.hidden(rows.images)
    logits = networks.read(hidden).double()
    without = logits[networks.owner] - (hidden * networks.weight2).T
    before, after = (logistic_loss(each, rows.labels.double()) for each in (logits, without))
    return after - before[networks.owner]


def top_quarter(networks: Population, rises: Tensor) -> Tensor:
    """The share of a network's rise in loss that its top quarter of units carries: (networks,).

    rises: (units,), as of `ablation`; one below 0 counts as 0. A quarter of a width is rounded up,
    so that of 2 units it is one. NaN where no unit's absence raises the loss.
    """
    shares = rises.new_empty(len(networks))
    for units in networks.by_width():
        of_width = rises[units].clamp(min=0)
        top = of_width.topk(-(-units.shape[1] // 4), dim=1).values
        shares[networks.owner[units[:, 0]]] = top.sum(1) / of_width.sum(1)
    return shares


def selectivity(hidden: Tensor, labels: Tensor) -> Tensor:
    """How much more a unit fires for the class that it prefers than for the other: (units,).

    |a - b| / (a + b) of its mean activations a and b in the two classes (Morcos et al. 2018): 0
    where they are equal, 1 where it never fires for one of them. 0 for a dead unit. From
    activations (rows, units) and labels (rows,).
    """
    one, other = (hidden[labels == label].mean(0) for label in (0, 1))
    return ((one - other).abs() / (one + other)).nan_to_num(0)


def specialisation(hidden: Tensor, labels: Tensor) -> Tensor:
    """How well each unit alone orders the classes, |2 AUC - 1| of its activation: float64 (units,).

    1 for a unit that tells the digits apart by itself, 0 for one that orders rows by chance, as a
    dead one does. From activations (rows, units) and labels (rows,).
    """
    return (2 * auc(hidden.T, labels) - 1).abs()


ALIKE = 0.95
"""From which correlation on a unit is a duplicate of another."""


def duplicates(networks: Population, hidden: Tensor) -> Tensor:
    """Which units have an activation that an earlier unit of their network has too: bool (units,).

    That is, correlates with it by `ALIKE` or more over the rows. A dead unit is none. From
    activations (rows, units).
    """
    centred = hidden - hidden.mean(0)
    unit = (centred / centred.norm(dim=0)).nan_to_num(0)
    found = torch.zeros_like(networks.owner, dtype=torch.bool)
    for units in networks.by_width():  # (networks of a width, width)
        of_network = unit[:, units].permute(1, 2, 0)
        alike = of_network @ of_network.transpose(1, 2) >= ALIKE
        found[units] = alike.tril(-1).any(2)
    return found


BINS = 8
"""Into how many bins of equally many rows a unit's activation is cut."""


def binned(hidden: Tensor, labels: Tensor) -> np.ndarray:
    """How many rows of either class have an activation in each bin: int64 (units, BINS, 2).

    From activations (rows, units), between whose quantiles a bin lies. Where many are equal, as
    those of a unit that is often 0, they share a bin, and others are empty.
    """
    classes = torch.stack([1 - labels, labels], dim=1)
    edges = torch.quantile(hidden, torch.linspace(0, 1, BINS + 1)[1:-1], dim=0)
    above = torch.stack([(hidden > edge).to(classes).T @ classes for edge in edges], dim=1)
    every = classes.sum(0).expand(len(above), 1, 2)
    ends = torch.cat([every, above, torch.zeros_like(every)], dim=1)
    return -np.diff(ends.numpy(), axis=1).round().astype(np.int64)


def information(hidden: Tensor, labels: Tensor) -> Tensor:
    """The mutual information of each unit's binned activation with the label, in bits: (units,).

    Less what it would be on average over all permutations of the labels, which is known exactly
    (Vinh, Epps & Bailey 2010): about 0, on either side of it, for a unit that has none.
    """
    counts = binned(hidden, labels)
    by_bin, by_class = (entropy(counts.sum(axis), base=2, axis=1) for axis in (2, 1))
    told = by_bin + by_class - entropy(counts.reshape(len(counts), -1), base=2, axis=1)
    by_chance = [expected_mutual_information(each[each.any(1)], each.sum()) for each in counts]
    return torch.from_numpy(told - np.array(by_chance) / np.log(2))
