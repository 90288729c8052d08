"""Tables of notebook 04 that no sample of perturbations stands behind: robustness, exactly."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from lib.measures.base import Frames, frame
from lib.measures.versions import pruned_networks
from lib.networks.population import Population
from lib.robustness import adversary
from lib.study import Run
from lib.tasks import Rows

RESTS_ON = (
    *("measures/audited.py", "measures/base.py", "measures/versions.py"),
    *("networks/neurons.py", "pruning", "robustness/adversary"),
)

SOLVER_NODES, NODES = 100, 500
"""For the least change of one row: nodes of its programme, and of each step of its bisection."""


def exact_accuracy(
    run: Run,
    regimes: Sequence[str],
    sparsities: Sequence[float],
    epsilons: Sequence[float],
    rows: int,
) -> Frames:
    """Robust accuracy in L-infinity over the first `rows` scored rows, by sparsity and epsilon.

    Columns regime ("none" for the dense networks, which stand once, at sparsity 0), sparsity,
    epsilon, n, and shares of the n rows: certified (by the bounds alone), attacked (that withstand
    the attacks), exact (shown to withstand everything), undecided; and constant_low, constant_high,
    the bracket of the network's Lipschitz constant in L2. All are NaN where it is not finite.
    """
    some, protocol = first(run, rows), run.shard.protocol.name
    for regime, sparsity, networks in each_version(run, regimes, sparsities):
        draw = run.shard.generator(protocol, "attack", regime, sparsity)
        finite = networks.finite
        networks = in_numbers(networks)
        found = adversary.outcomes(networks, some, epsilons, draw)
        low, high = adversary.constants(
            networks, run.shard.generator(protocol, "constant", regime, sparsity)
        )
        for place, epsilon in enumerate(epsilons):
            facts = {"regime": regime, "sparsity": sparsity, "epsilon": epsilon, "n": len(some)}
            values = {
                "certified": share(found.certified[:, place]),
                "attacked": share(found.attacked[:, place]),
                "exact": share(found.robust[:, place]),
                "undecided": share(found.undecided[:, place]),
                "constant_low": low,
                "constant_high": high,
            }
            yield frame(len(finite), **facts).join(known(values, finite))


def least_changes(run: Run, rows: int, solved: int) -> Frames:
    """How little has to change in each of the first `rows` scored rows, for the dense networks.

    Columns row, norm, low and high (the bracket; from 0 to infinity where nothing is known), and
    exact: in L-infinity, for the first `solved` rows, by the mixed-integer programme, NaN where it
    had too many nodes. Rows that a network gets wrong as they are have 0 in all three, and all are
    NaN where a network is not finite.
    """
    some, networks = first(run, rows), in_numbers(run.networks)
    for norm in adversary.REGIONS:
        low, high = adversary.brackets(networks, some, norm, NODES)
        for row in range(len(some)):
            one = some.take(torch.tensor([row]))
            exact = np.full(len(networks), np.nan)
            if norm == "linf" and row < solved:
                exact = np.array(
                    [
                        least(networks.select([place]), one, float(high[place, row]))
                        for place in range(len(networks))
                    ]
                )
            bracket = {"low": low[:, row].clamp_min(0), "high": high[:, row], "exact": exact}
            facts = {"row": row, "norm": norm}
            yield frame(len(networks), **facts).join(known(bracket, run.networks.finite))


def in_numbers(networks: Population) -> Population:
    """The same networks, with one of zeros where one is not finite: a search would go on for ever.

    What is found of it says nothing.
    """
    if networks.lost is None:
        return networks
    units, keep = ~networks.lost, networks.finite
    return replace(
        networks,
        weight1=networks.weight1.where(units, 0),
        bias1=networks.bias1.where(units, 0),
        weight2=networks.weight2.where(units, 0),
        bias2=networks.bias2.where(keep, 0),
    )


def known(columns: Mapping[str, object], finite: torch.Tensor) -> pd.DataFrame:
    """A table of measurements, a row a network, NaN where that is not finite."""
    table = pd.DataFrame(columns)
    table.loc[~finite.numpy()] = np.nan
    return table


def least(network: Population, row: Rows, high: float) -> float:
    """The least change of one row, whose bracket ends at `high`."""
    if high == 0:
        return 0.0
    return adversary.minimum(network, row, min(high, 1.0), SOLVER_NODES).amount


def each_version(
    run: Run, regimes: Sequence[str], sparsities: Sequence[float]
) -> Iterator[tuple[str, float, Population]]:
    """The networks of a run, dense, and pruned in each regime to each sparsity."""
    yield "none", 0.0, run.networks
    for regime in regimes:
        pruned = pruned_networks(run, regime, sparsities)
        yield from ((regime, *each) for each in zip(sparsities, pruned, strict=True))


def first(run: Run, rows: int) -> Rows:
    """The first of a run's scored rows."""
    return run.shard.scored.take(torch.arange(min(rows, len(run.shard.scored))))


def share(rows: torch.Tensor) -> torch.Tensor:
    """The share of rows, (networks,), from bool (networks, rows)."""
    return rows.double().mean(1)
