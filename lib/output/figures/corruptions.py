"""Pictures of notebook 04 that show all kinds of corruption: what they do, and whom they hurt."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lib.measures.leads import CLEAN
from lib.output.figures.axes import WIDTH, rule, width_axis
from lib.output.figures.drawing import Facets, dots, heat_map, lines, rows_of
from lib.output.figures.robustness import tiles
from lib.output.figures.style import (
    DOUBLE,
    PROTOCOLS,
    SINGLE,
    SMALL,
    TASKS,
    looks_of,
    shades,
    words,
)

QUANTITIES = {"f1": "lead in F1", "loss": "less lost of clean F1"}
"""What a wide network may have over a narrow one."""

ACROSS = 5
"""How many corruptions stand side by side where each has a panel."""


def of_corruptions(names: Sequence[str], height: float, around: float, label: str = "") -> Facets:
    """A panel for each corruption, line after line; those that are left over are blank.

    height, around: of a line, and of what stands around all, in inches. label: of each y axis.
    """
    count = -(-len(names) // ACROSS)
    lines, untitled = dict.fromkeys(range(count), label), dict.fromkeys(range(ACROSS), "")
    panels = Facets(lines, untitled, height * count + around)
    for ax, name in zip(panels.axes.flat, names, strict=False):
        ax.set_title(words(name), pad=3)
    for ax in panels.axes.flat[len(names) :]:
        ax.axis("off")
    return panels


def contact_sheet(table: pd.DataFrame) -> Figure:
    """A panel for each corruption: a row for each digit, a column for each severity from 0.

    table: as `measures.corruption_examples` gives it.
    """
    names = table.corruption.unique()
    height = DOUBLE / ACROSS * table.digit.nunique() / table.severity.nunique() + 0.19
    panels = of_corruptions(names, height, 0)
    for ax, name in zip(panels.axes.flat, names, strict=False):
        tiles(ax, rows_of(table, "corruption", name))
        ax.axis("off")
    return panels.figure


def leads(table: pd.DataFrame, wide: int, narrow: int) -> Figure:
    """The lead of wide over narrow networks by corruption, a panel a quantity, a mark a protocol.

    table: as `measures.leads` gives it. A mark is filled where the lead is significant after Holm's
    correction. Corruptions stand in the order of the last protocol's lead in F1, below the clean
    images, which have nothing to lose.
    """
    looks, means = looks_of(table.protocol, PROTOCOLS), table.rename(columns={"effect": "mean"})
    last = rows_of(means, ["protocol", "quantity"], (list(looks)[-1], "f1"))
    by_lead = last[last.corruption != CLEAN].sort_values("mean", ascending=False)
    order = [CLEAN, *by_lead.corruption]
    hollow = {name: look._replace(hollow=True) for name, look in looks.items()}
    filled = {name: look._replace(label="") for name, look in looks.items()}
    style: dict[str, Any] = {"gap": 0.25, "across": True, "ms": 3, "mew": 0.6}
    panels = Facets([""], QUANTITIES, 2.75, SINGLE, sharex=False)
    for ax, here, *_ in panels.of(means, columns="quantity"):
        for drawn, each in ((hollow, here), (filled, here[here.sign.fillna(0) != 0])):
            dots(ax, each, "corruption", "mean", "protocol", drawn, order, **style)
        rule(ax, x=0)
        ax.tick_params(axis="y", labelsize=SMALL)
    return panels.finished(f"{wide} over {narrow} units")


def leads_by_task(table: pd.DataFrame, tasks: Sequence[str]) -> Figure:
    """The same task by task, as a map: a row a quantity, a panel a protocol.

    table: as `measures.leads_by_task` gives it. A cell holds the mean in hundredths, and is bold
    where its own 95 % interval leaves out 0.
    """
    names, reach = table.corruption.unique(), table["mean"].abs().max()
    protocols, untitled = list(looks_of(table.protocol, PROTOCOLS)), dict.fromkeys(QUANTITIES, "")
    panels = Facets(untitled, protocols, 0.8 + 0.28 * len(names))
    for ax, here, quantity, protocol in panels.of(table, "quantity", "protocol"):
        cells = here.assign(bold=(here.low > 0) | (here.high < 0))
        cells = cells.pivot(index="corruption", columns="task").reindex(names)
        means, bold = (cells[each].reindex(columns=tasks) for each in ("mean", "bold"))
        texts = (100 * means).map("{:z.0f}".format)
        colours = {"cmap": "PuOr", "vmin": -reach, "vmax": reach}
        image = heat_map(ax, means, texts, bold, **colours)
        ax.set_title(f"{protocol}: {QUANTITIES[quantity]}")
    panels.colour_bar(image, "mean difference in F1", shrink=0.5, aspect=30)
    return panels.figure


SCORES = {"f1": "F1", "accuracy": "accuracy"}
"""How a score is written."""


def by_severity(networks: pd.DataFrame, value: str) -> Figure:
    """Mean F1 or accuracy by severity, a panel for each corruption, a line for each width.

    networks: as `measures.corrupted` gives it, of one task and protocol; width 0 is the reference.
    """
    names, looks = networks.corruption.unique(), shades(sorted(networks.width.unique()), "xos^Dv*P")
    if 0 in looks:
        looks[0] = looks[0]._replace(label="0 (logistic regression)", line=":")
    panels = of_corruptions(names, 1.05, 0.4, SCORES[value])
    for ax, name in zip(panels.axes.flat, names, strict=False):
        here = rows_of(networks, "corruption", name)
        lines(ax, here, "severity", value, "width", looks, ms=2.4)
        ax.set_xticks(range(6))
    return panels.finished("severity", title="width")


LOGISTIC = {"f1_difference": "F1 less that of\nlogistic regression", "mce": "mean corruption error"}
"""What networks are compared in with logistic regression."""


def beside_logistic(table: pd.DataFrame) -> Figure:
    """Networks beside logistic regression by width: F1 less its, and mean corruption error.

    table: as `measures.beside_logistic` gives it. A column a protocol, a line a task.
    """
    protocols = list(looks_of(table.protocol, PROTOCOLS))
    panels = Facets(LOGISTIC, protocols, 3.6, DOUBLE * 0.75, sharey="row")
    looks = looks_of(table.task, TASKS)
    for ax, here, value, _ in panels.of(table, columns="protocol"):
        lines(ax, here.dropna(subset=[value]), "width", value, "task", looks)
        rule(ax, y=0 if value == "f1_difference" else 1)
        width_axis(ax, table.width)
        if value == "mce":
            ax.set_yscale("log")
    return panels.finished(WIDTH, "right center", title="task")
