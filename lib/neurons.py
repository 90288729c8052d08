"""What hidden units do, and what their layer holds."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from lib.errors import UserError
from lib.population import Population
from lib.tasks import Rows


def dead(hidden: Tensor) -> Tensor:
    """Which units are 0 on every row: bool (units,), from activations (rows, units)."""
    return hidden.amax(0) == 0


def count_by_network(networks: Population, units: Tensor) -> Tensor:
    """How many of these units, bool (units,), each network has: int64 (networks,)."""
    return torch.zeros(len(networks), dtype=torch.int64).index_add_(
        0, networks.owner.cpu(), units.cpu().long()
    )


def embed(hidden: Tensor) -> np.ndarray:
    """Activations (rows, units) as points (rows, 2): t-SNE (van der Maaten & Hinton 2008).

    From a principal-component start and in one thread, so that the same activations give the same
    bytes. Raises `UserError` for fewer than 2 units or 4 rows.
    """
    rows, units = hidden.shape
    if units < 2 or rows < 4:
        raise UserError(f"t-SNE of {rows} rows and {units} units: give at least 4 rows and 2 units")
    with threadpool_limits(1):
        perplexity = min(30.0, (rows - 1) / 3)
        return TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(hidden.numpy())


def silhouette(hidden: Tensor, labels: Tensor) -> float:
    """The mean silhouette by class (Rousseeuw 1987), -1 to 1, of activations (rows, units)."""
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
    how well a readout trained anew tells the classes apart.
    """
    seen, unseen = networks.hidden(fit.images).numpy(), networks.hidden(scored.images).numpy()
    readout = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with threadpool_limits(1):
        return torch.tensor(
            [
                readout.fit(seen[:, units], fit.labels).score(unseen[:, units], scored.labels)
                for units in map(networks.units_of, range(len(networks)))
            ]
        )
