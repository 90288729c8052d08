"""Claims decided by notebook 05.

On networks of 48 units, as the study's maps are, with its kind of map, the finite difference.

agreement: one row a network and comparison, columns task, protocol, width, seed, method (of the
map), comparison ("magnitude"; "random" masks of the same count; "seeds", the network of another
seed), regime, reading, sparsity, spearman (mean over rows rightly classified), n (of these rows).
What the claim is about is pruned in one shot.
"""

from collections.abc import Sequence

import pandas as pd

from lib.claims.rules import (
    TOO_FEW,
    Finding,
    check_seeds,
    decides,
    difference,
    every,
    named,
    passes,
    select,
)
from lib.statistics import Difference
from lib.tasks import PUBLISHED_ORDER

WIDTH = 48
MAP = "finite_difference"
SPARSITY = 0.95
LEAST_MEAN = 0.9
LEAST_END = 0.8


@decides("saliency.strokes", "05_saliency/strokes")
def strokes(strokes: pd.DataFrame, protocol: str) -> Finding:
    """saliency.strokes: maps are on lit pixels more than those of untrained networks, all pairs.

    strokes: one row a network and version, columns task, protocol, width, seed, method, version
    ("trained", "untrained": the same network's initial weights), ratio (the share of a map's mass
    on an image's lit pixels over their share of its area).
    """
    sides = {"version": ("trained", "untrained")}
    return every(differences(strokes, protocol, PUBLISHED_ORDER, sides, "ratio"), protocol)


def differences(
    table: pd.DataFrame,
    protocol: str,
    tasks: Sequence[str],
    sides: dict[str, tuple[str, str]],
    value: str,
) -> dict[str, Difference]:
    """Of each task, by how much a value is larger on the first of two sides of a column."""
    rows = select(table, protocol=protocol, task=tasks, width=WIDTH, method=MAP, **sides)
    [(column, (one, other))] = sides.items()
    values = rows.set_index([column, "task", "seed"])[value]
    return {task: difference(values[one][task], values[other][task]) for task in tasks}


@decides("saliency.preserved", "05_saliency/agreement_networks")
def preserved(agreement: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """saliency.preserved: Spearman's correlation of the maps is 0.9, its interval above 0.8.

    The mean over the five pairs, which weigh the same.

    Partly: above that with random masks of the same count (the interval of the difference above
    0), and at least that of two seeds, which are looked at only where it matters.
    """
    maps = correlations(agreement, protocol, "magnitude", reading)
    found = difference(maps, 0 * maps)
    check_seeds({"the mean": found}, protocol)
    ends = (found.effect, found.low, found.high, found.n)
    if found.effect >= LEAST_MEAN:
        passed = passes(found, LEAST_END)
        if passed is None:
            return Finding("untestable", *ends, note=TOO_FEW)
        if passed:
            return Finding("supported", *ends)
    floor = correlations(agreement, protocol, "random", reading)
    above = passes(difference(maps, floor))
    note = f"random masks {floor.mean():.2f}"
    if above is False:
        return Finding("not supported", *ends, note=note)
    ceiling = correlations(agreement, protocol, "seeds").groupby("task").mean().mean()
    note += f", two seeds {ceiling:.2f}"
    if found.effect < ceiling:
        return Finding("not supported", *ends, note=note)
    return Finding("partly" if above else "untestable", *ends, note=note)


def correlations(
    agreement: pd.DataFrame, protocol: str, comparison: str, reading: str | None = None
) -> pd.Series:
    """Spearman's correlation by task and seed; networks without a row to compare have none."""
    pruned = {"regime": "one_shot", "reading": reading, "sparsity": SPARSITY}
    wanted = {} if reading is None else pruned
    rows = select(
        agreement,
        protocol=protocol,
        task=PUBLISHED_ORDER,
        width=WIDTH,
        method=MAP,
        comparison=comparison,
        **wanted,
    )
    return rows[rows.n > 0].set_index(["task", "seed"]).spearman


HARDER = ("3-8", "4-9")


@decides("saliency.failure", "05_saliency/attention")
def failure(attention: pd.DataFrame, protocol: str) -> Finding:
    """saliency.failure: right rows have more of a map's mass on discriminating pixels than wrong.

    attention: one row a network and outcome, columns task, protocol, width, seed, method, outcome
    ("right", "wrong", matched by confidence), share (of the map's mass on the top tenth of the
    pixels by the difference of the class means; NaN where a network has no such row).
    """
    sides = {"outcome": ("right", "wrong")}
    return every(differences(attention, protocol, HARDER, sides, "share"), protocol)


CRITICAL = 0.5


@decides("neurons.distributed", "05_saliency/ablation")
def distributed(ablation: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """neurons.distributed: the top quarter of units carries under half of the loss by ablation.

    ablation: one row a network and version, columns task, protocol, width, seed, version ("dense",
    or a reading of 95 %), top_quarter (share of the ablation loss), information (of units with the
    label, permutation-corrected, in bits; shown beside it). The effect is the larger mean share,
    over pairs and widths, dense or pruned.
    """
    rows = select(ablation, protocol=protocol, version=("dense", reading))
    shares = rows.set_index(["version", "task", "width", "seed"]).top_quarter
    found = {version: shares[version] for version in ("dense", reading)}
    top = {version: difference(values, 0 * values) for version, values in found.items()}
    verdict, held = named({version: part.effect < CRITICAL for version, part in top.items()})
    most = max(top.values(), key=lambda part: part.effect)
    shown = ", ".join(f"{version} {part.effect:.2f}" for version, part in top.items())
    note = "; ".join(filter(None, [held, shown]))
    return Finding(verdict, most.effect, most.low, most.high, most.n, note)
