"""The table of notebook 05 on units: what each carries, and what it tells."""

import pandas as pd

from lib import neurons
from lib.measures.base import frame, versions
from lib.study import Run


def ablation(run: Run, sparsity: float) -> pd.DataFrame:
    """How evenly the units of each network share its work, on all scored rows.

    Columns version ("dense", "as_coded", "as_described": pruned by magnitude and layer), sparsity,
    top_quarter (the share of the rise in loss, as one unit after another is set to 0, that the top
    quarter of units carries; NaN where no unit's absence raises it), and information (of a unit
    with the label, corrected for chance, in bits, mean over units).
    """
    rows, parts = run.shard.scored, []
    for name, networks in versions(run.networks, sparsity).items():
        told = neurons.information(networks.hidden(rows.images), rows.labels)
        parts.append(
            frame(
                len(networks),
                version=name,
                sparsity=0.0 if name == "dense" else sparsity,
                top_quarter=neurons.top_quarter(networks, neurons.ablation(networks, rows)),
                information=neurons.mean_by_network(networks, told),
            )
        )
    return pd.concat(parts, ignore_index=True)
