"""Pictures of notebook 02: learning rates, F1 by width, learning curves, minimum width."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures import DOUBLE, PROTOCOLS, SINGLE, grid, task_style, width_axis, width_colours
from lib.statistics import summary


def learning_rate_maps(panels: dict[str, pd.DataFrame]) -> Figure:
    """One heat map a panel: mean F1 (column `f1`) by width and learning rate."""
    figure, [axes] = grid(1, len(panels), DOUBLE, 2.05, sharey=True)
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        cells = table.pivot(index="width", columns="learning_rate", values="f1")
        ax.imshow(cells, vmin=0, vmax=1, cmap="Blues", aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            colour = "white" if value > 0.6 else "black"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", size=6.5, color=colour)
        ax.set_xticks(range(cells.shape[1]), [f"{rate:g}" for rate in cells.columns])
        ax.set_yticks(range(cells.shape[0]), [str(width) for width in cells.index])
        ax.set(title=title, xlabel="learning rate")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0].set_ylabel("width (hidden units)")
    return figure


def learning_rate_scatter(panels: dict[str, pd.DataFrame]) -> Figure:
    """One scatter a panel: F1 against the learning rate, a shade for each width."""
    figure, [axes] = grid(1, len(panels), DOUBLE, 1.9, sharey=True)
    widths = sorted(set().union(*(table.width for table in panels.values())))
    colours = width_colours(widths)
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        for width, points in table.groupby("width"):
            offset = 10 ** (0.18 * (widths.index(width) / max(1, len(widths) - 1) - 0.5))
            ax.plot(
                points.learning_rate * offset,
                points.f1,
                "o",
                color=colours[width],
                label=str(width),
            )
        ax.set(xscale="log", title=title, xlabel="learning rate")
    axes[0].set_ylabel("F1")
    axes[-1].legend(title="width", loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    return figure


def f1_by_width(networks: pd.DataFrame, values: dict[str, str], published: pd.DataFrame) -> Figure:
    """F1 against width, a panel for each protocol, a line for each task.

    `values` names the column that each protocol is scored by. Bands are 95 % intervals over seeds,
    faint points the seeds; hollow markers the published means (columns task, width, best_f1_mean).
    """
    figure, [axes] = grid(1, len(values), DOUBLE, 2.25, sharey=True)
    for ax, (protocol, value) in zip(axes, values.items(), strict=True):
        here = networks[networks.protocol == protocol]
        for task, rows in here.groupby("task", sort=False):
            line_with_seeds(ax, rows, value, *task_style(task), task)
            if protocol == "published":
                theirs = published[(published.task == task) & published.width.isin(rows.width)]
                ax.plot(
                    theirs.width,
                    theirs.best_f1_mean,
                    task_style(task)[1],
                    mfc="none",
                    ms=5.5,
                    color="black",
                    mew=0.5,
                )
        width_axis(ax, sorted(here.width.unique()))
        ax.set_title(f"{protocol}: F1 on {PLACE[value]}")
    axes[0].set_ylabel("F1")
    axes[-1].legend(title="task", loc="lower right")
    return figure


PLACE = {
    "f1_train_best": "training rows, best epoch",
    "f1_val": "held-out rows",
    "f1_test": "official test rows",
}
"""What the columns of scores are taken on."""


def line_with_seeds(
    ax: Axes, rows: pd.DataFrame, value: str, colour: str, marker: str, label: str
) -> None:
    """Mean by width as a line, its interval as a band, every seed as a faint point."""
    means = summary(rows, ["width"], value)
    ax.plot(rows.width, rows[value], marker, color=colour, alpha=0.25, ms=2, mew=0)
    ax.plot(means.width, means["mean"], marker=marker, color=colour, label=label)
    ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.2, lw=0)


def learning_curves(curves: pd.DataFrame, widths: list[int], parts: dict[str, str]) -> Figure:
    """Curves by epoch, a column for each task, a row for each entry of `parts` (curve: label).

    Lines are means over seeds, bands their range, as far as all seeds were still being trained.
    """
    tasks = list(dict.fromkeys(curves.task))
    figure, axes = grid(
        len(parts), len(tasks), DOUBLE, 1.1 * len(parts) + 0.35, sharex=True, sharey="row"
    )
    colours = width_colours(widths)
    for row, (curve, label) in zip(axes, parts.items(), strict=True):
        for ax, task in zip(row, tasks, strict=True):
            for width in widths:
                of = curves[
                    (curves.curve == curve) & (curves.task == task) & (curves.width == width)
                ]
                by_epoch = of.groupby("epoch").value
                together = by_epoch.count() == of.seed.nunique()
                mean, low, high = (
                    v[together] for v in (by_epoch.mean(), by_epoch.min(), by_epoch.max())
                )
                ax.plot(mean.index, mean, color=colours[width], label=str(width))
                ax.fill_between(mean.index, low, high, color=colours[width], alpha=0.2, lw=0)
            if curve.startswith("loss"):
                ax.set_yscale("log")
        row[0].set_ylabel(label)
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    figure.supxlabel("epoch", fontsize=8)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), title="width", loc="outside right center"
    )
    return figure


def minimum_width(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """The minimum width of each task by protocol (columns task, protocol, minimum_width).

    A task that no width reaches is drawn beyond the widest network that was trained.
    """
    figure, [[ax]] = grid(1, 1, SINGLE, 2.0)
    tasks = list(dict.fromkeys(table.task))
    protocols = list(dict.fromkeys(table.protocol))
    for shift, protocol in enumerate(protocols):
        colour, marker, _ = PROTOCOLS[protocol]
        rows = table[table.protocol == protocol]
        place = [tasks.index(t) + 0.22 * (shift - (len(protocols) - 1) / 2) for t in rows.task]
        ax.plot(
            rows.minimum_width.fillna(2 * widest), place, marker, color=colour, label=protocol, ms=5
        )
    ax.axvline(1.41 * widest, color="0.6", lw=0.6, ls=":")
    width_axis(ax, [2, 4, 8, 16, 32, 64])
    ticks = [w for w in (2, 4, 8, 16, 32, 64) if w <= widest]
    ax.set_xticks([*ticks, 2 * widest], [*map(str, ticks), "none"])
    ax.set_yticks(range(len(tasks)), tasks)
    ax.set(xlabel=f"minimum width at F1 $\\geq$ {threshold:g}", ylabel="task")
    ax.invert_yaxis()
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, columnspacing=1.0)
    return figure
