"""Pruned networks for the measures that look at them, those that are trained on from the store."""

from collections.abc import Sequence

from lib import pruning, study
from lib.errors import unknown
from lib.measures.audited import rounds
from lib.networks.population import Population, stack
from lib.study import Run

RESTS_ON = ("measures/audited.py", "measures/base.py", "networks/neurons.py", "pruning")

REGIMES = ("one_shot", "fine_tuned", "rewound")


def pruned_networks(
    run: Run, regime: str, sparsities: Sequence[float], steps: int | None = None
) -> list[Population]:
    """A run's networks pruned by the study's criterion, at each of the rising `sparsities`.

    regime: one of `REGIMES`. steps: how long "fine_tuned" trains on. What is trained on is put into
    the store, where it is found again. Raises `UserError` for an unknown regime.
    """
    if regime not in REGIMES:
        raise unknown("pruning regime", regime, REGIMES)
    if regime == "one_shot":
        return [pruning.prune(run.networks, sparsity, pruning.STUDIED) for sparsity in sparsities]
    options = {"sparsities": list(sparsities)}
    if regime == "rewound":
        found = study.kept_networks(run, rewind, **options)
    else:
        found = study.kept_networks(run, fine_tune, **options, steps=steps)
    one = len(run.networks)
    return [found.select(range(k * one, (k + 1) * one)) for k in range(len(sparsities))]


def rewind(run: Run, sparsities: Sequence[float]) -> Population:
    """A run's networks rewound to each sparsity in turn, in one population."""
    met = [each for each in rounds(run, sparsities, pruning.STUDIED) if each.sparsity in sparsities]
    return stack([pruning.apply(each.networks, each.kept) for each in met])


def fine_tune(run: Run, sparsities: Sequence[float], steps: int) -> Population:
    """A run's networks pruned in one shot and trained on, to each sparsity in turn."""
    masks = pruning.cuts(run.networks, sparsities, pruning.STUDIED)
    begin, kept = stack([run.networks] * len(masks)), pruning.stacked(masks)
    split, protocol = run.shard.split, run.shard.protocol
    tuned = pruning.fine_tune(begin, kept, split, protocol, run.shard.order(), steps)
    return pruning.apply(tuned, kept)
