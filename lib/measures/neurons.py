"""The table of notebook 05 on units: what each carries, and what it tells."""

from collections.abc import Mapping, Sequence

from lib.measures.base import Frames, frame, versions
from lib.measures.versions import pruned_networks
from lib.networks import neurons
from lib.networks.population import Population
from lib.study import Run


def ablation(run: Run, sparsity: float) -> Frames:
    """How evenly the units of each network share its work, and what they tell, on all scored rows.

    Columns version ("dense", "as_coded", "as_described": pruned by magnitude and layer), sparsity,
    top_quarter (the share of the rise in loss, as one unit after another is set to 0, that the top
    quarter of units carries; NaN where no unit's absence raises it), information (of a unit with
    the label, corrected for chance, in bits), selectivity and specialisation, all three means over
    units, and the numbers of dead_units, of duplicates, and of units that are heard: whose output
    weight is not 0.
    """
    return of_versions(run, versions(run.networks, sparsity), sparsity)


def ablation_again(run: Run, sparsity: float, sparsities: Sequence[float], steps: int) -> Frames:
    """The same of the networks as pruned to one of the `sparsities` and trained again.

    version: "fine_tuned", "rewound" (`pruned_networks`, which takes the other arguments).
    """
    place = list(sparsities).index(sparsity)
    again = {
        regime: pruned_networks(run, regime, sparsities, steps)[place]
        for regime in ("fine_tuned", "rewound")
    }
    return of_versions(run, again, sparsity)


def of_versions(run: Run, found: Mapping[str, Population], sparsity: float) -> Frames:
    """The rows of `ablation` for networks by version."""
    for name, networks in found.items():
        facts = {"version": name, "sparsity": 0.0 if name == "dense" else sparsity}
        yield frame(len(networks), **facts, **of_units(run, networks))


def of_units(run: Run, networks: Population) -> dict[str, object]:
    """The columns of `ablation` for some networks, each (networks,)."""
    rows = run.shard.scored
    hidden = networks.hidden(rows.images)
    means = {
        "information": neurons.information(hidden, rows.labels),
        "selectivity": neurons.selectivity(hidden, rows.labels),
        "specialisation": neurons.specialisation(hidden, rows.labels),
    }
    numbers = {
        "dead_units": neurons.dead(hidden),
        "duplicates": neurons.duplicates(networks, hidden),
        "heard": networks.weight2 != 0,
    }
    return {
        "top_quarter": neurons.top_quarter(networks, neurons.ablation(networks, rows)),
        **{name: neurons.mean_by_network(networks, units) for name, units in means.items()},
        **{name: neurons.count_by_network(networks, units) for name, units in numbers.items()},
    }
