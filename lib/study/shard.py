"""What a group of networks is: one data set, task, protocol and seed, with all its widths.

The networks of a shard share their rows, and so are trained at once. Shards are independent of one
another. All randomness about a shard comes by name from its methods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from lib import ROOT, seeds
from lib.errors import unknown
from lib.networks import protocols
from lib.networks.population import Population
from lib.networks.protocols import PROTOCOLS, Protocol
from lib.study import store
from lib.tasks import SPLITS, Rows, Split, datasets

CODE = (
    "seeds.py",
    *("tasks/datasets.py", "tasks/pairs.py"),
    *("networks/layers.py", "networks/population.py", "networks/products.py"),
    *("networks/protocols.py", "networks/scores.py", "networks/training.py"),
)
"""The files of lib that decide what a trained network is, word for word."""


@lru_cache
def code(files: Sequence[str] = CODE) -> str:
    """The hash of these files of lib, or of all in a folder, and of the versions they stand on.

    Taken once a process. A comment that changes counts too: better trained anew than wrong.
    """
    places = [ROOT / "lib" / name for name in files]
    paths = [path for place in places for path in sorted([place, *place.glob("**/*.py")])]
    hashed = store.code_hash(path for path in paths if path.is_file())
    return store.digest(hashed, torch.__version__, np.__version__)


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
        facts = asdict(replace(self, widths=()))
        key = store.digest(facts, datasets.load(self.dataset).checksum, code())
        return f"networks/{self.dataset}/{self.protocol.name}/{self.task}/seed{self.seed}-{key}"

    def identity(self) -> pd.DataFrame:
        """One row a network: dataset, task, protocol, width, seed."""
        rows = [(self.dataset, self.task, self.protocol.name, w, self.seed) for w in self.widths]
        return pd.DataFrame(rows, columns=IDENTITY)

    def initial(self) -> Population:
        """The networks before training, each by its own name."""
        return protocols.initial(
            self.protocol, self.dataset, self.task, list(self.widths), self.seed
        )

    def generator(self, *purpose: object) -> torch.Generator:
        """A generator for all networks of this task and seed, under any protocol alike."""
        return seeds.generator(self.dataset, self.task, *purpose, self.seed)

    def order(self) -> torch.Generator:
        """The order in which the networks meet their rows."""
        return self.generator("order")

    def draws(self, *purpose: object) -> list[torch.Generator]:
        """A generator for each network, which no other shares."""
        name = (self.dataset, self.task, self.protocol.name, *purpose, self.seed)
        return [seeds.generator(*name, width) for width in self.widths]

    def next_of(self, order: Sequence[int]) -> "Shard | None":
        """The shard of the seed after this one in `order`, the first after the last.

        None where there is no other: a network would be set beside itself, and be wholly like it.
        """
        following = order[(order.index(self.seed) + 1) % len(order)]
        return None if following == self.seed else replace(self, seed=following)


def shards(
    dataset: str,
    tasks: Sequence[str],
    seeds: Mapping[str, Sequence[int]],
    widths: Sequence[int],
    limit: int | None = None,
    **changes: object,
) -> list[Shard]:
    """Every shard of a study; `seeds` gives the seeds of each protocol by its name.

    Widths are put in rising order, each once. `changes` replace fields of the protocols, such as
    `learning_rate`. Raises `UserError` for an unknown protocol.
    """
    chosen = {name: changed(name, **changes) for name in seeds}
    return [
        Shard(dataset, task, chosen[name], tuple(sorted({*widths})), seed, limit)
        for name, each in seeds.items()
        for task in tasks
        for seed in each
    ]


def changed(name: str, **changes: object) -> Protocol:
    """The protocol of that name, with some of its fields replaced."""
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return Protocol(**{**asdict(PROTOCOLS[name]), **changes})
