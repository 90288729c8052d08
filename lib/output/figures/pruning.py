"""Pictures and tables of notebook 03: changes by sparsity, controls, dead units, hidden layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from lib.output.figures.axes import WIDTH, rule, sparsity_axis
from lib.output.figures.drawing import Facets, bars, dots, heat_map, lines, rows_of
from lib.output.figures.style import RANDOM, READINGS, REGIMES, SMALL, TASKS, Look, looks_of, shades
from lib.statistics import summary
from lib.study import IDENTITY

CONTROLS = {
    ("magnitude", "layer"): READINGS["as_described"]._replace(label="magnitude, by layer"),
    ("magnitude", "global"): Look("magnitude, global", "#009E73", "D", "--"),
    ("random", "layer"): RANDOM._replace(label="random, by layer"),
}
"""A method and its scope, all as described."""

BESIDE = {
    "none": READINGS["as_described"]._replace(label="magnitude"),
    "random": RANDOM._replace(label="random mask"),
    "shuffled": Look("shuffled mask", "#999999", "*", ":"),
    "fresh": Look("fresh weights", "#0072B2", "^", "--"),
    "dense": Look("small dense network", "#009E73", "D", "--"),
}
"""A pruned network and its controls, by the column control."""

SCORES = {
    ("magnitude", "layer"): Look("magnitude, layer", "#CC79A7", "s"),
    ("magnitude", "global"): Look("magnitude, global", "#009E73", "D"),
    ("magnitude", "first"): Look("magnitude, first", "#0072B2", "^"),
    ("activation", "layer"): Look("activation, layer", "#E69F00", "o", "--"),
    ("gradient", "layer"): Look("gradient, layer", "#D55E00", "v", "--"),
    ("snip", "global"): Look("SNIP, global", "#56B4E9", "P", "-."),
    ("synflow", "global"): Look("SynFlow, global", "#332288", "<", "-."),
    ("random", "layer"): RANDOM._replace(label="random, layer"),
    ("random", "erk"): Look("random, ERK", "#999999", "*", ":"),
}
"""A method and its scope, where all are shown."""

SMALLEST = 0.001
"""A scale of changes reaches at least this far to either side: less is as good as none."""


def plotted(changes: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """What the pictures of changes show: every network, with mean, low, high and n of its group.

    by: the columns that make a group, dataset, task, protocol, width and sparsity among them.
    """
    means = summary(changes, by, value).drop(columns="sd")
    columns = list(dict.fromkeys([*IDENTITY, *by, value, "mean", "low", "high", "n"]))
    return changes.merge(means, on=list(by))[columns]


def versions(rows: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """How a protocol and a reading of the published pruning are written beside their panels."""
    return {(protocol, each): f"{protocol},\n{READINGS[each].label}" for protocol, each in rows}


def fill(
    panels: Facets,
    changes: pd.DataFrame,
    by: tuple[str | Sequence[str], str, str | Sequence[str]],
    looks: Mapping[Any, Look],
    value: str,
    label: str,
) -> None:
    """Draw a change by sparsity into panels that share an axis of sparsities.

    changes: one row a network and sparsity, with `value`, and mean, low and high over its seeds.
    by: the columns that rows of panels, columns of panels and lines are of.
    """
    for ax, here, *_ in panels.of(changes, by[0], by[1]):
        lines(ax, here, "sparsity", value, by[2], looks, ms=2.2, mew=0.6)
        rule(ax, y=0)
        sparsity_axis(ax)
    for ax in panels.axes[:, 0]:
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, -SMALLEST), max(high, SMALLEST))
    panels.figure.supxlabel("sparsity asked for")
    panels.figure.supylabel(label)


def change_by_sparsity(
    changes: pd.DataFrame, rows: Sequence[tuple[str, str]], value: str, label: str
) -> Figure:
    """A change by sparsity: a row for each (protocol, reading), a column a task, a line a width.

    changes: see `fill`. Each row of panels has its own scale.
    """
    height = 0.92 * len(rows) + 0.35
    panels = Facets(versions(rows), changes.task.unique(), height, sharey="row")
    by, looks = (["protocol", "reading"], "task", "width"), shades(sorted(changes.width.unique()))
    fill(panels, changes, by, looks, value, label)
    return panels.finished(legend="right center", title="width")


def controls(changes: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """A change by sparsity at one width: a row a protocol, a column a task, a line a control.

    changes: see `fill`, with the column `control`, a label of `CONTROLS`.
    """
    panels = Facets(protocols, changes.task.unique(), 0.95 * len(protocols) + 0.5)
    looks = {look.label: look for look in CONTROLS.values()}
    fill(panels, changes, ("protocol", "task", "control"), looks, value, label)
    return panels.finished()


def regimes(
    changes: pd.DataFrame, rows: Sequence[tuple[str, str]], value: str, label: str
) -> Figure:
    """A change by sparsity at one width: a row for each (protocol, task), a column a regime.

    changes: see `fill`, with the columns regime and control; a line a control.
    """
    names = {(protocol, task): f"{task}, {protocol}" for protocol, task in rows}
    panels = Facets(names, in_words(changes.regime), 0.9 * len(rows) + 0.6)
    fill(panels, changes, (["protocol", "task"], "regime", "control"), BESIDE, value, label)
    return panels.finished()


def by_score(changes: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """A change by sparsity at one width of one task: a row a protocol, a column a regime.

    changes: see `fill`, with the columns regime, method and scope; a line for the last two.
    """
    panels = Facets(protocols, in_words(changes.regime), 1.3 * len(protocols) + 0.8)
    looks = looks_of(zip(changes.method, changes.scope, strict=True), SCORES)
    fill(panels, changes, ("protocol", "regime", ["method", "scope"]), looks, value, label)
    return panels.finished(legend="right center", title="score")


def in_words(regimes: pd.Series) -> dict[str, str]:
    """How the regimes of a table are written, in its order."""
    return {name: REGIMES[name].label for name in regimes.unique()}


LEVELS = (-1.0, -0.3, -0.1, -0.03, -0.01, 0.01, 1.0)
SHADES = ("#08306B", "#2171B5", "#6BAED6", "#C6DBEF", "white", "#E69F00")
"""The steps in which a map of changes is shaded; the last, a gain, is marked by a cross too."""


def change_maps(means: pd.DataFrame, rows: Sequence[tuple[str, str]], label: str) -> Figure:
    """The mean change of every width (rows of a panel) at every sparsity (columns) as a shade.

    means: columns protocol, reading, task, width, sparsity, mean. A row of panels for each
    (protocol, reading), a column for each task.
    """
    panels = Facets(versions(rows), means.task.unique(), 0.95 * len(rows) + 0.4)
    for ax, here, *_ in panels.of(means[means.sparsity > 0], ["protocol", "reading"], "task"):
        cells = here.pivot(index="width", columns="sparsity", values="mean")
        norm, shades = BoundaryNorm(LEVELS, len(SHADES)), ListedColormap(SHADES)
        image = heat_map(ax, cells, norm=norm, cmap=shades, origin="lower")
        gains = np.argwhere(cells.to_numpy() >= LEVELS[-2])
        ax.plot(gains[:, 1], gains[:, 0], "x", color="black", ms=2.5, mew=0.5)
        ax.tick_params(labelsize=SMALL)
        ax.tick_params(axis="x", rotation=90)
        ax.spines[:].set_visible(True)
    panels.figure.supxlabel("sparsity asked for")
    panels.figure.supylabel(WIDTH)
    panels.colour_bar(image, label, ticks=LEVELS[1:-1], aspect=40, pad=0.01)
    return panels.figure


def boundary(bounds: pd.DataFrame, protocols: Sequence[str], label: str) -> Figure:
    """The highest sparsity of each regime and scope (lines of a panel), by protocol and task.

    bounds: columns protocol, task, regime, scope, highest, and low and high, which the bars span.
    """
    means = bounds.rename(columns={"highest": "mean"})
    means["kind"] = means.regime.map(in_words(means.regime)) + ", " + means.scope
    kinds = [f"{REGIMES[r].label}, {scope}" for scope in means.scope.unique() for r in REGIMES]
    height = 0.16 * len(kinds) * len(protocols) + 0.9
    panels = Facets(protocols, bounds.task.unique(), height)
    for ax, here, *_ in panels.of(means, "protocol", "task"):
        dots(ax, here, "kind", "mean", "regime", REGIMES, kinds, gap=0, across=True, mew=0)
        ax.tick_params(axis="y", labelsize=SMALL)
        ax.grid(axis="x", lw=0.3)
        sparsity_axis(ax)
    panels.figure.supxlabel(label)
    return panels.figure


def essential_sizes(means: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """The fewest weights by difficulty, a panel a protocol, a point a pair; the five are named.

    means: columns protocol, task, difficulty, mean, low and high (NaN for too few seeds).
    """
    panels = Facets(["fewest weights that keep 95 % of F1"], protocols, 2.1)
    for ax, here, *_ in panels.of(means, columns="protocol"):
        others = here[~here.task.isin(TASKS)]
        bars(ax, others.difficulty, others, Look("", "0.6"), ms=2.5, mew=0)
        for task, look in TASKS.items():
            own = rows_of(here, "task", task)
            bars(ax, own.difficulty, own, look, mew=0)
            for each in own.itertuples():
                at = each.difficulty, each.mean
                ax.annotate(task, at, (4, 3), textcoords="offset points", fontsize=7)
        ax.set(xscale="log", yscale="log")
    return panels.finished("linear-probe error", legend="")


DIGITS = (Look("", "#0072B2", "o"), Look("", "#E69F00", "^"))
"""The smaller digit and the larger."""


def hidden_maps(points: pd.DataFrame) -> Figure:
    """The embedded hidden layer: a panel for each version, a mark for each row.

    points: columns version, digit, x, y, as `measures.embedded` gives them, and silhouette.
    """
    scores = points.groupby("version", sort=False).silhouette.first()
    titles = {v: f"{v.replace('_', ' ')} (silhouette {score:.2f})" for v, score in scores.items()}
    panels = Facets([""], titles, 1.75, sharex=False, sharey=False)
    for ax, here, *_ in panels.of(points, columns="version"):
        for (digit, each), look in zip(here.groupby("digit"), DIGITS, strict=True):
            style = {"color": look.colour, "ms": 2, "mew": 0, "alpha": 0.7, "label": str(digit)}
            ax.plot(each.x, each.y, look.marker, **style)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    return panels.finished(legend="right center", title="digit", markerscale=2, handletextpad=0.2)


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
