"""The pruner on the literature's own ground: LeNet-300-100 on the ten digits.

`python -m lib.beyond.calibration params/calibration` trains, prunes, and writes what leaves: a
figure with its table, and numbers for the paper. Weights are ranked as `lib.pruning` ranks them,
layer by layer; the rounds are those of Frankle & Carbin (2019), who take a fifth of the weights
that are left of each layer, and of the output layer a tenth.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from lib.beyond.lenet import (
    WEIGHTS,
    Masks,
    Recipe,
    State,
    accuracy,
    initial,
    masked,
    rows,
    trained,
    whole,
)
from lib.errors import UserError, told
from lib.output import figures
from lib.output.figures.calibration import by_remaining
from lib.output.report import Report
from lib.pruning import schedule
from lib.pruning.masking import order
from lib.seeds import generator
from lib.statistics import interval, summary
from lib.study import backends, contract, parameters
from lib.study.backends import Machine
from lib.tasks import published

SHARES = (0.2, 0.2, 0.1)
"""What a round takes of the weights that are left of each layer."""

ASKED, FLOOR = 0.05, 0.98
"""The share of the weights at which the pruner is judged, and the accuracy that it has to keep."""


class Calibration(contract.Parameters):
    """The parameters of a profile of the calibration.

    controls: the rounds beside which controls are trained; the others are described at
    `lib.beyond.lenet.Recipe`.
    """

    seeds: contract.Some[contract.Seed]
    rounds: Annotated[contract.Count, Field(le=100)]
    controls: Annotated[contract.Some[contract.Count], contract.at_most("rounds")]
    epochs: contract.Count
    batch: contract.Steps
    learning_rate: contract.Positive
    held_out: Annotated[
        contract.Steps, Field(le=50_000), contract.at_most("limit", lambda limit: limit - 1)
    ]


def read(folder: Path) -> dict[str, Any]:
    """The parameters of a profile of the calibration, `folder`/calibration.yaml, checked.

    Raises `UserError` where there are none, or one is unknown, missing, or not what it may be.
    """
    path = folder / "calibration.yaml"
    shown = str(parameters.relative(path))
    if not path.is_file():
        raise UserError(f"{shown} is missing: give params/calibration")
    values = parameters.read_yaml(path)
    parameters.refuse_unknown(values, Calibration.model_fields, shown, "the calibration")
    parameters.check(Calibration, values, lambda _: shown)
    if values["profile"] != folder.resolve().name:
        raise UserError(f"{shown}: profile must be {folder.resolve().name!r}, its folder's name")
    return values


def sparsities(step: int) -> list[float]:
    """The sparsity of each layer after a round; round 0 is dense."""
    return [[0.0, *schedule(step, share)][-1] for share in SHARES]


def largest(values: Sequence[Tensor], step: int) -> Masks:
    """The masks of a round: of each layer they leave out the int(sparsity * size) lowest scores.

    values: the scores of each layer, (outputs, inputs). Ties go by index.
    """
    return [
        order(layer.reshape(1, -1)).view_as(layer) >= int(sparsity * layer.numel())
        for layer, sparsity in zip(values, sparsities(step), strict=True)
    ]


def by_magnitude(state: State, kept: Masks, step: int) -> Masks:
    """The masks of a round by |weight|; what was left out before goes first."""
    pairs = zip(WEIGHTS, kept, strict=True)
    return largest([torch.where(mask, state[name].abs(), -1) for name, mask in pairs], step)


def at_random(dataset: str, seed: int, step: int) -> Masks:
    """Masks that keep as many weights of each layer as those of a round, drawn at random."""
    draws = generator(dataset, "lenet", "random mask", seed, step)
    return largest([torch.rand(mask.shape, generator=draws) for mask in whole()], step)


Sparse = tuple[int, Masks, Mapping[str, Any]]
"""A round, its masks, and the facts of the network that came of them (see `lenet.train`)."""


def rewound(recipe: Recipe, seed: int, steps: Sequence[int]) -> Iterator[Sparse]:
    """Iterative magnitude pruning with rewinding, from round 0, which is dense, to the last.

    Train; of the trained weights keep the largest; set them back to their initial values; again.
    """
    start = initial(recipe.dataset, seed)
    state, kept = start, whole()
    for step in range(max(steps) + 1):
        kept = by_magnitude(state, kept, step)
        state, facts = trained(recipe, seed, f"rewound-{step:02d}", start, kept)
        yield step, kept, facts


def dense(recipe: Recipe, seed: int) -> State:
    """The trained network that pruning in one shot begins from: round 0 of `rewound`."""
    return trained(recipe, seed, "rewound-00", initial(recipe.dataset, seed), whole())[0]


def one_shot(recipe: Recipe, seed: int, steps: Sequence[int]) -> Iterator[Sparse]:
    """The dense network pruned at once to the sparsity of each round, and not trained after."""
    state, (images, labels) = dense(recipe, seed), rows(recipe, seed).of("test")
    for step in steps:
        kept = by_magnitude(state, whole(), step)
        yield step, kept, {"accuracy": accuracy(masked(state, kept), images, labels)}


def fine_tuned(recipe: Recipe, seed: int, steps: Sequence[int]) -> Iterator[Sparse]:
    """As `one_shot`, and what is left trained on for as many epochs as a round has."""
    state = dense(recipe, seed)
    for step in steps:
        kept = by_magnitude(state, whole(), step)
        yield step, kept, trained(recipe, seed, f"fine_tuned-{step:02d}", state, kept)[1]


def random(recipe: Recipe, seed: int, steps: Sequence[int]) -> Iterator[Sparse]:
    """The initial weights trained on random masks."""
    start = initial(recipe.dataset, seed)
    for step in steps:
        kept = at_random(recipe.dataset, seed, step)
        yield step, kept, trained(recipe, seed, f"random-{step:02d}", start, kept)[1]


REGIMES = {"rewound": rewound, "one_shot": one_shot, "fine_tuned": fine_tuned, "random": random}
"""The ways to come to sparse networks from a seed."""

SCORES = ("accuracy", "accuracy_last", "accuracy_held_out", "epoch")
"""The facts that the table holds; NaN where nothing was trained."""


def measured(_: str, recipe: Recipe, seed: int, regime: str, steps: Sequence[int]) -> pd.DataFrame:
    """One row for each network of a seed and regime; the first argument names the task.

    weights: how many are left, biases not counted; remaining: their share.
    """
    size = sum(mask.numel() for mask in whole())
    found = []
    for step, kept, facts in REGIMES[regime](recipe, seed, steps):
        weights = sum(int(mask.sum()) for mask in kept)
        about = {"dataset": recipe.dataset, "seed": seed, "regime": regime, "round": step}
        of_facts = {name: facts.get(name, np.nan) for name in SCORES}
        found.append(about | {"weights": weights, "remaining": weights / size} | of_facts)
    return pd.DataFrame(found)


def table(values: Mapping[str, Any]) -> pd.DataFrame:
    """Every network of the calibration, one a row, as the parameters of `read` have it."""
    recipe = Recipe(**{field.name: values[field.name] for field in fields(Recipe)})
    every = range(1, values["rounds"] + 1)
    steps = dict.fromkeys(REGIMES, values["controls"]) | {"rewound": every, "one_shot": every}
    work = [
        (f"{regime} of seed {seed}", recipe, seed, regime, steps[regime])
        for regime in REGIMES
        for seed in values["seeds"]
    ]
    found = backends.run(measured, work, Machine(values["jobs"]), "calibrating")
    return pd.concat(found, ignore_index=True)


def beside(networks: pd.DataFrame) -> pd.DataFrame:
    """The published values: columns regime (their source), remaining, accuracy.

    A published change is added to the mean accuracy of our dense networks.
    """
    theirs = published.read("lenet_300_100").rename(columns={"source": "regime"})
    changed = networks[networks["round"] == 0].accuracy.mean() + theirs.accuracy_change
    theirs["accuracy"] = theirs.accuracy.fillna(changed)
    return theirs[["regime", "remaining", "accuracy"]]


def plotted(networks: pd.DataFrame) -> pd.DataFrame:
    """What the picture shows: every network with mean, low, high and n over seeds, and theirs."""
    by = ["regime", "round"]
    means = summary(networks, by, "accuracy").drop(columns="sd")
    return pd.concat([networks.merge(means, on=by), beside(networks)], ignore_index=True)


def nearest(shares: pd.Series, share: float) -> int:
    """The round that leaves nearest to a share of the weights, from the shares by round."""
    return int((shares - share).abs().idxmin())


def first_within(shares: pd.Series, share: float) -> int:
    """The first round that leaves at most a share of the weights; the last where none does."""
    within = shares.index[shares <= share]
    return int(within[0] if len(within) else shares.index[-1])


def numbers(report: Report, networks: pd.DataFrame, values: Mapping[str, Any]) -> None:
    """Give the paper its numbers: accuracies, and changes from the dense network of the same seed.

    "asked" is the first round that leaves at most `ASKED` of the weights. Beside each published
    value stands the round that leaves nearest to as many weights. values: the parameters.
    """
    by_seed = networks.pivot(index="seed", columns=["regime", "round"], values="accuracy")
    shares = networks[networks.regime == "rewound"].groupby("round").remaining.first()
    undamaged = by_seed["rewound", 0]

    def give(name: str, values: pd.Series) -> None:
        """The mean over seeds, with its interval."""
        report.number(f"calibration.{name}", values.mean(), interval(values), len(values), ".4f")

    for name in ("epochs", "batch", "held_out", "learning_rate"):
        report.number(f"calibration.{name}", values[name], form="g")
    report.number("calibration.asked", ASKED, form="g")
    report.number("calibration.floor", FLOOR, form="g")
    give("accuracy.dense", undamaged)
    asked = first_within(shares, ASKED)
    report.number("calibration.remaining.asked", shares[asked])
    for regime in REGIMES:
        if (regime, asked) in by_seed:
            give(f"accuracy.{regime}.asked", by_seed[regime, asked])
    for _, theirs in published.read("lenet_300_100").iterrows():
        for column in ("remaining", "accuracy", "accuracy_change"):
            if pd.notna(theirs[column]):
                report.number(f"calibration.{theirs['name']}.{column}", theirs[column], form="g")
        step = nearest(shares, theirs.remaining)
        report.number(f"calibration.remaining.{theirs['name']}", shares[step])
        give(f"change.{theirs['name']}", by_seed["rewound", step] - undamaged)
    means = by_seed["rewound"].mean()
    report.number("calibration.matched", shares[means >= means[0]].min())
    report.write_numbers()


@told
def main(arguments: list[str]) -> None:
    """Run the calibration of a profile; 0, or 2 after one sentence where it cannot be."""
    if len(arguments) != 1:
        raise UserError("usage: python -m lib.beyond.calibration params/calibration")
    values = read(Path(arguments[0]))
    networks = table(values)
    figures.use_style()
    report = Report("calibration", values)
    report.figure(by_remaining(plotted(networks), ASKED, FLOOR), "lenet", plotted(networks))
    numbers(report, networks, values)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
