"""Pictures of notebook 04 that show all kinds of corruption: what they do, and whom they hurt."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.measures import PIXELS
from lib.measures.leads import CLEAN
from lib.output.figures import (
    DOUBLE,
    PROTOCOLS,
    SINGLE,
    grid,
    task_style,
    width_axis,
    width_colours,
)
from lib.output.figures.robustness import line_by_amount
from lib.statistics import summary
from lib.tasks.datasets import SIDE

QUANTITIES = {"f1": "lead in F1", "loss": "less lost of clean F1"}
"""What a wide network may have over a narrow one."""


def written(corruption: str) -> str:
    """How a corruption is written."""
    return corruption.replace("_", " ").replace("gaussian", "Gaussian")


def contact_sheet(table: pd.DataFrame) -> Figure:
    """A panel for each corruption: a row for each digit, a column for each severity from 0.

    table: as `measures.corruption_examples` gives it.
    """
    names, columns = list(dict.fromkeys(table.corruption)), 5
    digits, severities = table.digit.nunique(), table.severity.nunique()
    rows = -(-len(names) // columns)
    height = rows * (DOUBLE / columns * digits / severities + 0.19)
    figure, axes = grid(rows, columns, DOUBLE, height)
    panels = [ax for row in axes for ax in row]
    for ax, name in zip(panels, names, strict=False):
        here = table[table.corruption == name].sort_values(["digit", "severity"])
        tiles = here[PIXELS].to_numpy().reshape(digits, severities, SIDE, SIDE)
        ax.imshow(np.block([list(row) for row in tiles]), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(written(name), size=7, pad=2)
    for ax in panels:
        ax.axis("off")
    return figure


def leads(table: pd.DataFrame, wide: int, narrow: int) -> Figure:
    """The lead of wide over narrow networks by corruption, a panel a quantity, a mark a protocol.

    table: as `measures.leads` gives it. Bars are 95 % intervals; a mark is filled where the lead is
    significant after Holm's correction. Corruptions stand in the order of the last protocol's lead
    in F1, below the clean images, which have nothing to lose.
    """
    figure, [axes] = grid(1, len(QUANTITIES), SINGLE, 2.75, sharey=True)
    protocols = [name for name in PROTOCOLS if name in set(table.protocol)]
    last = table[(table.protocol == protocols[-1]) & (table.quantity == "f1")]
    by_lead = list(last.sort_values("effect").corruption)
    order = [*(name for name in by_lead if name != CLEAN), CLEAN]
    for ax, (quantity, title) in zip(axes, QUANTITIES.items(), strict=True):
        for place, protocol in enumerate(protocols):
            here = table[(table.quantity == quantity) & (table.protocol == protocol)]
            here = here.set_index("corruption").reindex(order)
            colour, marker, _ = PROTOCOLS[protocol]
            y = np.arange(len(order)) - 0.25 * (place - (len(protocols) - 1) / 2)
            ax.hlines(y, here.low, here.high, color=colour, lw=0.8)
            faces = np.where(here.sign.fillna(0) != 0, colour, "white")
            style = {"marker": marker, "edgecolors": colour, "s": 9, "linewidths": 0.6, "zorder": 3}
            ax.scatter(here.effect, y, c=faces, **style)
            ax.plot([], [], marker, color=colour, ms=3, label=protocol)
        ax.axvline(0, color="0.4", lw=0.6, zorder=0)
        ax.set_title(title, size=7)
        ax.set_xlabel(f"{wide} over {narrow} units", size=7)
    axes[0].set_yticks(range(len(order)), [written(name) for name in order], size=6)
    axes[0].set_ylim(-0.6, len(order) - 0.4)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def leads_by_task(table: pd.DataFrame, tasks: Sequence[str]) -> Figure:
    """The same task by task, as a map: a row a quantity, a panel a protocol.

    table: as `measures.leads_by_task` gives it. A cell holds the mean in hundredths, and is bold
    where its own 95 % interval leaves out 0.
    """
    protocols = [name for name in PROTOCOLS if name in set(table.protocol)]
    names = list(dict.fromkeys(table.corruption))
    height = 0.8 + 0.28 * len(names)
    figure, axes = grid(2, len(protocols), DOUBLE, height, sharex=True, sharey=True)
    reach = table["mean"].abs().max()
    cells = pd.MultiIndex.from_product([names, tasks])
    for row, (quantity, title) in zip(axes, QUANTITIES.items(), strict=True):
        for ax, protocol in zip(row, protocols, strict=True):
            here = table[(table.quantity == quantity) & (table.protocol == protocol)]
            here = here.set_index(["corruption", "task"]).reindex(cells)
            means, low, high = (
                here[each].to_numpy().reshape(len(names), -1) for each in ("mean", "low", "high")
            )
            image = ax.imshow(means, cmap="PuOr", vmin=-reach, vmax=reach, aspect="auto")
            sure = (low > 0) | (high < 0)
            number_cells(ax, 100 * means, sure, 50 * reach)
            ax.set_title(f"{protocol}: {title}", size=7)
        row[0].set_yticks(range(len(names)), [written(name) for name in names])
    for ax in axes[1]:
        ax.set_xticks(range(len(tasks)), tasks)
    figure.colorbar(image, ax=figure.axes, label="mean difference in F1", shrink=0.5, aspect=30)
    return figure


def number_cells(ax: Axes, values: np.ndarray, bold: np.ndarray, dark: float) -> None:
    """Write a map's values into its cells, white where they are beyond `dark` in size."""
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        ax.text(
            column,
            row,
            f"{round(value)}",
            size=5.5,
            ha="center",
            va="center",
            weight="bold" if bold[row, column] else "normal",
            color="white" if abs(value) > dark else "black",
        )


WRITTEN = {"f1": "F1", "accuracy": "accuracy"}
"""How a score is written."""


def by_severity(networks: pd.DataFrame, value: str) -> Figure:
    """Mean F1 or accuracy by severity, a panel for each corruption, a line for each width.

    networks: as `measures.corrupted` gives it, of one task and protocol; width 0 is the reference.
    Bands are 95 % intervals.
    """
    names, columns = list(dict.fromkeys(networks.corruption)), 5
    rows = -(-len(names) // columns)
    figure, axes = grid(rows, columns, DOUBLE, 0.4 + 1.05 * rows, sharex=True, sharey=True)
    panels = [ax for row in axes for ax in row]
    widths = sorted(networks.width.unique())
    colours, markers = width_colours(widths), dict(zip(widths, "xos^Dv*P", strict=False))
    for ax, name in zip(panels, names, strict=False):
        for width, of_width in networks[networks.corruption == name].groupby("width"):
            here = of_width.assign(amount=of_width.severity)
            shown = str(width) if width else "0 (logistic regression)"
            style = {"marker": markers[width], "linestyle": "-" if width else ":", "label": shown}
            line_by_amount(ax, here, value, colours[width], **style)
        ax.set_title(written(name), size=7, pad=2)
        ax.set_xticks(range(6))
    for ax in panels[len(names) :]:
        ax.axis("off")
    for row in axes:
        row[0].set_ylabel(WRITTEN[value])
    for ax in axes[-1]:
        ax.set_xlabel("severity")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, title="width", loc="outside upper center", ncols=len(widths))
    return figure


def beside_logistic(table: pd.DataFrame) -> Figure:
    """Networks beside logistic regression by width: F1 less its, and mean corruption error.

    table: as `measures.beside_logistic` gives it. A column a protocol, a line a task; bands are
    95 % intervals over seeds.
    """
    protocols = [name for name in PROTOCOLS if name in set(table.protocol)]
    figure, axes = grid(2, len(protocols), DOUBLE * 0.75, 3.6, sharex=True, sharey="row")
    for row, value in zip(axes, ("f1_difference", "mce"), strict=True):
        for ax, protocol in zip(row, protocols, strict=True):
            for task, each in table[table.protocol == protocol].groupby("task", sort=False):
                colour, marker = task_style(str(task))
                means = summary(each.dropna(subset=[value]), ["width"], value)
                ax.plot(means.width, means["mean"], color=colour, marker=marker, label=task)
                ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.15, lw=0)
            ax.axhline(0 if value == "f1_difference" else 1, color="0.4", lw=0.6, zorder=0)
    for ax, protocol in zip(axes[0], protocols, strict=True):
        ax.set_title(protocol)
    for ax in axes[1]:
        ax.set_yscale("log")
        width_axis(ax, sorted(table.width.unique()))
    axes[0][0].set_ylabel("F1 less that of\nlogistic regression")
    axes[1][0].set_ylabel("mean corruption error")
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, title="task", loc="outside right center")
    return figure
