"""Tables measured on the networks of a study: a run in, a table out."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib import ROOT
from lib.networks.population import FIELDS, Population
from lib.study import backends, store
from lib.study.backends import HERE, Machine
from lib.study.shard import Shard, code
from lib.study.trained import Run, load_shard, population_of, tell_lost, train

Measure = Callable[..., pd.DataFrame | Iterable[pd.DataFrame]]
"""measure(run, **options): one table or several, each with a column `network`, the place of a
network in its run."""


def table(
    wanted: Sequence[Shard],
    measure: Measure,
    machine: Machine = HERE,
    keep: bool = False,
    by_protocol: Mapping[str, Mapping[str, object]] | None = None,
    **options: object,
) -> pd.DataFrame:
    """One tidy table of what `measure` says of every shard's networks, in the order of the shards.

    The column `network` becomes dataset, task, protocol, width, seed, which come first.
    by_protocol: options that differ by protocol, each a value by the protocol's name; None where
    it names none. With `keep` the store keeps the table of each shard: for measures that take long,
    as they train. Prints how many networks are not finite, where there are any.
    """
    wanted = train(wanted, machine)
    tell_lost(wanted)
    work = [
        (shard, measure, options | of_protocol(shard.protocol.name, by_protocol or {}))
        for shard in wanted
    ]
    parts = backends.run(kept if keep else measured, work, machine, measure.__name__)
    return pd.concat(parts, ignore_index=True)


def tables(
    groups: Mapping[Any, Sequence[Shard]],
    names: Sequence[str],
    measure: Measure,
    machine: Machine = HERE,
    **options: Any,
) -> pd.DataFrame:
    """The `table` of several groups of shards, with what each group is called in columns `names`.

    groups: by one value, or by a tuple of as many as there are names. All are trained at once, so
    that a longer training passes through the shorter ones.
    """
    train([shard for wanted in groups.values() for shard in wanted], machine)
    parts = []
    for key, wanted in groups.items():
        called = dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))
        parts.append(table(wanted, measure, machine, **options).assign(**called))
    return pd.concat(parts, ignore_index=True)


def of_protocol(name: str, options: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """Options by protocol as those of one protocol."""
    return {option: values.get(name) for option, values in options.items()}


def asked(run: Run, measure: Measure, *given: object, **options: object) -> pd.DataFrame:
    """What `measure` says of one run, in one table."""
    said = measure(run, *given, **options)
    return pd.concat([said] if isinstance(said, pd.DataFrame) else said, ignore_index=True)


def measured(shard: Shard, measure: Measure, options: Mapping[str, object]) -> pd.DataFrame:
    """What `measure` says of one shard, with the identity of each network in front."""
    found = asked(load_shard(shard), measure, **options)
    place = found.pop("network")
    return shard.identity().iloc[place].reset_index(drop=True).join(found)


def kept(shard: Shard, measure: Measure, options: Mapping[str, object]) -> pd.DataFrame:
    """As `measured`, from the store where it is there; else it is there afterwards."""
    folder = folder_of(shard, measure, options)
    for found in store.tables(folder):
        return found
    found = measured(shard, measure, options)
    store.put_table(folder, measure.__name__, found)
    return found


def kept_networks(run: Run, make: Callable[..., Population], **options: object) -> Population:
    """What `make(run, **options)` makes of a run's networks, from the store where it is there.

    Else it is there afterwards.
    """
    folder = folder_of(run.shard, make, options)
    for found in store.networks(folder):
        return population_of(found)
    made = make(run, **options)
    store.put_networks(folder, make.__name__, {name: getattr(made, name) for name in FIELDS})
    return made


def folder_of(shard: Shard, function: Callable[..., Any], options: Mapping[str, object]) -> str:
    """Where the store keeps what a function says of a shard's networks, or makes of them."""
    facts = function.__name__, options, shard.widths, code(rests_on(function))
    return f"{shard.folder}-{store.digest(*facts)}".replace("networks/", "tables/", 1)


EVERYTHING = (
    *("measures", "networks", "pruning", "robustness", "saliency", "statistics", "tasks"),
    "seeds.py",
)
"""What a kept result may rest on at most."""


def rests_on(function: Callable[..., Any]) -> tuple[str, ...]:
    """The files that decide what a kept result is, beside the networks' own.

    The function's module, and what that names in `RESTS_ON`: files of lib, and folders with all in
    them. A module that names nothing rests on `EVERYTHING`: it is always right, and remade more
    often.
    """
    module = sys.modules[function.__module__]
    own = Path(str(module.__file__)).resolve()
    return (
        str(own.relative_to(ROOT / "lib") if own.is_relative_to(ROOT / "lib") else own),
        *getattr(module, "RESTS_ON", EVERYTHING),
    )
