"""Tables of notebook 03: what pruning takes, and what it leaves."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import pruning, tasks
from lib.measures.base import (
    BOTH_READINGS,
    Frames,
    evaluated,
    facts,
    frame,
    left,
    masks_at,
    of_next_seed,
    versions,
)
from lib.networks.neurons import count_by_network, embed, probe, silhouette, similarity
from lib.networks.population import Population
from lib.pruning import Criterion
from lib.study import IDENTITY, Run
from lib.tasks import Rows

RESTS_ON = ("measures/base.py", "networks/neurons.py", "pruning")


def pruned(run: Run, sparsities: Sequence[float], criteria: Sequence[Criterion]) -> Frames:
    """One-shot pruning at each sparsity, sparsity 0 (dense) first, by every criterion.

    Columns: those of `facts`, sparsity (asked for), every score, dead_units, and those
    of `base.LEFT`.
    """
    networks, rows, lit = run.networks, run.shard.scored, run.shard.split.lit
    levels = (0.0, *sparsities)
    for criterion in criteria:
        for sparsity, kept in zip(levels, masks_at(run, levels, criterion), strict=True):
            yield frame(
                len(networks),
                **facts(criterion),
                sparsity=sparsity,
                **evaluated(pruning.apply(networks, kept), rows),
                **left(networks, kept, lit),
            )


CONDITION = [
    *("dataset", "task", "protocol", "width"),
    *("regime", "control", "method", "reading", "scope", "sparsity"),
]
"""What networks of several seeds have in common where only their seeds differ."""


def of_seeds(networks: pd.DataFrame, seeds: dict[str, list[int]]) -> pd.DataFrame:
    """The rows of a table whose seed is among those that `seeds` names for their protocol."""
    named = pd.MultiIndex.from_tuples([(name, seed) for name in seeds for seed in seeds[name]])
    return networks[pd.MultiIndex.from_frame(networks[["protocol", "seed"]]).isin(named)]


def change(networks: pd.DataFrame, value: str) -> pd.Series:
    """A score's change by pruning, from a table of `pruned`: each network's less its dense one.

    A control's is less that of the dense network on the other side of the comparison.
    """
    same = [*IDENTITY, "regime", "method", "reading", "scope"]
    dense = networks[value].where(networks.sparsity == 0)
    return networks[value] - dense.groupby([networks[name] for name in same]).transform("max")


def highest_sparsities(changes: pd.DataFrame, by: Sequence[str], tolerance: float) -> pd.DataFrame:
    """The highest sparsity asked for up to which the mean change stays above -tolerance, by groups.

    changes: columns `by`, sparsity and mean. There and at every lower sparsity of the grid the mean
    is above; 0 where the lowest is not, NaN where there is no mean. Columns `by`, highest_sparsity.
    """
    ordered = changes.sort_values("sparsity", kind="stable")
    above = (ordered["mean"] > -tolerance).groupby([ordered[name] for name in by]).cummin()
    known = ordered.sparsity.where(above, 0.0).where(ordered["mean"].notna())
    kept = known.groupby([ordered[name] for name in by], sort=False)
    return kept.max().rename("highest_sparsity").reset_index()


def boundaries(changes: pd.DataFrame, by: Sequence[str], tolerance: float) -> pd.DataFrame:
    """As `highest_sparsities`, and of the ends of the interval: columns by, highest, low, high.

    low and high: the same where the end of the mean's interval is held against the tolerance; NaN
    where there are too few seeds for one.
    """
    found = {
        name: highest_sparsities(changes.assign(mean=changes[column]), by, tolerance)
        for name, column in {"highest": "mean", "low": "low", "high": "high"}.items()
    }
    table = found["highest"].rename(columns={"highest_sparsity": "highest"})
    given = changes.groupby(list(by), sort=False).low.count().gt(0).to_numpy()
    for name in ("low", "high"):
        table[name] = found[name].highest_sparsity.where(given)
    return table


def dead_units(networks: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """Dead units before magnitude pruning by layer and after, from a table of `pruned`.

    Columns task, width, protocol, version ("dense", "as_coded" or "as_described"), and mean, min,
    max and n over seeds.
    """
    here = networks[(networks.method == "magnitude") & (networks.scope == "layer")]
    here = here[(here.regime == "one_shot") & (here.control == "none")]
    here = here[here.sparsity.isin([0, sparsity])]
    here = here.assign(version=here.reading.where(here.sparsity > 0, "dense"))
    groups = here.drop_duplicates([*IDENTITY, "version"]).groupby(
        ["task", "width", "protocol", "version"], sort=False
    )
    return (
        groups.dead_units.agg(["mean", "min", "max", "count"])
        .reset_index()
        .rename(columns={"count": "n"})
    )


def removed(run: Run, sparsities: Sequence[float]) -> Frames:
    """How many weights magnitude pruning by layer takes: columns sparsity, reading, layer1, layer2.

    Counted in the masks, for both readings.
    """
    networks, ranks = run.networks, pruning.rank(run.networks)
    for sparsity in sparsities:
        for reading in pruning.READINGS:
            kept = pruning.masks(networks, ranks, sparsity, reading)
            yield frame(
                len(networks),
                sparsity=sparsity,
                reading=reading,
                layer1=count_by_network(networks, (~kept.layer1).sum(0)),
                layer2=count_by_network(networks, ~kept.layer2),
            )


HIGHEST = math.nextafter(1, 0)
"""The highest sparsity that can be asked for."""


def essential(run: Run) -> Frames:
    """The fewest weights that keep 95 % of the dense network's F1: columns reading, weights, dense.

    By magnitude and layer (`pruning.essential_sizes`). As coded no more than a hundredth of the
    weights can go: what is left then, where fewer would do.
    """
    networks, ranks = run.networks, pruning.rank(run.networks)
    fewest = pruning.essential_sizes(networks, ranks, run.shard.scored)
    left = pruning.counts(networks, pruning.masks(networks, ranks, HIGHEST, "as_coded"))
    weights = {"as_coded": fewest.maximum(left), "as_described": fewest}
    dense = pruning.counts(networks, pruning.whole(networks))
    for reading, each in weights.items():
        yield frame(len(networks), reading=reading, weights=each, dense=dense)


def geometry(run: Run, sparsity: float, rows: int, seeds: Sequence[int]) -> Frames:
    """What the hidden layer keeps, on the first `rows` scored rows, and of two seeds beside it.

    Columns comparison ("pruned", with the dense network; "seeds", dense with that of the next of
    `seeds`, where there is another), reading, sparsity, cka (linear), and of both sides
    silhouette and probe (accuracy of a linear probe that is fitted on as many training rows),
    "_dense" for the dense one.
    """
    scored, networks = run.shard.scored.take(torch.arange(rows)), run.networks
    fit = run.shard.split.train.take(torch.arange(rows))
    dense = {f"{name}_dense": each for name, each in apart(networks, fit, scored).items()}
    sides = {("pruned", c.reading): pruning.prune(networks, sparsity, c) for c in BOTH_READINGS}
    if (other := of_next_seed(run, seeds)) is not None:
        sides["seeds", ""] = other
    for (comparison, reading), side in sides.items():
        values = {"cka": similarity(networks, side, scored.images), **apart(side, fit, scored)}
        at = sparsity if comparison == "pruned" else 0.0
        facts = {"comparison": comparison, "reading": reading, "sparsity": at}
        yield frame(len(networks), **facts, **values, **dense)


def apart(networks: Population, fit: Rows, scored: Rows) -> dict[str, Tensor]:
    """How far the classes stand apart in each hidden layer: silhouette, and accuracy of a probe."""
    hidden = networks.hidden(scored.images)
    units = map(networks.units_of, range(len(networks)))
    by_network = [silhouette(hidden[:, each], scored.labels) for each in units]
    return {"silhouette": torch.tensor(by_network), "probe": probe(networks, fit, scored)}


def hidden_layers(run: Run, sparsity: float, rows: int) -> dict[str, Tensor]:
    """Hidden activations on the first `rows` scored rows: dense, and pruned by either reading."""
    images, networks = run.shard.scored.images[:rows], versions(run.networks, sparsity)
    return {name: version.hidden(images) for name, version in networks.items()}


def clusters(run: Run, sparsity: float, rows: int) -> Frames:
    """How far the classes stand apart in the hidden layer: columns version, sparsity, silhouette.

    version: "dense", "as_coded" or "as_described".
    """
    labels, networks = run.shard.scored.labels[:rows], range(len(run.networks))
    for version, hidden in hidden_layers(run, sparsity, rows).items():
        apart = [silhouette(hidden[:, run.networks.units_of(k)], labels) for k in networks]
        at = 0.0 if version == "dense" else sparsity
        yield frame(len(networks), version=version, sparsity=at, silhouette=apart)


def embedded(run: Run, sparsity: float, rows: int) -> Frames:
    """The hidden layer in the plane (`neurons.embed`): columns version, row, digit, x, y.

    For every network dense, and pruned by either reading.
    """
    digits = np.array(tasks.digits(run.shard.task))
    shown = digits[run.shard.scored.labels[:rows].long()]
    for version, hidden in hidden_layers(run, sparsity, rows).items():
        for network in range(len(run.networks)):
            x, y = embed(hidden[:, run.networks.units_of(network)]).T
            points = {"network": network, "version": version, "row": range(len(x)), "digit": shown}
            yield pd.DataFrame({**points, "x": x, "y": y})
