"""Pictures of notebook 02: learning rates, F1 by width, learning curves, minimum widths."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.scale import SymmetricalLogScale

from lib.output.figures import (
    DOUBLE,
    PROTOCOLS,
    SINGLE,
    TASKS,
    grid,
    task_style,
    width_axis,
    width_colours,
)
from lib.statistics import summary


def learning_rate_maps(panels: dict[str, pd.DataFrame]) -> Figure:
    """One heat map a panel: mean F1 (column `f1`) by width and learning rate.

    All have a row for every width of any; one that a panel lacks is empty there.
    """
    widths = sorted(set().union(*(table.width for table in panels.values())))
    rates = [table.learning_rate.nunique() for table in panels.values()]
    figure, [axes] = grid(1, len(panels), DOUBLE, 2.05, sharey=True, width_ratios=rates)
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        cells = table.pivot(index="width", columns="learning_rate", values="f1").reindex(widths)
        ax.imshow(cells, vmin=0, vmax=1, cmap="Blues", aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(cells.to_numpy()):
            if np.isnan(value):
                continue
            colour = "white" if value > 0.6 else "black"
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", size=5.5, color=colour)
        ax.set_xticks(range(cells.shape[1]), [f"{rate:g}" for rate in cells.columns], rotation=45)
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
    "f1_train_best": "training rows, best step",
    "f1_test": "official test rows",
}
"""What the columns of scores are taken on."""


def line_with_seeds(
    ax: Axes, rows: pd.DataFrame, value: str, colour: str, marker: str, label: str
) -> None:
    """Mean by width as a line, its interval as a band, every seed as a faint point.

    Width 0, which has no hidden unit, stands apart from the line, with a bar for its interval.
    """
    every = summary(rows, ["width"], value)
    linear, means = every[every.width == 0], every[every.width > 0]
    ax.plot(rows.width, rows[value], marker, color=colour, alpha=0.25, ms=2, mew=0)
    ax.plot(means.width, means["mean"], marker=marker, color=colour, label=label)
    ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.2, lw=0)
    ax.plot(linear.width, linear["mean"], marker, color=colour)
    ax.vlines(linear.width, linear.low, linear.high, color=colour, lw=0.8)


def learning_curves(curves: pd.DataFrame, widths: list[int], parts: dict[str, str]) -> Figure:
    """Curves by step, a column for each task, a row for each entry of `parts` (curve: label).

    Lines are means over seeds, bands their range.
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
                by_step = of.groupby("step").value
                mean, low, high = by_step.mean(), by_step.min(), by_step.max()
                ax.plot(mean.index, mean, color=colours[width], label=str(width))
                ax.fill_between(mean.index, low, high, color=colours[width], alpha=0.2, lw=0)
            if curve.startswith("loss"):
                ax.set_yscale("log")
        row[0].set_ylabel(label)
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    figure.supxlabel("step", fontsize=8)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), title="width", loc="outside right center"
    )
    return figure


def needed_axis(axis: Axis, widest: int) -> None:
    """A logarithmic axis of minimum widths, with a place for 0, and for none beyond the widest."""
    ticks = [w for w in (0, 1, 2, 4, 8, 16, 32, 64) if w <= widest]
    axes, scale = axis.axes, SymmetricalLogScale(None, base=2, linthresh=1, linscale=0.5)
    axes.set_xscale(scale) if axis is axes.xaxis else axes.set_yscale(scale)
    axis.set_ticks([*ticks, NONE * widest], [*map(str, ticks), "none"])
    axis.set_ticks([], minor=True)
    line = axes.axvline if axis is axes.xaxis else axes.axhline
    line(NONE**0.5 * widest, color="0.6", lw=0.6, ls=":")


NONE = 2
"""Where a W* that no width reaches is drawn, in multiples of the widest network."""


def drawn(table: pd.DataFrame, widest: int) -> pd.DataFrame:
    """Minimum widths with their intervals where they are drawn: beyond the widest, at "none"."""
    ends = table[["minimum_width", "low", "high"]].replace(np.inf, NONE * widest)
    ends["minimum_width"] = ends.minimum_width.fillna(NONE * widest)
    return table.assign(**ends)


def error_bars(rows: pd.DataFrame) -> np.ndarray:
    """How far the intervals reach below and above W*, (2, rows); 0 where there is none."""
    reach = [rows.minimum_width - rows.low, rows.high - rows.minimum_width]
    return np.nan_to_num(np.array(reach, dtype=float)).clip(min=0)


def minimum_width(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """The minimum width of each task by protocol, with its interval.

    A task that no width reaches is drawn beyond the widest network that was trained.
    """
    figure, [[ax]] = grid(1, 1, SINGLE, 2.0)
    tasks = list(dict.fromkeys(table.task))
    protocols = list(dict.fromkeys(table.protocol))
    for shift, protocol in enumerate(protocols):
        colour, marker, _ = PROTOCOLS[protocol]
        rows = drawn(table[table.protocol == protocol], widest)
        place = [tasks.index(t) + 0.22 * (shift - (len(protocols) - 1) / 2) for t in rows.task]
        style = {"fmt": marker, "color": colour, "ms": 5, "elinewidth": 0.8, "label": protocol}
        ax.errorbar(rows.minimum_width, place, xerr=error_bars(rows), **style)
    needed_axis(ax.xaxis, widest)
    ax.set_yticks(range(len(tasks)), tasks)
    ax.set(xlabel=f"minimum width at F1 $\\geq$ {threshold:g}", ylabel="task")
    ax.invert_yaxis()
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, columnspacing=1.0)
    return figure


def width_by_budget(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """W* of each task by the training budget, rate × steps, and at the right after one cycle.

    table: columns task, schedule, budget, scale, minimum_width, low, high, censored. A line a task
    and scale of the initial weights, the first scale filled, others hollow and dashed; the networks
    of the cycle continue every line of their task.
    """
    figure, [[ax]] = grid(1, 1, SINGLE, 2.6)
    cycled = table.schedule == "cycle"
    budgets = sorted(table.budget[~cycled].unique())
    places = dict(zip([*budgets, "converged"], range(len(budgets) + 1), strict=True))
    table = table.assign(budget=table.budget.astype(object).mask(cycled, "converged"))
    end = table[cycled].assign(scale=np.nan)
    lines = table[~cycled].groupby(["scale", "task"], sort=False)
    tasks, first = list(dict.fromkeys(table.task)), table.scale.iloc[0]
    for (scale, task), rows in lines:
        colour, marker = task_style(task)
        whole = scale == first
        rows = drawn(pd.concat([rows, end[end.task == task]]), widest)
        shift = 0.07 * (tasks.index(task) - (len(tasks) - 1) / 2)
        at = rows.budget.map(places).astype(float) + shift + (0 if whole else 0.09)
        ax.plot(at, rows.minimum_width, "-" if whole else "--", color=colour, lw=1)
        shown = rows.schedule.ne("cycle") | whole
        ax.errorbar(
            at[shown],
            rows.minimum_width[shown],
            yerr=error_bars(rows[shown]),
            fmt=marker,
            color=colour,
            mfc=colour if whole else "white",
            ms=4.5,
            elinewidth=0.8,
            label=task if whole else f"{task}, sd {scale:g}",
        )
    needed_axis(ax.yaxis, widest)
    ax.set_xticks(range(len(places)), [*(f"{budget:g}" for budget in budgets), "converged"])
    ax.set(
        xlabel="training budget (rate × steps)", ylabel=f"minimum width at F1 $\\geq$ {threshold:g}"
    )
    ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, columnspacing=1.0)
    return figure


def width_by_difficulty(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """W* of every pair against its linear-probe error (column `error`), a panel a protocol.

    The published pairs have the markers that they have elsewhere; hollow is censored.
    """
    protocols = list(dict.fromkeys(table.protocol))
    figure, [axes] = grid(1, len(protocols), SINGLE, 2.3, sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        for row in drawn(table[table.protocol == protocol], widest).itertuples():
            colour, marker = task_style(row.task) if row.task in TASKS else ("0.45", ".")
            fill = "none" if row.censored else colour
            size = 5 if row.task in TASKS else 6
            ax.plot(row.error, row.minimum_width, marker, color=colour, mfc=fill, ms=size)
        needed_axis(ax.yaxis, widest)
        ax.set(xscale="log", title=protocol, xlabel="linear-probe error")
    axes[0].set_ylabel(f"minimum width at F1 $\\geq$ {threshold:g}")
    shown = {task: task_style(task) for task in TASKS if (table.task == task).any()}
    handles = [axes[0].plot([], [], m, color=c, label=t)[0] for t, (c, m) in shown.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=0.8)
    return figure
