"""The networks of a study, trained or loaded by what they are, and tables measured on them.

A shard is one data set, task, protocol and seed, with all its widths: the networks that share
their rows. Shards are independent of one another, and each is on disk as soon as it is trained.
"""

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import ROOT, seeds, tasks
from lib.errors import unknown
from lib.networks import layers, population, products, protocols, scores, training
from lib.networks.population import FIELDS, Population, stack
from lib.networks.protocols import PROTOCOLS, Protocol
from lib.study import backends, store
from lib.study.backends import HERE, Machine, available
from lib.tasks import SPLITS, Rows, Split, datasets

CODE = (datasets, layers, population, products, protocols, scores, seeds, tasks, training)
"""The modules whose code decides what a trained network is."""


@lru_cache
def code() -> str:
    """The hash of that code, and of the versions of what it stands on, taken once a process."""
    files = store.code_hash(Path(str(module.__file__)) for module in CODE)
    return store.digest(files, torch.__version__, np.__version__)


IDENTITY = ["dataset", "task", "protocol", "width", "seed"]


@lru_cache(maxsize=2)
def split_of(dataset: str, task: str, kind: str, seed: int, limit: int | None) -> Split:
    """The rows of a task, divided in the way that `kind` names."""
    return SPLITS[kind](datasets.load(dataset), task, seed, limit)


@dataclass(frozen=True)
class Shard:
    """What a group of networks is.

    limit: the most rows of the pair, None for all of them. device: the kind that trains them, "cpu"
    or "cuda": rounding differs between the two, and so what a network becomes.
    """

    dataset: str
    task: str
    protocol: Protocol
    widths: tuple[int, ...]
    seed: int
    limit: int | None = None
    device: str = "cpu"

    def __str__(self) -> str:
        return f"{self.dataset} {self.task} {self.protocol.name} seed {self.seed}"

    @property
    def split(self) -> Split:
        """The rows of this shard; only the latest few are kept in memory."""
        return split_of(self.dataset, self.task, self.protocol.split, self.seed, self.limit)

    @property
    def scored(self) -> Rows:
        """The rows on which this protocol's scores are reported."""
        return getattr(self.split, self.protocol.scored_on)

    @property
    def folder(self) -> str:
        """Where the store keeps these networks: readable, and unique by a hash."""
        facts = asdict(self)
        del facts["widths"]
        key = store.digest(facts, datasets.load(self.dataset).checksum, code())
        return f"networks/{self.dataset}/{self.protocol.name}/{self.task}/seed{self.seed}-{key}"

    def identity(self) -> pd.DataFrame:
        """One row a network: dataset, task, protocol, width, seed."""
        rows = [(self.dataset, self.task, self.protocol.name, w, self.seed) for w in self.widths]
        return pd.DataFrame(rows, columns=IDENTITY)


@dataclass(frozen=True)
class Run:
    """A shard with its trained networks, in the order of its widths, and their curves.

    curves: by name, (points, networks), at the steps of `training.points`.
    """

    shard: Shard
    networks: Population
    curves: dict[str, Tensor]


def shards(
    dataset: str,
    tasks: Sequence[str],
    seeds: dict[str, list[int]],
    widths: Sequence[int],
    limit: int | None = None,
    **changes: object,
) -> list[Shard]:
    """Every shard of a study; `seeds` gives the seeds of each protocol by its name.

    `changes` replace fields of the protocols, such as `learning_rate`. Raises `UserError` for an
    unknown protocol.
    """
    chosen = {name: changed(name, **changes) for name in seeds}
    return [
        Shard(dataset, task, chosen[name], tuple(widths), seed, limit)
        for name, each in seeds.items()
        for task in tasks
        for seed in each
    ]


def changed(name: str, **changes: object) -> Protocol:
    """The protocol of that name, with some of its fields replaced."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return Protocol(**{**asdict(PROTOCOLS[name]), **changes})


def lost_networks(wanted: Sequence[Shard]) -> list[str]:
    """The networks of these shards that training left with a weight that is not finite."""
    return [
        f"{shard} width {width}"
        for shard in dict.fromkeys(wanted)
        for tensors, facts in store.get(shard.folder)
        for width, finite in zip(facts["widths"], population_of(tensors).finite, strict=True)
        if width in shard.widths and not finite
    ]


def population_of(tensors: dict[str, Tensor]) -> Population:
    """The networks of an entry of the store."""
    return Population(*(tensors[name] for name in FIELDS))


def tell_lost(wanted: Sequence[Shard]) -> None:
    """Print one sentence on the networks of a study that are not finite, where there are any."""
    if lost := lost_networks(wanted):
        number = sum(len(shard.widths) for shard in dict.fromkeys(wanted))
        print(
            f"{len(lost)} of {number} networks are not finite ({lost[0]}"
            f"{', ...' if len(lost) > 1 else ''}): their scores are NaN and count in no mean"
        )


def missing_widths(shard: Shard) -> list[int]:
    """The widths of a shard that the store does not hold."""
    held = {width for _, facts in store.get(shard.folder) for width in facts["widths"]}
    return [width for width in shard.widths if width not in held]


def train_shard(shard: Shard, widths: Sequence[int]) -> None:
    """Train those of these widths that the store still does not hold, and put them into it.

    Another run on the same store may have trained them since they were found missing.
    """
    widths = [width for width in missing_widths(shard) if width in widths]
    if not widths:
        return
    end, curves = train_networks(shard, widths)
    tensors = {name: getattr(end, name) for name in FIELDS} | {
        f"curve.{name}": values for name, values in curves.items()
    }
    name = "w" + "-".join(map(str, widths))
    store.put(shard.folder, name, tensors, {"widths": widths})


def train_networks(shard: Shard, widths: Sequence[int]) -> tuple[Population, dict[str, Tensor]]:
    """The networks of a shard with these widths, trained on its device, and their curves.

    They go on from where the store's longest shorter training of theirs ended (`begun`). Raises as
    `available` does.
    """
    device = available(shard.device)
    order = seeds.generator(shard.dataset, shard.task, "order", shard.seed)
    split = Split(*(getattr(shard.split, p).to(device) for p in ("train", "held_out", "test")))
    protocol = shard.protocol
    if (shorter := begun(shard, widths)) is None:
        begin = protocols.initial(protocol, shard.dataset, shard.task, list(widths), shard.seed)
        return training.train(begin.to(device), split, protocol, order)
    run = load_shard(shorter)
    rest = replace(protocol, steps=protocol.steps - shorter.protocol.steps)
    end, curves = training.train(run.networks.to(device), split, rest, order)
    return end, {name: torch.cat([run.curves[name][:-1], v.cpu()]) for name, v in curves.items()}


def begun(shard: Shard, widths: Sequence[int]) -> Shard | None:
    """The longest training of these networks with fewer steps that the store holds, if any.

    Full-batch gradient descent has no state but its weights, so that going on from there gives the
    same bytes as training in one go, curves included. Any other training begins anew.
    """
    if not is_continuable(shard.protocol):
        return None
    for steps in range(shard.protocol.steps - 1, 0, -1):
        shorter = replace(
            shard, protocol=replace(shard.protocol, steps=steps), widths=tuple(widths)
        )
        if not missing_widths(shorter):
            return shorter
    return None


def is_continuable(protocol: Protocol) -> bool:
    """Whether nothing but the weights is carried from one step to the next."""
    alike = protocol.batch is None and protocol.schedule == "constant"
    return alike and protocol.optimiser == "sgd"


def load_shard(shard: Shard) -> Run:
    """The trained networks of a shard from the store; all its widths must be there."""
    singles: dict[int, tuple[Population, dict[str, Tensor]]] = {}
    for tensors, facts in store.get(shard.folder):
        kept = population_of(tensors)
        curves = {k.removeprefix("curve."): v for k, v in tensors.items() if "curve." in k}
        for place, width in enumerate(facts["widths"]):
            one = {name: values[:, place] for name, values in curves.items()}
            singles[width] = kept.network(place), one
    chosen = [singles[width] for width in shard.widths]
    names = chosen[0][1]
    joined = {name: torch.stack([curves[name] for _, curves in chosen], dim=1) for name in names}
    return Run(shard, stack([network for network, _ in chosen]), joined)


def placed(wanted: Sequence[Shard], machine: Machine) -> list[Shard]:
    """These shards as `machine` trains them: with its kind of device."""
    return [replace(shard, device=machine.kind) for shard in wanted]


def train(wanted: Sequence[Shard], machine: Machine = HERE) -> list[Shard]:
    """Train whatever of these shards the store does not hold, where `machine` says.

    Returns the shards as they are kept, with their kind of device. A GPU of this machine is kept
    busy by one process. What is finished is kept when a run is interrupted. Raises as `available`,
    where there is something to train here, and as `backends.as_completed` does.
    """
    wanted = placed(wanted, machine)
    todo = [(shard, widths) for shard in wanted if (widths := missing_widths(shard))]
    if todo and not machine.scheduler and available(todo[0][0].device) == "cuda":
        machine = replace(machine, jobs=1)
    backends.run(train_shard, todo, machine, "training")
    return wanted


def table(
    wanted: Sequence[Shard],
    measure: Callable[..., pd.DataFrame],
    machine: Machine = HERE,
    keep: bool = False,
    **options: object,
) -> pd.DataFrame:
    """One tidy table of what `measure` says of every shard's networks, in the order of the shards.

    `measure(run, **options)` returns a table with a column `network`, the place of a network in its
    run; here it becomes the columns dataset, task, protocol, width, seed, which come first. With
    `keep` the store keeps the table of each shard: for measures that take long, as they train.
    Prints how many networks are not finite, where there are any.
    """
    wanted = train(wanted, machine)
    tell_lost(wanted)
    work = [(shard, measure, options) for shard in wanted]
    function = kept if keep else measured
    return pd.concat(backends.run(function, work, machine, measure.__name__), ignore_index=True)


def measured(
    shard: Shard, measure: Callable[..., pd.DataFrame], options: dict[str, object]
) -> pd.DataFrame:
    """What `measure` says of one shard, with the identity of each network in front."""
    found = measure(load_shard(shard), **options).reset_index(drop=True)
    place = found.pop("network")
    return shard.identity().iloc[place].reset_index(drop=True).join(found)


def kept(
    shard: Shard, measure: Callable[..., pd.DataFrame], options: dict[str, object]
) -> pd.DataFrame:
    """As `measured`, from the store where it is there; else it is there afterwards."""
    folder = folder_of(shard, measure, options)
    for _, entry in store.get(folder):
        return pd.DataFrame(dict(entry["columns"]))
    columns = measured(shard, measure, options).to_dict("list")
    store.put(folder, measure.__name__, {}, {"columns": list(columns.items())})
    return pd.DataFrame(columns)


def kept_networks(run: Run, make: Callable[..., Population], **options: object) -> Population:
    """What `make(run, **options)` makes of a run's networks, from the store where it is there.

    Else it is there afterwards.
    """
    folder = folder_of(run.shard, make, options)
    for tensors, _ in store.get(folder):
        return population_of(tensors)
    made = make(run, **options)
    store.put(folder, make.__name__, {name: getattr(made, name) for name in FIELDS}, {})
    return made


def folder_of(shard: Shard, function: Callable[..., object], options: dict[str, object]) -> str:
    """Where the store keeps what a function says of a shard's networks, or makes of them."""
    facts = function.__name__, options, shard.widths, code_of(function)
    return f"{shard.folder}-{store.digest(*facts)}".replace("networks/", "tables/", 1)


MACHINERY = ("study", "store", "backends")
"""The modules that hand out work and keep what comes of it, and decide nothing about it."""


@lru_cache
def code_of(function: Callable[..., object]) -> str:
    """The hash of the code that a kept result rests on: that of its module and all it imports."""
    found: set[Path] = set()
    todo = [Path(inspect.getfile(function))]
    while todo:
        if (path := todo.pop()) not in found:
            found.add(path)
            todo += imported(path)
    return store.code_hash(sorted(found))


def imported(path: Path) -> list[Path]:
    """The files of `lib` that a module imports, without `MACHINERY`; of a package all its files."""
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == "lib":
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
            names.append(str(node.module).removeprefix("lib."))
    places = [ROOT / "lib" / name.replace(".", "/") for name in names if name not in MACHINERY]
    files = [place.with_suffix(".py") for place in places] + [
        p for d in places for p in d.glob("*.py")
    ]
    return [file for file in files if file.is_file()]
