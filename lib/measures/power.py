"""What a number of seeds can show: the effects that paired comparisons of networks would detect."""

from collections.abc import Sequence

import pandas as pd

from lib.measures.base import Frames, frame, versions
from lib.networks.scores import f1
from lib.statistics import power
from lib.study import Run


def pruning_changes(run: Run, sparsity: float) -> Frames:
    """The change of F1 by pruning each layer by magnitude: columns reading, difference."""
    rows = run.shard.scored
    scores = {
        name: f1(networks.logits(rows.images), rows.labels)
        for name, networks in versions(run.networks, sparsity).items()
    }
    dense = scores.pop("dense")
    for reading, score in scores.items():
        yield frame(len(run.networks), reading=reading, difference=score - dense)


def detectable(differences: pd.DataFrame, counts: Sequence[int]) -> pd.DataFrame:
    """The least mean difference that each of these numbers of seeds shows with a power of 0.8.

    differences: paired, one a seed, columns comparison, protocol, difference. By Student's paired
    test at 5 %, two-sided (`statistics.power`), of differences that vary between seeds as these
    do. Columns comparison, protocol, mean, sd and n (of the differences), seeds, effect.
    """
    groups = differences.groupby(["comparison", "protocol"], sort=False).difference
    found = groups.agg(["mean", "std", "count"]).set_axis(["mean", "sd", "n"], axis=1)
    in_sds = power(counts).rename(columns={"n": "seeds"})[["seeds", "effect"]]
    table = found.reset_index().merge(in_sds, how="cross")
    return table.assign(effect=table.effect * table.sd)
