"""Tables of notebook 04: scores on corrupted images."""

from collections.abc import Sequence
from itertools import product

import pandas as pd
import torch

from lib import seeds, tasks
from lib.measures.base import PIXELS, Frames, frame
from lib.networks.perturbed import occluded_everywhere
from lib.networks.scores import scores
from lib.robustness.corruptions import SEVERITIES, amount, corrupt
from lib.study import IDENTITY, Run
from lib.tasks import datasets

RESTS_ON = (
    *("measures/base.py", "networks/neurons.py", "networks/perturbed.py", "pruning"),
    *("robustness/corruptions.py", "robustness/moved.py", "robustness/overlaid.py"),
    "robustness/pixelwise.py",
)


def corrupted(run: Run, corruptions: Sequence[str]) -> Frames:
    """Every score by corruption and severity, 0 (clean) to 5.

    All widths of a seed see the same corrupted rows, which are drawn anew for each seed.
    """
    networks, rows, shard = run.networks, run.shard.scored, run.shard
    for name, severity in product(corruptions, (0, *SEVERITIES)):
        images = corrupt(rows.images, name, severity, shard.generator(name, severity))
        facts = {"corruption": name, "severity": severity, "amount": amount(name, severity)}
        found = scores(networks.logits(images), rows.labels)
        yield frame(len(networks), **facts, **found)


def occluded(run: Run, severity: int) -> Frames:
    """Every score clean (severity 0), and behind a black square: the mean over all its places.

    Rows as those of `corrupted`, of the corruption "occlusion_everywhere"; nothing is drawn.
    """
    networks, rows = run.networks, run.shard.scored
    side = amount("occlusion", severity)
    places = occluded_everywhere(networks, rows.images, int(side))
    at_each = [scores(logits, rows.labels) for logits in places]
    behind = {name: torch.stack([each[name] for each in at_each]).mean(0) for name in at_each[0]}
    clean = scores(networks.logits(rows.images), rows.labels)
    for level, unit, found in ((0, 0, clean), (severity, side, behind)):
        facts = {"corruption": "occlusion_everywhere", "severity": level, "amount": unit}
        yield frame(len(networks), **facts, **found)


def width_differences(networks: pd.DataFrame, wide: int, narrow: int) -> pd.DataFrame:
    """What `wide` networks have over `narrow` ones of the same seed, from a table of `corrupted`.

    Columns: the identity, corruption, severity, amount, quantity, difference. quantity "f1": wide
    less narrow; "loss", of the loss from the network's own clean F1: narrow less wide, so that
    above 0 the wide network is better in both. "loss" has no severity 0, where it is nothing.
    """
    same = ["dataset", "task", "protocol", "seed", "corruption"]
    clean = networks.f1.where(networks.severity == 0)
    clean = clean.groupby([networks[name] for name in [*same, "width"]]).transform("max")
    parts = []
    for quantity, value in {"f1": networks.f1, "loss": networks.f1 - clean}.items():
        by_width = networks.assign(value=value).pivot(
            index=[*same, "severity", "amount"], columns="width", values="value"
        )
        found = (by_width[wide] - by_width[narrow]).rename("difference").reset_index()
        parts.append(found.assign(quantity=quantity))
    both = pd.concat(parts, ignore_index=True)
    both = both[(both.quantity == "f1") | (both.severity > 0)].assign(
        width=wide, other_width=narrow
    )
    order = [*IDENTITY, "other_width", "corruption", "severity", "amount", "quantity", "difference"]
    return both[order].reset_index(drop=True)


def corruption_examples(
    dataset: str, pairs: Sequence[str], corruptions: Sequence[str]
) -> pd.DataFrame:
    """The first official test row of each digit of the tasks, clean and at each severity.

    Columns dataset, digit, corruption, severity, amount, and a column a pixel.
    """
    data = datasets.load(dataset)
    shown = sorted({digit for pair in pairs for digit in tasks.digits(pair)})
    first = [int((data.labels["test"] == digit).nonzero()[0]) for digit in shown]
    images, parts = datasets.pixels(data.images["test"][first]), []
    for name, severity in product(corruptions, (0, *SEVERITIES)):
        draw = seeds.generator(dataset, "examples", name, severity)
        facts = {"corruption": name, "severity": severity, "amount": amount(name, severity)}
        table = pd.DataFrame({"dataset": dataset, "digit": shown, **facts})
        values = corrupt(images, name, severity, draw).numpy()
        parts.append(table.join(pd.DataFrame(values, columns=PIXELS)))
    return pd.concat(parts, ignore_index=True)
