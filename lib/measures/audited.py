"""Tables of notebook 03 for which pruned networks are trained on, each beside its controls.

A control stands at the width and sparsity of the network that it is compared with. "random" and
"shuffled" have its weights under another mask, "fresh" other initial weights under its mask, and
"dense" is a network of fewer units, dense, with as many weights.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from lib import pruning
from lib.measures.base import Frames, evaluated, facts, frame, left, masks_at, plain
from lib.networks import protocols
from lib.networks.layers import Masks
from lib.networks.population import Population, stack
from lib.networks.protocols import Protocol
from lib.pruning import Criterion, Round
from lib.study import Run, Shard
from lib.tasks import Split

RESTS_ON = ("measures/base.py", "networks/neurons.py", "pruning")


@dataclass(frozen=True)
class Batch:
    """Networks under masks. rows: columns network (in the run), control, sparsity; one each."""

    rows: pd.DataFrame
    networks: Population
    kept: Masks


def batch(control: str, sparsity: float, networks: Population, kept: Masks) -> Batch:
    """The networks of a run in one condition."""
    return Batch(frame(len(networks), control=control, sparsity=sparsity), networks, kept)


def gathered(batches: Sequence[Batch]) -> Batch:
    """Several batches as one, which is then trained and scored at once."""
    return Batch(
        pd.concat([each.rows for each in batches], ignore_index=True),
        stack([each.networks for each in batches]),
        pruning.stacked([each.kept for each in batches]),
    )


def train(run: Run, begin: Batch) -> Batch:
    """A batch trained on its masks by the run's protocol."""
    end = pruning.train_masked(begin.networks, begin.kept, *training(run.shard))
    return replace(begin, networks=end)


def fine_tune(run: Run, found: Batch, steps: int) -> Batch:
    """A batch of trained networks, trained on its masks for so many steps more."""
    tuned = pruning.fine_tune(found.networks, found.kept, *training(run.shard), steps)
    return replace(found, networks=tuned)


def training(shard: Shard) -> tuple[Split, Protocol, torch.Generator]:
    """On what, how, and in which order the networks of a shard are trained."""
    return shard.split, shard.protocol, shard.order()


def rounds(run: Run, sparsities: Sequence[float], criterion: Criterion) -> Iterator[Round]:
    """Rewinding a run's networks, about a fifth a round, through the rising `sparsities`."""
    begin, levels = run.shard.initial(), pruning.through(sparsities)
    return pruning.rewind(begin, run.networks, *training(run.shard), levels, criterion)


def other_masks(run: Run, networks: Population, sparsity: float, kept: Masks) -> list[Batch]:
    """The controls that have the same weights under another mask."""
    drawn: dict[str, Callable[..., Masks]] = {
        "random": pruning.random_like,
        "shuffled": pruning.shuffled,
    }
    draws = {control: run.shard.draws(control, sparsity) for control in drawn}
    return [
        batch(control, sparsity, networks, draw(networks, kept, draws[control]))
        for control, draw in drawn.items()
    ]


def other_weights(run: Run, sparsity: float, kept: Masks) -> list[Batch]:
    """The controls that begin from other weights, not trained yet."""
    shard, widths = run.shard, list(run.shard.widths)
    name = (shard.protocol, shard.dataset, shard.task)
    weights = pruning.counts(run.networks, kept)
    features = len(run.networks.weight1)
    narrow = protocols.initial(*name, pruning.dense_widths(features, weights).tolist(), shard.seed)
    return [
        batch("fresh", sparsity, pruning.fresh(*name, widths, shard.seed), kept),
        batch("dense", sparsity, narrow, pruning.whole(narrow)),
    ]


def table(run: Run, regime: str, criterion: Criterion, found: Batch) -> pd.DataFrame:
    """What a batch scores, and what its masks leave: columns as those of `measures.pruned`."""
    networks = pruning.apply(found.networks, found.kept)
    columns = facts(criterion, regime) | {"control": found.rows.control}
    values = evaluated(networks, run.shard.scored)
    values |= left(networks, found.kept, run.shard.split.lit)
    return found.rows.drop(columns="control").assign(
        **columns, **{name: plain(value) for name, value in values.items()}
    )


def fine_tuned(run: Run, criterion: Criterion, sparsities: Sequence[float], steps: int) -> Frames:
    """Pruning in one shot and training on, for `steps`; columns of `pruned`.

    Both regimes: before that training ("one_shot") and after it ("fine_tuned"), beside the
    controls, of which "fresh" and "dense" are trained by the whole protocol first. Sparsity 0 is
    the dense network, which "fine_tuned" trains on for as long as the others.
    """
    networks, levels = run.networks, (0.0, *sparsities)
    masks = list(zip(levels, masks_at(run, levels, criterion), strict=True))
    batches = [batch("none", sparsity, networks, kept) for sparsity, kept in masks]
    batches += [each for at in masks[1:] for each in other_masks(run, networks, *at)]
    begin = gathered([each for at in masks[1:] for each in other_weights(run, *at)])
    found = gathered([*batches, train(run, begin)])
    tuned = fine_tune(run, found, steps)
    yield table(run, "one_shot", criterion, found)
    yield table(run, "fine_tuned", criterion, tuned)


def rewound(run: Run, criterion: Criterion, sparsities: Sequence[float]) -> pd.DataFrame:
    """Pruning and training again from the initial weights, beside the controls; as `pruned`.

    In rounds (`rounds`) by a criterion that scores trained weights. Any other needs no round: its
    masks are cut at the start, and the weights on them trained once, as its paper does. Sparsity 0
    is the dense network. The controls are trained by the whole protocol from initial weights.
    """
    begin = run.shard.initial()
    batches = [batch("none", 0.0, run.networks, pruning.whole(run.networks))]
    upcoming = []
    if not pruning.METHODS[criterion.method].at_start:
        met = [each for each in rounds(run, sparsities, criterion) if each.sparsity in sparsities]
        batches += [batch("none", each.sparsity, each.networks, each.kept) for each in met]
        masks = [(each.sparsity, each.kept) for each in met]
    else:
        masks = list(zip(sparsities, masks_at(run, sparsities, criterion), strict=True))
        upcoming = [batch("none", sparsity, begin, kept) for sparsity, kept in masks]
    for at in masks:
        upcoming += [*other_masks(run, begin, *at), *other_weights(run, *at)]
    return table(run, "rewound", criterion, gathered([*batches, train(run, gathered(upcoming))]))
