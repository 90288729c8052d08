"""What the explorer shows: an image, clean and corrupted, and two networks' answers and maps of it.

The two are a trained network and what pruning leaves of it. What can be chosen is what notebook 05
has trained, and whatever there is of corruptions and of kinds of map.
"""

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from lib import pruning, saliency, seeds, study, tasks
from lib.errors import UserError, unknown
from lib.networks.population import Population
from lib.output import figures
from lib.output.figures.panel import draw
from lib.pruning import Criterion
from lib.robustness import corruptions
from lib.study import Shard, plan
from lib.study.backends import Machine
from lib.study.plan import Settings
from lib.tasks import Rows

SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""The sparsities on offer, beside the notebook's own."""


@dataclass(frozen=True)
class Choice:
    """What to look at.

    reading: how the sparsity is read, a name in `pruning.READINGS`. row: a place among the rows
    that the protocol is scored on. method: the kind of map, a name in `saliency.METHODS`.
    """

    task: str
    protocol: str
    width: int
    sparsity: float
    reading: str
    row: int
    corruption: str
    severity: int
    method: str


@dataclass(frozen=True)
class Panel:
    """A choice as a picture (PNG), and the answers in it as words."""

    picture: bytes
    words: str

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {"image/png": b64encode(self.picture).decode(), "text/plain": self.words}


def networks(settings: Settings) -> list[Shard]:
    """The networks on offer: those that notebook 05 compares, of each protocol's first seed."""
    first = {protocol: each[:1] for protocol, each in settings["seeds"].items()}
    shards = plan.networks({**settings, "seeds": first})
    where = {name: settings[name] for name in ("device", "scheduler")}
    return study.placed(shards, Machine(**where))


def offered(settings: Settings) -> dict[str, list[Any]]:
    """What each part of a choice may be, by its name."""
    shards = networks(settings)
    return {
        "task": list(dict.fromkeys(shard.task for shard in shards)),
        "protocol": list(settings["seeds"]),
        "width": list(shards[0].widths),
        "sparsity": sorted({*SPARSITIES, settings["sparsity"]}),
        "reading": list(pruning.READINGS),
        "row": list(range(settings["rows"])),
        "corruption": list(corruptions.CORRUPTIONS),
        "severity": [0, *corruptions.SEVERITIES],
        "method": list(saliency.METHODS),
    }


def choice(settings: Settings, **given: Any) -> Choice:
    """A choice: what is given, else the notebook's own pair, width and sparsity, or the usual.

    Raises `UserError` where something is given that is no part of a choice, or not on offer.
    """
    may_be = offered(settings)
    own = {name: settings[name] for name in ("task", "width", "sparsity")}
    usual = {"protocol": "converged", "severity": 3}
    values = {name: of_it[0] for name, of_it in may_be.items()} | usual | own | given
    for name, value in values.items():
        if name not in may_be:
            raise unknown("part of a choice", name, may_be)
        if value not in may_be[name]:
            raise unknown(name, value, may_be[name])
    return Choice(**values)


@lru_cache
def loaded(shard: Shard) -> tuple[Population, Rows]:
    """The networks of a shard, trained where the store has them not, and the rows to look at."""
    study.train([shard], Machine(device=shard.device))
    return study.load_shard(shard).networks, shard.scored


def panel(settings: Settings, chosen: Choice) -> Panel:
    """What a choice looks like. Raises `UserError` where the pair has fewer rows than asked for."""
    here = chosen.task, chosen.protocol
    [shard] = [s for s in networks(settings) if (s.task, s.protocol.name) == here]
    run, rows = loaded(shard)
    if chosen.row >= len(rows):
        raise UserError(f"there is no row {chosen.row}: {shard} is scored on {len(rows)} rows")
    dense = run.network(shard.widths.index(chosen.width))
    pruned = pruning.prune(dense, chosen.sparsity, Criterion(reading=chosen.reading))
    both = {"dense": dense, "pruned": pruned}

    label, images = int(rows.labels[chosen.row]), seen(shard, rows.images[[chosen.row]], chosen)
    answers = {name: answered(shard.task, one, images, label) for name, one in both.items()}
    maps = {name: saliency.maps(one, images, chosen.method)[0] for name, one in both.items()}
    digits, under = tasks.digits(shard.task), conditions(chosen)
    figure = draw(images, maps, answers, under, digits)
    title = f"{shard}, width {chosen.width}: row {chosen.row} is a {digits[label]}."
    told = [
        f"{condition}: {'; '.join(f'{name} {answers[name][place]}' for name in both)}."
        for place, condition in enumerate(under)
    ]
    return Panel(figures.png(figure), "\n".join([title, *told]))


def seen(shard: Shard, image: torch.Tensor, chosen: Choice) -> torch.Tensor:
    """An image (1, 784), and below it the same corrupted: (2, 784), the same at every look."""
    what = chosen.corruption, chosen.severity
    own = seeds.generator(shard.dataset, shard.task, "explorer", *what, shard.seed, chosen.row)
    return torch.cat([image, corruptions.corrupt(image, *what, own)])


def conditions(chosen: Choice) -> list[str]:
    """How the two images are called: the clean one, and the corrupted one with its own unit."""
    name, severity = chosen.corruption.replace("_", " "), chosen.severity
    amount = corruptions.amount(chosen.corruption, severity)
    return ["clean", f"{name}, severity {severity} ({amount:g})"]


def answered(task: str, network: Population, images: torch.Tensor, label: int) -> list[str]:
    """What one network answers to each image, and how probable it finds the larger digit."""
    low_high, [logits] = tasks.digits(task), network.logits(images)
    return [
        f"answers {low_high[logit >= 0]}{'' if (logit >= 0) == label else ' (wrong)'},"
        f" Pr({low_high[1]}) = {logit.sigmoid():.3f}"
        for logit in logits
    ]
