"""What single hidden units do."""

import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits
from torch import Tensor

from lib.errors import UserError
from lib.population import Population


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
