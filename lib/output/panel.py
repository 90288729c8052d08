"""What the explorer shows: an image, clean and corrupted, and two networks' answers and maps of it.

The two are a trained network and what pruning leaves of it. What can be chosen is what notebook 05
has trained, and whatever there is of corruptions and of kinds of map.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
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
from lib.study import Machine, Shard
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


@dataclass(frozen=True)
class Offer:
    """What there is to choose from.

    shards: by task and protocol; may_be: what each part of a choice may be, by its name; usual: the
    parts that a choice has where nothing else is said.
    """

    shards: Mapping[tuple[str, str], Shard]
    may_be: Mapping[str, list[Any]]
    usual: Mapping[str, Any]


def offer(shards: Iterable[Shard], settings: Mapping[str, Any]) -> Offer:
    """The networks of each protocol's first seed among these shards; settings: of notebook 05."""
    here = Machine(**{name: settings[name] for name in ("device", "scheduler")})
    of_first_seed: dict[tuple[str, str], Shard] = {}
    for shard in study.placed(list(shards), here):
        of_first_seed.setdefault((shard.task, shard.protocol.name), shard)
    may_be: dict[str, list[Any]] = {
        "task": list(dict.fromkeys(task for task, _ in of_first_seed)),
        "protocol": list(dict.fromkeys(protocol for _, protocol in of_first_seed)),
        "width": list(next(iter(of_first_seed.values())).widths),
        "sparsity": sorted({*SPARSITIES, settings["sparsity"]}),
        "reading": list(pruning.READINGS),
        "row": list(range(settings["rows"])),
        "corruption": list(corruptions.CORRUPTIONS),
        "severity": [0, *corruptions.SEVERITIES],
        "method": list(saliency.METHODS),
    }
    own = {name: settings[name] for name in ("task", "width", "sparsity")}
    first = {name: values[0] for name, values in may_be.items()}
    return Offer(of_first_seed, may_be, first | {"protocol": "converged", "severity": 3} | own)


def choice(offered: Offer, **given: Any) -> Choice:
    """A choice: what is given, else the notebook's own pair, width and sparsity, or the usual.

    Raises `UserError` where something is given that is no part of a choice, or not on offer.
    """
    values = {**offered.usual, **given}
    for name, value in values.items():
        if name not in offered.may_be:
            raise unknown("part of a choice", name, offered.may_be)
        if value not in offered.may_be[name]:
            raise unknown(name, value, offered.may_be[name])
    return Choice(**values)


@lru_cache
def loaded(shard: Shard) -> tuple[Population, Rows]:
    """The networks of a shard, trained where the store has them not, and the rows to look at."""
    study.train([shard], Machine(device=shard.device))
    return study.load_shard(shard).networks, shard.scored


def panel(offered: Offer, chosen: Choice) -> Panel:
    """What a choice looks like. Raises `UserError` where the pair has fewer rows than asked for."""
    shard = offered.shards[chosen.task, chosen.protocol]
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
