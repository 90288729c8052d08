"""Pictures and tables of notebook 03: changes by sparsity, controls, dead units, hidden layer."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lib.output.figures import DOUBLE, READINGS, TASKS, Styles, grid, width_colours
from lib.statistics import FEWEST, summary
from lib.study import IDENTITY

CONTROLS = {
    ("magnitude", "layer"): ("magnitude, by layer", *READINGS["as_described"]),
    ("magnitude", "global"): ("magnitude, global", "#009E73", "D", "--"),
    ("random", "layer"): ("random, by layer", "black", "x", ":"),
}
"""What a method and its scope are called, their colour, marker and line, all as described."""

REGIMES = {
    "none": ("magnitude", *READINGS["as_described"]),
    "random": ("random mask", "black", "x", ":"),
    "shuffled": ("shuffled mask", "#999999", "*", ":"),
    "fresh": ("fresh weights", "#0072B2", "^", "--"),
    "dense": ("small dense network", "#009E73", "D", "--"),
}
"""What a network or its control is called, its colour, marker and line, by the column control."""

SCORES = {
    ("magnitude", "layer"): ("#CC79A7", "s", "-"),
    ("magnitude", "global"): ("#009E73", "D", "-"),
    ("magnitude", "first"): ("#0072B2", "^", "-"),
    ("activation", "layer"): ("#E69F00", "o", "--"),
    ("gradient", "layer"): ("#D55E00", "v", "--"),
    ("snip", "global"): ("#56B4E9", "P", "-."),
    ("synflow", "global"): ("#332288", "<", "-."),
    ("random", "layer"): ("black", "x", ":"),
    ("random", "erk"): ("#999999", "*", ":"),
}
"""The colour, marker and line of a method and its scope."""

SMALLEST = 0.001
"""A scale of changes reaches at least this far to either side: less is as good as none."""

TICKS = (0.0, 0.5, 0.9, 0.99)


def plotted(changes: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """What the pictures of changes show: every network, with mean, low, high and n of its group.

    by: the columns that make a group, dataset, task, protocol, width and sparsity among them.
    """
    means = summary(changes, by, value).drop(columns="sd")
    columns = list(dict.fromkeys([*IDENTITY, *by, value, "mean", "low", "high", "n"]))
    return changes.merge(means, on=list(by))[columns]


def place(sparsity: Any) -> Any:
    """Where a sparsity stands on the axis: even in the order of magnitude of what stays."""
    return -np.log10(1 - sparsity)


def change_by_sparsity(
    changes: pd.DataFrame, rows: Sequence[tuple[str, str]], value: str, label: str
) -> Figure:
    """A change by sparsity: a row for each (protocol, reading), a column a task, a line a width.

    changes: one row a network and sparsity, with `value`, and mean, low and high over its seeds.
    Bands are 95 % intervals; where seeds are too few for one, faint points are the seeds. Each row
    of panels has its own scale.
    """
    tasks, widths = list(dict.fromkeys(changes.task)), sorted(changes.width.unique())
    colours = width_colours(widths)
    height = 0.92 * len(rows) + 0.35
    figure, axes = grid(len(rows), len(tasks), DOUBLE, height, sharex=True, sharey="row")
    for row, (protocol, reading) in zip(axes, rows, strict=True):
        of_row = changes[(changes.protocol == protocol) & (changes.reading == reading)]
        for ax, task in zip(row, tasks, strict=True):
            for width, here in of_row[of_row.task == task].groupby("width"):
                line_by_sparsity(ax, here, value, color=colours[width], label=str(width))
        row[0].set_ylabel(f"{protocol},\n{reading.replace('_', ' ')}")
    return finished(figure, axes, tasks, label, "width")


LEVELS = (-1.0, -0.3, -0.1, -0.03, -0.01, 0.01, 1.0)
SHADES = ("#08306B", "#2171B5", "#6BAED6", "#C6DBEF", "white", "#E69F00")
"""The steps in which a map of changes is shaded; the last, a gain, is marked by a cross too."""


def change_maps(means: pd.DataFrame, rows: Sequence[tuple[str, str]], label: str) -> Figure:
    """The mean change of every width (rows of a panel) at every sparsity (columns) as a shade.

    means: columns protocol, reading, task, width, sparsity, mean. A row of panels for each
    (protocol, reading), a column for each task.
    """
    tasks = list(dict.fromkeys(means.task))
    height = 0.95 * len(rows) + 0.4
    figure, axes = grid(len(rows), len(tasks), DOUBLE, height, sharex=True, sharey=True)
    for row, (protocol, reading) in zip(axes, rows, strict=True):
        of_row = means[(means.protocol == protocol) & (means.reading == reading)]
        for ax, task in zip(row, tasks, strict=True):
            here = of_row[(of_row.task == task) & (of_row.sparsity > 0)]
            image = change_map(ax, here.pivot(index="width", columns="sparsity", values="mean"))
        row[0].set_ylabel(f"{protocol},\n{reading.replace('_', ' ')}")
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    figure.supxlabel("sparsity asked for", fontsize=8)
    figure.supylabel("width (hidden units)", fontsize=8)
    panels, steps = list(chain(*axes)), LEVELS[1:-1]
    figure.colorbar(image, ax=panels, label=label, ticks=steps, aspect=40, pad=0.01)
    return figure


def change_map(ax: Axes, cells: pd.DataFrame) -> AxesImage:
    """One panel of `change_maps`: widths (index) by sparsities (columns)."""
    norm, shades = BoundaryNorm(LEVELS, len(SHADES)), ListedColormap(SHADES)
    image = ax.imshow(cells, norm=norm, cmap=shades, aspect="auto", origin="lower")
    gains = np.argwhere(cells.to_numpy() >= LEVELS[-2])
    ax.plot(gains[:, 1], gains[:, 0], "x", color="black", ms=2.5, mew=0.5)
    ax.set_yticks(range(len(cells)), [str(width) for width in cells.index], size=6)
    names = [f"{sparsity:g}" for sparsity in cells.columns]
    ax.set_xticks(range(len(names)), names, size=6, rotation=90)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(True)
    return image


def controls(changes: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """A change by sparsity at one width: a row a protocol, a column a task, a line a control.

    changes: as for `change_by_sparsity`, with the column `control`, a name of `CONTROLS`.
    """
    tasks = list(dict.fromkeys(changes.task))
    height = 0.95 * len(protocols) + 0.5
    figure, axes = grid(len(protocols), len(tasks), DOUBLE, height, sharex=True, sharey=True)
    for row, protocol in zip(axes, protocols, strict=True):
        of_row = changes[changes.protocol == protocol]
        for ax, task in zip(row, tasks, strict=True):
            for name, colour, marker, line in CONTROLS.values():
                here = of_row[(of_row.task == task) & (of_row.control == name)]
                style = {"color": colour, "marker": marker, "linestyle": line, "label": name}
                line_by_sparsity(ax, here, value, **style)
        row[0].set_ylabel(protocol)
    return finished(figure, axes, tasks, label, None)


def regimes(
    changes: pd.DataFrame, rows: Sequence[tuple[str, str]], value: str, label: str
) -> Figure:
    """A change by sparsity at one width: a row for each (protocol, task), a column a regime.

    changes: as for `change_by_sparsity`, with the columns regime and control; a line a control.
    """
    columns = list(dict.fromkeys(changes.regime))
    figure, axes = grid(
        len(rows), len(columns), DOUBLE, 0.9 * len(rows) + 0.6, sharex=True, sharey=True
    )
    for row, (protocol, task) in zip(axes, rows, strict=True):
        of_row = changes[(changes.protocol == protocol) & (changes.task == task)]
        for ax, regime in zip(row, columns, strict=True):
            of_regime = of_row[of_row.regime == regime]
            for control, (name, colour, marker, line) in REGIMES.items():
                here = of_regime[of_regime.control == control]
                style = {"color": colour, "marker": marker, "linestyle": line, "label": name}
                line_by_sparsity(ax, here, value, **style)
        row[0].set_ylabel(f"{task}, {protocol}")
    return finished(figure, axes, [plain(name) for name in columns], label, None)


def by_score(changes: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """A change by sparsity at one width of one task: a row a protocol, a column a regime.

    changes: as for `regimes`, with the columns method and scope; a line for both.
    """
    columns = list(dict.fromkeys(changes.regime))
    styles = Styles(dict.fromkeys(zip(changes.method, changes.scope, strict=True)), SCORES)
    height = 1.3 * len(protocols) + 0.8
    figure, axes = grid(len(protocols), len(columns), DOUBLE, height, sharex=True, sharey=True)
    for row, protocol in zip(axes, protocols, strict=True):
        for ax, regime in zip(row, columns, strict=True):
            of_panel = changes[(changes.protocol == protocol) & (changes.regime == regime)]
            for (method, scope), here in of_panel.groupby(["method", "scope"], sort=False):
                colour, marker, line = styles[method, scope]
                style = {"color": colour, "marker": marker, "linestyle": line}
                line_by_sparsity(ax, here, value, label=f"{method}, {scope}", **style)
        row[0].set_ylabel(protocol)
    return finished(figure, axes, [plain(name) for name in columns], label, "score")


def plain(name: str) -> str:
    """A name of the tables in words."""
    return name.replace("_", "-")


def boundary(bounds: pd.DataFrame, protocols: Sequence[str], label: str) -> Figure:
    """The highest sparsity of each regime and scope (lines of a panel), by protocol and task.

    bounds: columns protocol, task, regime, scope, highest, and low and high, which the bars span.
    """
    tasks = list(dict.fromkeys(bounds.task))
    kinds = [(r, scope) for scope in dict.fromkeys(bounds.scope) for r in BOUNDARY][::-1]
    height = 0.16 * len(kinds) * len(protocols) + 0.9
    figure, axes = grid(len(protocols), len(tasks), DOUBLE, height, sharex=True, sharey=True)
    for row, protocol in zip(axes, protocols, strict=True):
        for ax, task in zip(row, tasks, strict=True):
            here = bounds[(bounds.protocol == protocol) & (bounds.task == task)]
            for each in here.itertuples():
                y = kinds.index((each.regime, each.scope))
                colour, marker = BOUNDARY[each.regime]
                ax.plot(
                    place(np.array([each.low, each.high])), [y, y], color=colour, lw=2.5, alpha=0.35
                )
                ax.plot(place(each.highest), y, marker, color=colour, ms=4, mew=0)
            ax.grid(axis="x", lw=0.3)
        row[0].set_yticks(range(len(kinds)), [f"{plain(r)}, {scope}" for r, scope in kinds], size=6)
        row[0].set_ylabel(protocol)
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    axes[0][0].set_xticks([place(tick) for tick in TICKS], [f"{tick:g}" for tick in TICKS])
    axes[0][0].set_ylim(-0.6, len(kinds) - 0.4)
    figure.supxlabel(label, fontsize=8)
    return figure


BOUNDARY = {
    "one_shot": ("#555555", "o"),
    "fine_tuned": ("#0072B2", "s"),
    "rewound": ("#D55E00", "^"),
}
"""The colour and marker of a regime."""


def essential_sizes(means: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """The fewest weights by difficulty, a panel a protocol, a point a pair; the five are named.

    means: columns protocol, task, difficulty, mean, low and high (NaN for too few seeds).
    """
    figure, [axes] = grid(1, len(protocols), DOUBLE, 2.1, sharex=True, sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        for each in means[means.protocol == protocol].itertuples():
            known = each.task in TASKS
            colour, marker = TASKS.get(each.task, ("0.6", "o"))
            ax.plot([each.difficulty] * 2, [each.low, each.high], color=colour, lw=0.8)
            ax.plot(each.difficulty, each.mean, marker, color=colour, ms=4 if known else 2.5, mew=0)
            if known:
                place_of_text = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 7}
                ax.annotate(each.task, (each.difficulty, each.mean), **place_of_text)
        ax.set_title(protocol)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("linear-probe error")
    axes[0].set_ylabel("fewest weights that keep 95 % of F1")
    return figure


def line_by_sparsity(ax: Axes, here: pd.DataFrame, value: str, **style: Any) -> None:
    """The mean by sparsity as a line, its interval as a band; seeds as points where too few."""
    means = here.drop_duplicates("sparsity")
    x, colour = place(means.sparsity), style["color"]
    ax.plot(x, means["mean"], **{"marker": "o", "ms": 2.2, "mew": 0.6, **style})
    ax.fill_between(x, means.low, means.high, color=colour, alpha=0.2, lw=0)
    if here.seed.nunique() < FEWEST:
        ax.plot(place(here.sparsity), here[value], "o", color=colour, alpha=0.5, ms=2, mew=0)


def finished(
    figure: Figure,
    axes: Sequence[Sequence[Axes]],
    tasks: Sequence[str],
    label: str,
    title: str | None,
) -> Figure:
    """Titles of columns, the shared axes and one legend: with a title at the right, else on top."""
    for ax, task in zip(axes[0], tasks, strict=True):
        ax.set_title(task)
    for ax in chain(*axes):
        ax.axhline(0, color="0.6", lw=0.5, zorder=0)
    for row in axes:
        low, high = row[0].get_ylim()
        row[0].set_ylim(min(low, -SMALLEST), max(high, SMALLEST))
    axes[0][0].set_xticks([place(tick) for tick in TICKS], [f"{tick:g}" for tick in TICKS])
    figure.supxlabel("sparsity asked for", fontsize=8)
    figure.supylabel(label, fontsize=8)
    handles, labels = axes[-1][0].get_legend_handles_labels()
    if title:
        figure.legend(handles, labels, title=title, loc="outside right center")
    else:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


CLASSES = (("#0072B2", "o"), ("#E69F00", "^"))
"""The colour and marker of the smaller digit and of the larger."""


def hidden_maps(points: pd.DataFrame) -> Figure:
    """The embedded hidden layer: a panel for each version, a mark for each row.

    points: columns version, digit, x, y, as `measures.embedded` gives them, and silhouette.
    """
    versions = list(dict.fromkeys(points.version))
    figure, [axes] = grid(1, len(versions), DOUBLE, 1.75)
    for ax, version in zip(axes, versions, strict=True):
        here = points[points.version == version]
        for (digit, of_digit), (colour, marker) in zip(here.groupby("digit"), CLASSES, strict=True):
            style = {"color": colour, "ms": 2, "mew": 0, "alpha": 0.7}
            ax.plot(of_digit.x, of_digit.y, marker, label=str(digit), **style)
        score = here.silhouette.iloc[0]
        ax.set_title(f"{version.replace('_', ' ')} (silhouette {score:.2f})")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        title="digit",
        loc="outside right center",
        markerscale=2,
        handletextpad=0.2,
    )
    return figure


def counts_table(removed: pd.DataFrame) -> pd.DataFrame:
    """What each reading removes from one network (`measures.removed`), in the paper's words."""
    counts = removed.pivot(index="sparsity", columns="reading", values=["layer1", "layer2"])
    table = pd.DataFrame({"Sparsity": counts.index.map("{:.2f}".format)}, index=counts.index)
    for layer, name in (("layer1", "Layer 1"), ("layer2", "Layer 2")):
        table[f"{name}, asked"] = counts[layer]["as_described"]
        table[f"{name}, done"] = counts[layer]["as_coded"]
    return table


def dead_units_table(dead: pd.DataFrame, protocols: Sequence[str]) -> pd.DataFrame:
    """Mean dead units and their range over seeds beside the published counts, for the paper.

    dead: `measures.dead_units` with the columns dead_dense and dead_pruned_95 of the study.
    """
    cells = [
        f"{row.mean:.3g} ({row.min}--{row.max})" for row in dead.itertuples(name="Row", index=False)
    ]
    dead = dead.assign(cell=cells, protocol=pd.Categorical(dead.protocol, protocols))
    place = ["task", "width", "protocol", "dead_dense", "dead_pruned_95"]
    wide = dead.pivot(index=place, columns="version", values="cell").reset_index()
    return wide.reindex(columns=list(DEAD_UNITS)).rename(columns=DEAD_UNITS)


DEAD_UNITS = {
    "task": "Task",
    "width": "Width",
    "protocol": "Networks",
    "dense": "Dense",
    "as_coded": "As coded",
    "as_described": "As described",
    "dead_dense": "Study, dense",
    "dead_pruned_95": "Study, 95\\,\\%",
}
"""How the columns of that table are written."""
