"""Pictures of notebook 04 on exact robustness: its map, by epsilon, and how little is enough."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.output.figures import DOUBLE, SINGLE, grid, task_style, width_axis, width_colours

REGIMES = {"none": "dense", "one_shot": "one-shot", "fine_tuned": "tuned", "rewound": "rewound"}
"""How a regime of pruning is written."""

LINES = {"certified": ":", "exact": "-", "attacked": "--"}
"""The line of a share of rows: certified by bounds, exact, and not broken by attacks."""


def exact_map(table: pd.DataFrame) -> Figure:
    """Exact robust accuracy in percent by width and sparsity: a panel a pair and protocol.

    table: as `measures.exact_accuracy` gives it, of one epsilon. A cell is the mean over seeds, a
    number with "?" where one row in fifty or more is undecided.
    """
    versions = table[["regime", "sparsity"]].drop_duplicates()
    order = list(versions.itertuples(index=False, name=None))
    labels = [f"{REGIMES[r]} {s:.0%}".replace("%", " %") if s else REGIMES[r] for r, s in order]
    tasks, protocols = list(dict.fromkeys(table.task)), list(dict.fromkeys(table.protocol))
    widths = sorted(table.width.unique())
    height = 0.75 + len(protocols) * (0.25 + 0.145 * len(order))
    figure, axes = grid(len(protocols), len(tasks), DOUBLE, height, sharex=True, sharey=True)
    for row, protocol in zip(axes, protocols, strict=True):
        for ax, task in zip(row, tasks, strict=True):
            here = table[(table.task == task) & (table.protocol == protocol)]
            means = here.groupby(["regime", "sparsity", "width"])[["exact", "undecided"]].mean()
            shown = [[means.loc[(*version, width)] for width in widths] for version in order]
            values = np.array([[cell.exact for cell in line] for line in shown])
            image = ax.imshow(values, vmin=0, vmax=1, cmap="Greys_r", aspect="auto")
            for (y, x), value in np.ndenumerate(values):
                mark = "?" if shown[y][x].undecided >= 0.02 else ""
                colour = "black" if value > 0.55 else "white"
                text = f"{100 * value:.0f}{mark}"
                ax.text(x, y, text, color=colour, size=4.6, ha="center", va="center")
            ax.set_xticks(range(len(widths)), widths, size=5.5)
            ax.set_yticks(range(len(order)), labels, size=5.5)
            ax.tick_params(length=0)
        row[0].set_ylabel(protocol)
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    for ax in axes[-1]:
        ax.set_xlabel("width")
    figure.colorbar(image, ax=figure.axes, label="exact robust accuracy", shrink=0.8, pad=0.01)
    return figure


def by_epsilon(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Certified, exact and attacked shares by epsilon, a panel a protocol, a colour a width.

    table: as `measures.exact_accuracy` gives it, dense networks of one task. Means over seeds; a
    band goes from what is exact to that and what is undecided.
    """
    figure, [axes] = grid(1, len(protocols), DOUBLE, 1.9, sharey=True)
    colours = width_colours(sorted(table.width.unique()))
    for ax, protocol in zip(axes, protocols, strict=True):
        for width, rows in table[table.protocol == protocol].groupby("width"):
            means = rows.groupby("epsilon")[[*LINES, "undecided"]].mean()
            for share, line in LINES.items():
                label = f"{share}, {width} units"
                style = {"color": colours[width], "ls": line, "ms": 2.4, "label": label}
                ax.plot(means.index, means[share], marker="o", **style)
            most = means.exact + means.undecided
            ax.fill_between(means.index, means.exact, most, color=colours[width], alpha=0.2, lw=0)
        ax.set(title=protocol, xlabel="$\\epsilon$ ($L_\\infty$)")
    axes[0].set_ylabel("share of rows")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def by_width(table: pd.DataFrame) -> Figure:
    """The Lipschitz constant and the median least change by width: a line a pair, a row a protocol.

    table: as `measures.least_changes` gives it, in L-infinity, with the columns constant_low and
    constant_high of each network. A band is the bracket of the constant, the mean over seeds; a
    marker of the least change is the middle between the medians of its bracket's ends.
    """
    protocols = list(dict.fromkeys(table.protocol))
    figure, axes = grid(len(protocols), 2, SINGLE, 0.6 + 1.25 * len(protocols), sharex=True)
    for row, protocol in zip(axes, protocols, strict=True):
        for task in dict.fromkeys(table.task):
            colour, marker = task_style(task)
            style = {"color": colour, "marker": marker, "ms": 2.4, "label": task}
            here = table[(table.task == task) & (table.protocol == protocol)]
            ends = here.groupby("width")[["constant_low", "constant_high"]].mean()
            row[0].plot(ends.index, ends.mean(axis=1), **style)
            row[0].fill_between(ends.index, *ends.to_numpy().T, color=colour, alpha=0.3, lw=0)
            middle = here.groupby("width")[["low", "high"]].median().mean(axis=1)
            row[1].plot(middle.index, middle, **style)
        row[0].set_ylabel(f"{protocol}\nLipschitz constant ($L_2$)")
        row[1].set_ylabel("least change ($L_\\infty$)")
    for ax in axes[-1]:
        width_axis(ax, sorted(table.width.unique()))
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=5)
    return figure
