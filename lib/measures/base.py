"""What every table of a run is made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import protocols, pruning, seeds
from lib.datasets import SIDE
from lib.neurons import count_by_network, dead
from lib.population import Population
from lib.study import Run
from lib.tasks import Rows
from lib.training import auc, f1


def frame(networks: int, **columns: object) -> pd.DataFrame:
    """A table with the column `network` and others; tensors become plain numbers."""
    values = {k: v.numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({"network": np.arange(networks), **values})


def scores(networks: Population, rows: Rows) -> dict[str, Tensor]:
    """F1, AUC and the number of dead units on some rows, each (networks,)."""
    hidden = networks.hidden(rows.images)
    logits = networks.read(hidden)
    return {
        "f1": f1(logits, rows.labels),
        "auc": auc(logits, rows.labels),
        "dead_units": count_by_network(networks, dead(hidden)),
    }


def conditions(methods: Sequence[str]) -> list[tuple[str, str, str]]:
    """The pruning conditions (method, reading, scope): both readings of magnitude by layer, and
    as described the other methods, and magnitude over both layers together."""
    both = [("magnitude", reading, "layer") for reading in ("as_coded", "as_described")]
    return [
        *(both if "magnitude" in methods else []),
        *([("magnitude", "as_described", "global")] if "magnitude" in methods else []),
        *((method, "as_described", "layer") for method in methods if method != "magnitude"),
    ]


def draws(run: Run, method: str) -> list[torch.Generator]:
    """A generator for each network of a run, by its own name."""
    shard = run.shard
    name = (shard.dataset, shard.task, shard.protocol.name, method, shard.seed)
    return [seeds.generator(*name, width) for width in shard.widths]


def versions(networks: Population, sparsity: float) -> dict[str, Population]:
    """The networks dense, and pruned by magnitude and layer in either reading, by those names."""
    return {"dense": networks} | {
        reading: pruning.prune(networks, sparsity, reading)
        for reading in ("as_coded", "as_described")
    }


def untrained(run: Run) -> Population:
    """The networks of a run as they were before training."""
    shard = run.shard
    return protocols.initial(
        shard.protocol, shard.dataset, shard.task, list(shard.widths), shard.seed
    )


PIXELS = [f"pixel_{place}" for place in range(SIDE**2)]
"""The columns of a table that holds images."""
