"""Pictures of notebook 02: learning rates, F1 by width, learning curves, minimum widths."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.output.figures.axes import WIDTH, categories, rule, width_axis
from lib.output.figures.drawing import (
    Facets,
    averaged,
    bars,
    beside,
    dots,
    faint,
    heat_map,
    lines,
    rows_of,
)
from lib.output.figures.style import HOLLOW, PROTOCOLS, SINGLE, TASKS, Look, looks_of, shades


def learning_rate_maps(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """One heat map a panel: mean F1 (column `f1`) by width and learning rate.

    All have a row for every width of any; one that a panel lacks is empty there.
    """
    widths = sorted(set().union(*(table.width for table in panels.values())))
    rates = [table.learning_rate.nunique() for table in panels.values()]
    facets = Facets([WIDTH], list(panels), 2.2, sharex=False, width_ratios=rates)
    for ax, _, title in facets:
        cells = panels[title].pivot(index="width", columns="learning_rate", values="f1")
        cells = cells.reindex(widths)
        texts = cells.map("{:.2f}".format)
        heat_map(ax, cells, texts, vmin=0, vmax=1, cmap="Blues", origin="lower")
        ax.tick_params(axis="x", rotation=45)
    return facets.finished("learning rate")


def learning_rate_scatter(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """One scatter a panel: F1 against the learning rate, a shade for each width."""
    widths = sorted(set().union(*(table.width for table in panels.values())))
    looks, shifts = shades(widths), beside(len(widths), 0.18 / max(1, len(widths) - 1))
    facets = Facets(["F1"], list(panels), 1.9)
    for ax, _, title in facets:
        for decades, (width, look) in zip(shifts, looks.items(), strict=True):
            points = rows_of(panels[title], "width", width)
            rates = points.learning_rate * 10**decades
            ax.plot(rates, points.f1, "o", color=look.colour, label=look.label)
        ax.set_xscale("log")
    return facets.finished("learning rate", "right center", title="width", handletextpad=0.2)


PLACE = {
    "f1_train_best": "training rows, best step",
    "f1_test": "official test rows",
}
"""What the columns of scores are taken on."""


def f1_by_width(
    networks: pd.DataFrame, values: Mapping[str, str], published: pd.DataFrame
) -> Figure:
    """F1 against width, a panel for each protocol, a line for each task.

    `values` names the column that each protocol is scored by. Every network is drawn, and as hollow
    markers the published means (columns task, width, best_f1_mean). Width 0, which has no hidden
    unit, stands apart from the line.
    """
    titles = {protocol: f"{protocol}: F1 on {PLACE[each]}" for protocol, each in values.items()}
    looks = looks_of(networks.task, TASKS)
    panels = Facets(["F1"], titles, 2.25, sharex=False)
    for ax, here, _, protocol in panels.of(networks, columns="protocol"):
        value = values[protocol]
        lines(ax, here[here.width > 0], "width", value, "task", looks, every=True)
        for task, look in looks.items():
            linear = here[(here.task == task) & (here.width == 0)]
            faint(ax, linear.width, linear[value], look)
            means = averaged(linear, "width", value)
            bars(ax, means.width, means, look._replace(label=""), ms=3.2)
            if protocol == "published":
                theirs = published[(published.task == task) & published.width.isin(here.width)]
                hollow = HOLLOW | {"marker": look.marker, "ms": 5.5}
                ax.plot(theirs.width, theirs.best_f1_mean, **hollow)
        width_axis(ax, here.width)
    panels.axes[0, -1].legend(title="task", loc="lower right")
    return panels.finished(WIDTH, legend="")


def learning_curves(
    curves: pd.DataFrame, widths: Sequence[int], parts: Mapping[str, str]
) -> Figure:
    """Curves by step, a column for each task, a row for each entry of `parts` (curve: label).

    Lines are means over seeds, bands their range.
    """
    over_seeds = curves.groupby(["curve", "task", "width", "step"], sort=False).value
    means = over_seeds.agg(["mean", "min", "max"]).reset_index()
    means = means.rename(columns={"min": "low", "max": "high"})
    height = 1.1 * len(parts) + 0.35
    panels = Facets(parts, curves.task.unique(), height, sharey="row")
    for ax, here, curve, _ in panels.of(means, "curve", "task"):
        lines(ax, here, "step", "mean", "width", shades(widths), marker="")
        if curve.startswith("loss"):
            ax.set_yscale("log")
    return panels.finished("step", "right center", title="width")


NONE = 2
"""Where a W* that no width reaches is drawn, in multiples of the widest network."""


def drawn(table: pd.DataFrame, widest: int) -> pd.DataFrame:
    """Minimum widths as means with their intervals where they are drawn: beyond all, at "none"."""
    means = table.rename(columns={"minimum_width": "mean"}).fillna({"mean": np.inf})
    return means.replace({"mean": np.inf, "low": np.inf, "high": np.inf}, NONE * widest)


def needed_axis(ax: Axes, widest: int, across: bool = False) -> None:
    """A logarithmic axis of minimum widths, with a place for 0, and for none beyond the widest.

    It is y, or x where `across`.
    """
    axis, scale = (ax.xaxis, ax.set_xscale) if across else (ax.yaxis, ax.set_yscale)
    ticks = [w for w in (0, 1, 2, 4, 8, 16, 32, 64) if w <= widest]
    scale("symlog", base=2, linthresh=1, linscale=0.5)
    ax.autoscale_view()
    axis.set_ticks([*ticks, NONE * widest], [*map(str, ticks), "none"])
    axis.minorticks_off()
    rule(ax, line=":", **{"x" if across else "y": NONE**0.5 * widest})


def needed(threshold: float) -> str:
    """What an axis of minimum widths shows."""
    return f"minimum width at F1 $\\geq$ {threshold:g}"


def minimum_width(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """The minimum width of each task by protocol, with its interval.

    A task that no width reaches is drawn beyond the widest network that was trained.
    """
    panels = Facets(["task"], [""], 2.0, SINGLE)
    [[ax]] = panels.axes
    looks, order = looks_of(table.protocol, PROTOCOLS), table.task.unique()
    means = drawn(table, widest)
    dots(ax, means, "task", "mean", "protocol", looks, order, gap=0.22, across=True, ms=5)
    needed_axis(ax, widest, across=True)
    return panels.finished(needed(threshold), columnspacing=1.0)


def width_by_budget(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """W* of each task by the training budget, rate × steps, and at the right after one cycle.

    table: columns task, schedule, budget, scale, minimum_width, low, high, censored. A line a task
    and scale of the initial weights, the first scale filled, others hollow and dashed; the networks
    of the cycle continue every line of their task.
    """
    panels = Facets([needed(threshold)], [""], 2.6, SINGLE)
    [[ax]] = panels.axes
    means, cycled = drawn(table, widest), table.schedule == "cycle"
    budgets = sorted(table.budget[~cycled].unique())
    means["place"] = means.budget.mask(cycled, np.inf).map([*budgets, np.inf].index)
    looks = looks_of(table.task, TASKS)
    shifts = dict(zip(looks, beside(len(looks), 0.07), strict=True))
    for (scale, task), rows in means[~cycled].groupby(["scale", "task"], sort=False):
        whole = scale == table.scale.iloc[0]
        look = looks[task]
        if not whole:
            look = look._replace(label=f"{task}, sd {scale:g}", hollow=True)
        rows = pd.concat([rows, means[cycled & (means.task == task)]])
        at = rows.place + shifts[task] + (0 if whole else 0.09)
        ax.plot(at, rows["mean"], "-" if whole else "--", color=look.colour, lw=1)
        shown = rows.schedule.ne("cycle") | whole
        bars(ax, at[shown], rows[shown], look, ms=4.5)
    needed_axis(ax, widest)
    categories(ax, [*budgets, "converged"])
    return panels.finished("training budget (rate × steps)", ncols=3, columnspacing=1.0)


def width_by_difficulty(table: pd.DataFrame, widest: int, threshold: float) -> Figure:
    """W* of every pair against its linear-probe error (column `error`), a panel a protocol.

    The published pairs have the markers that they have elsewhere; hollow is censored.
    """
    panels = Facets([needed(threshold)], table.protocol.unique(), 2.3, SINGLE)
    for ax, here, *_ in panels.of(drawn(table, widest), columns="protocol"):
        for row in here.itertuples():
            look = TASKS.get(row.task, OTHER)
            fill = "none" if row.censored else look.colour
            ax.plot(row.error, row.mean, look.marker, color=look.colour, mfc=fill, ms=5)
        needed_axis(ax, widest)
        ax.set_xscale("log")
    for task in [task for task in TASKS if (table.task == task).any()]:
        ax.plot([], [], TASKS[task].marker, color=TASKS[task].colour, label=task)
    return panels.finished("linear-probe error", columnspacing=0.8)


OTHER = Look("", "0.45", ".")
"""A pair that the published study does not have, among many."""
