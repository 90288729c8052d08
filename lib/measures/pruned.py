"""Tables of notebook 03: what pruning takes, and what it leaves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from lib import pruning, tasks
from lib.measures.base import conditions, draws, frame, scores, versions
from lib.neurons import count_by_network, embed, silhouette
from lib.study import IDENTITY, Run


def pruned(run: Run, sparsities: Sequence[float], methods: Sequence[str]) -> pd.DataFrame:
    """One-shot pruning at each sparsity, sparsity 0 (dense) first, in every condition.

    Columns: method, reading, scope, sparsity (asked for), sparsity_actual (overall), f1, auc,
    dead_units, and sparsity_layer1, sparsity_layer2, sparsity_lit.
    """
    networks, rows, lit = run.networks, run.shard.scored, run.shard.split.lit
    parts = []
    for method, reading, scope in conditions(methods):
        ranks = pruning.rank(networks, method, scope, draws(run, method))
        for sparsity in (0.0, *sparsities):
            kept = pruning.masks(networks, ranks, sparsity, reading)
            actual = pruning.actual_sparsity(networks, kept, lit)
            parts.append(
                frame(
                    len(networks),
                    method=method,
                    reading=reading,
                    scope=scope,
                    sparsity=sparsity,
                    sparsity_actual=actual.pop("overall"),
                    **scores(pruning.apply(networks, kept), rows),
                    **{f"sparsity_{part}": share for part, share in actual.items()},
                )
            )
    return pd.concat(parts, ignore_index=True)


def change(networks: pd.DataFrame, value: str) -> pd.Series:
    """A score's change by pruning, from a table of `pruned`: each network's less its dense one."""
    same = [*IDENTITY, "method", "reading", "scope"]
    dense = networks[value].where(networks.sparsity == 0)
    return networks[value] - dense.groupby([networks[name] for name in same]).transform("max")


def highest_sparsities(changes: pd.DataFrame, by: Sequence[str], tolerance: float) -> pd.DataFrame:
    """The highest sparsity asked for up to which the mean change stays above -tolerance, by groups.

    changes: columns `by`, sparsity and mean. There and at every lower sparsity of the grid the mean
    is above; 0 where the lowest is not. Columns `by`, highest_sparsity.
    """
    ordered = changes.sort_values("sparsity", kind="stable")
    above = (ordered["mean"] > -tolerance).groupby([ordered[name] for name in by]).cummin()
    kept = ordered.sparsity.where(above, 0.0).groupby([ordered[name] for name in by], sort=False)
    return kept.max().rename("highest_sparsity").reset_index()


def dead_units(networks: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """Dead units before magnitude pruning by layer and after, from a table of `pruned`.

    Columns task, width, protocol, version ("dense", "as_coded" or "as_described"), and mean, min,
    max and n over seeds.
    """
    here = networks[(networks.method == "magnitude") & (networks.scope == "layer")]
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


def removed(run: Run, sparsities: Sequence[float]) -> pd.DataFrame:
    """How many weights magnitude pruning by layer takes: columns sparsity, reading, layer1, layer2.

    Counted in the masks, for both readings.
    """
    networks, parts = run.networks, []
    ranks = pruning.rank(networks)
    for sparsity in sparsities:
        for reading in pruning.READINGS:
            kept = pruning.masks(networks, ranks, sparsity, reading)
            parts.append(
                frame(
                    len(networks),
                    sparsity=sparsity,
                    reading=reading,
                    layer1=count_by_network(networks, (~kept.layer1).sum(0)),
                    layer2=count_by_network(networks, ~kept.layer2),
                )
            )
    return pd.concat(parts, ignore_index=True)


def hidden_layers(run: Run, sparsity: float, rows: int) -> dict[str, Tensor]:
    """Hidden activations on the first `rows` scored rows: dense, and pruned by either reading."""
    images, networks = run.shard.scored.images[:rows], versions(run.networks, sparsity)
    return {name: version.hidden(images) for name, version in networks.items()}


def clusters(run: Run, sparsity: float, rows: int) -> pd.DataFrame:
    """How far the classes stand apart in the hidden layer: columns version, sparsity, silhouette.

    version: "dense", "as_coded" or "as_described".
    """
    labels, networks = run.shard.scored.labels[:rows], range(len(run.networks))
    return pd.concat(
        [
            frame(
                len(networks),
                version=version,
                sparsity=0.0 if version == "dense" else sparsity,
                silhouette=[
                    silhouette(hidden[:, run.networks.units_of(k)], labels) for k in networks
                ],
            )
            for version, hidden in hidden_layers(run, sparsity, rows).items()
        ],
        ignore_index=True,
    )


def embedded(run: Run, sparsity: float, rows: int) -> pd.DataFrame:
    """The hidden layer in the plane (`neurons.embed`): columns version, row, digit, x, y.

    For every network dense, and pruned by either reading.
    """
    digits = np.array(tasks.digits(run.shard.task))
    shown = digits[run.shard.scored.labels[:rows].long()]
    parts = []
    for version, hidden in hidden_layers(run, sparsity, rows).items():
        for network in range(len(run.networks)):
            x, y = embed(hidden[:, run.networks.units_of(network)]).T
            points = {"network": network, "version": version, "row": range(len(x)), "digit": shown}
            parts.append(pd.DataFrame({**points, "x": x, "y": y}))
    return pd.concat(parts, ignore_index=True)
