"""What every table of a run is made of."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from torch import Tensor

from lib import pruning
from lib.networks.layers import Masks
from lib.networks.neurons import count_by_network, dead
from lib.networks.population import Population
from lib.networks.scores import scores
from lib.pruning import Criterion
from lib.study import Run, load_shard
from lib.tasks import Rows
from lib.tasks.datasets import SIDE

Frames = Iterator[pd.DataFrame]
"""What a measure yields of a run: tables with a column `network`, which `study.table` joins."""


def frame(networks: int, **columns: object) -> pd.DataFrame:
    """A table with the column `network` and others; tensors become plain numbers.

    Those of single precision become double: means are taken of them.
    """
    values = {k: plain(v) if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({"network": np.arange(networks), **values})


def plain(values: Tensor) -> np.ndarray:
    """A tensor as an array, in double precision where it is of floating point."""
    return values.double().numpy() if values.is_floating_point() else values.numpy()


def evaluated(networks: Population, rows: Rows) -> dict[str, Tensor]:
    """Every score and the number of dead units on some rows, each (networks,)."""
    hidden = networks.hidden(rows.images)
    found = scores(networks.read(hidden), rows.labels)
    return {**found, "dead_units": count_by_network(networks, dead(hidden))}


BOTH_READINGS = [Criterion(reading=reading) for reading in ("as_coded", "as_described")]
"""The study's criterion, the smallest weights of each layer, as its code has it and its text."""


def criteria(methods: Sequence[str]) -> list[Criterion]:
    """The criteria that a comparison of these methods has, all as described."""
    return [Criterion(name, scope) for name in methods for scope in pruning.METHODS[name].scopes]


def of_next_seed(run: Run, seeds: Sequence[int]) -> Population | None:
    """The networks of the next of these seeds; None where there is no other (`Shard.next_of`)."""
    following = run.shard.next_of(seeds)
    return None if following is None else load_shard(following).networks


def masks_at(run: Run, sparsities: Sequence[float], criterion: Criterion) -> list[Masks]:
    """One-shot masks of a run's networks at each sparsity.

    Scored on the initial weights where the method's paper does so, else on the trained ones.
    """
    at_start = pruning.METHODS[criterion.method].at_start
    scored = run.shard.initial() if at_start else run.networks
    rows = run.shard.split.train
    return pruning.cuts(scored, sparsities, criterion, run.shard.draws(criterion.method), rows)


def left(networks: Population, kept: Masks, lit: Tensor) -> dict[str, Tensor]:
    """What masks leave, per network (networks,): the columns of `LEFT`.

    sparsity_actual: the share of weights that is out; of a layer, and of the weights of lit pixels
    and the second layer; effective: that are on no path to the output; speed_up: in theory.
    """
    actual = pruning.actual_sparsity(networks, kept, lit)
    on_path = pruning.effective_sparsity(networks, kept, lit)
    values = (*(actual[part] for part in ("overall", "layer1", "layer2", "lit")), *on_path.values())
    return dict(zip(LEFT, (*values, pruning.speed_up(networks, kept)), strict=True))


LEFT = ("sparsity_actual", "layer1", "layer2", "lit", "effective", "effective_lit", "speed_up")
"""The columns of what is left: the first goes with every network, the others with their mean."""


def facts(criterion: Criterion, regime: str = "one_shot", control: str = "none") -> dict[str, str]:
    """The columns that say how networks were pruned: regime, control, method, reading, scope."""
    return {"regime": regime, "control": control, **asdict(criterion)}


def versions(networks: Population, sparsity: float) -> dict[str, Population]:
    """The networks dense, and pruned by magnitude and layer in either reading, by those names."""
    return {"dense": networks} | {
        criterion.reading: pruning.prune(networks, sparsity, criterion)
        for criterion in BOTH_READINGS
    }


PIXELS = [f"pixel_{place}" for place in range(SIDE**2)]
"""The columns of a table that holds images."""
