"""The networks of shards, trained or loaded by what they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib.networks import training
from lib.networks.population import FIELDS, Population, stack
from lib.networks.training import Curves
from lib.study import backends, store
from lib.study.backends import HERE, Machine, available
from lib.study.shard import Shard
from lib.tasks import Split


@dataclass(frozen=True)
class Run:
    """A shard with its trained networks, in the order of its widths, and their curves.

    curves: by name, (points, networks), at the steps of `training.points`.
    """

    shard: Shard
    networks: Population
    curves: Curves


def train(wanted: Sequence[Shard], machine: Machine = HERE) -> list[Shard]:
    """Train whatever of these shards the store does not hold, where `machine` says.

    Returns the shards as they are kept, with their kind of device. A GPU of this machine is kept
    busy by one process. What is finished is kept when a run is interrupted. Raises as `available`,
    where there is something to train here, and as `backends.as_completed` does.
    """
    wanted = placed(wanted, machine)
    todo = together(shard for shard in dict.fromkeys(wanted) if missing_widths(shard))
    if todo and not machine.scheduler and available(todo[0][0].device) == "cuda":
        machine = replace(machine, jobs=1)
    backends.run(train_shards, [(group[-1], group) for group in todo], machine, "training")
    return wanted


def placed(wanted: Sequence[Shard], machine: Machine) -> list[Shard]:
    """These shards as `machine` trains them: with its kind of device."""
    return [replace(shard, device=machine.kind) for shard in wanted]


def together(wanted: Iterable[Shard]) -> list[list[Shard]]:
    """These shards in groups that one training serves, by rising steps.

    Full-batch gradient descent at a constant rate knows nothing of how long it will go on: what it
    has made after fewer steps are the networks of the shorter training.
    """
    groups: dict[object, list[Shard]] = {}
    for shard in sorted(wanted, key=lambda shard: shard.protocol.steps):
        alike = replace(shard, protocol=replace(shard.protocol, steps=0))
        groups.setdefault(alike if is_passed_through(shard) else shard, []).append(shard)
    return list(groups.values())


def is_passed_through(shard: Shard) -> bool:
    """Whether a longer training has these networks on its way."""
    return shard.protocol.batch is None and shard.protocol.schedule == "constant"


def missing_widths(shard: Shard) -> list[int]:
    """The widths of a shard that the store does not hold."""
    held = {width for kept in store.networks(shard.folder) for width in kept["widths"].tolist()}
    return [width for width in shard.widths if width not in held]


def train_shards(longest: Shard, group: Sequence[Shard]) -> None:
    """Train the networks of a group that the store does not hold, and put them into it.

    longest: the last of the group, by which it is called. Another run on the same store may have
    trained any of them since they were found missing.
    """
    missing = {shard: widths for shard in group if (widths := missing_widths(shard))}
    if not missing:
        return
    widths = sorted({width for each in missing.values() for width in each})
    wanted = {shard.protocol.steps: shard for shard in missing}
    through = replace(wanted[max(wanted)], widths=tuple(widths))
    for steps, networks, curves in train_networks(through, wanted):
        tensors = {name: getattr(networks, name) for name in FIELDS}
        tensors |= {f"curve.{name}": values for name, values in curves.items()}
        name = "w" + "-".join(map(str, widths))
        store.put_networks(wanted[steps].folder, name, tensors | {"widths": torch.tensor(widths)})


def train_networks(shard: Shard, stops: Iterable[int]) -> Iterable[tuple[int, Population, Curves]]:
    """The networks of a shard as they are after each of these numbers of steps, and their curves.

    They are trained on the shard's device. Raises as `available` does.
    """
    device = available(shard.device)
    parts = (getattr(shard.split, part).to(device) for part in ("train", "held_out", "test"))
    begin = shard.initial().to(device)
    return training.passing(begin, Split(*parts), shard.protocol, shard.order(), stops=[*stops])


def load_shard(shard: Shard) -> Run:
    """The trained networks of a shard from the store; all its widths must be there."""
    singles: dict[int, tuple[Population, Curves]] = {}
    for kept in store.networks(shard.folder):
        networks = population_of(kept)
        curves = {k.removeprefix("curve."): v for k, v in kept.items() if k.startswith("curve.")}
        for place, width in enumerate(kept["widths"].tolist()):
            own = {name: values[:, place] for name, values in curves.items()}
            singles[width] = networks.network(place), own
    chosen = [singles[width] for width in shard.widths]
    curves = {name: torch.stack([own[name] for _, own in chosen], dim=1) for name in chosen[0][1]}
    return Run(shard, stack([network for network, _ in chosen]), curves)


def population_of(kept: dict[str, Tensor]) -> Population:
    """The networks in a file of the store."""
    return Population(*(kept[name] for name in FIELDS))


def tell_lost(wanted: Sequence[Shard]) -> None:
    """Print one sentence on the networks of a study that are not finite, where there are any."""
    wanted = list(dict.fromkeys(wanted))
    lost = [
        f"{shard} width {width}"
        for shard in wanted
        for kept in store.networks(shard.folder)
        for width, finite in zip(kept["widths"].tolist(), population_of(kept).finite, strict=True)
        if width in shard.widths and not finite
    ]
    if lost:
        print(
            f"{len(lost)} of {sum(len(shard.widths) for shard in wanted)} networks are not finite"
            f" ({lost[0]}{', ...' if len(lost) > 1 else ''}): their scores are NaN and count in no"
            " mean"
        )
