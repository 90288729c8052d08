"""Pictures of notebook 04 on exact robustness: its map, by epsilon, and how little is enough."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from lib.output.figures.axes import WIDTH, width_axis
from lib.output.figures.drawing import Facets, heat_map, lines, rows_of
from lib.output.figures.style import REGIMES, SINGLE, SMALL, TASKS, looks_of, shades

SHARES = {"certified": ":", "exact": "-", "attacked": "--"}
"""The line of a share of rows: certified by bounds, exact, and not broken by attacks."""


def exact_map(table: pd.DataFrame) -> Figure:
    """Exact robust accuracy in percent by width and sparsity: a panel a pair and protocol.

    table: as `measures.exact_accuracy` gives it, of one epsilon. A cell is the mean over seeds, a
    number with "?" where one row in fifty or more is undecided.
    """
    versions = table[["regime", "sparsity"]].drop_duplicates()
    names = [version(*each) for each in versions.itertuples(index=False)]
    protocols = table.protocol.unique()
    height = 1.2 + len(protocols) * (0.25 + 0.145 * len(names))
    panels = Facets(protocols, table.task.unique(), height)
    for ax, here, *_ in panels.of(table, "protocol", "task"):
        means = here.groupby(["regime", "sparsity", "width"])[["exact", "undecided"]].mean()
        cells = means.unstack("width").reindex(pd.MultiIndex.from_frame(versions)).set_axis(names)
        marks = cells.undecided.map(lambda share: "?" if share >= 0.02 else "")
        texts = (100 * cells.exact).map("{:.0f}".format) + marks
        image = heat_map(ax, cells.exact, texts, vmin=0, vmax=1, cmap="Greys_r")
        ax.tick_params(labelsize=SMALL, pad=2)
    panels.figure.set_layout_engine("constrained", w_pad=0.01, wspace=0)
    panels.colour_bar(image, "exact robust accuracy", location="bottom", shrink=0.5, aspect=50)
    return panels.finished("width")


def version(regime: str, sparsity: float) -> str:
    """How a version of a network is written."""
    return f"{REGIMES[regime].label} {sparsity:g}" if sparsity else "dense"


def by_epsilon(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Certified, exact and attacked shares by epsilon, a panel a protocol, a colour a width.

    table: as `measures.exact_accuracy` gives it, dense networks of one task. Means over seeds; a
    band goes from what is exact to that and what is undecided.
    """
    means = table.groupby(["protocol", "width", "epsilon"]).mean(numeric_only=True).reset_index()
    shares = [means.assign(share=each, mean=means[each]) for each in SHARES]
    drawn = pd.concat(shares).assign(low=lambda each: each["mean"])
    drawn["high"] = drawn["mean"] + drawn.undecided.where(drawn.share == "exact", 0)
    looks = {
        (width, share): look._replace(label=f"{share}, {width} units", line=dashes)
        for width, look in shades(sorted(table.width.unique())).items()
        for share, dashes in SHARES.items()
    }
    panels = Facets(["share of rows"], protocols, 1.9)
    for ax, here, *_ in panels.of(drawn, columns="protocol"):
        lines(ax, here, "epsilon", "mean", ["width", "share"], looks, ms=2.4)
    return panels.finished("$\\epsilon$ ($L_\\infty$)", "right center")


QUANTITIES = {
    "constant": "Lipschitz constant ($L_2$)",
    "change": "least change ($L_\\infty$)",
}
"""What `by_width` shows."""


def by_width(table: pd.DataFrame) -> Figure:
    """The Lipschitz constant and the median least change by width: a line a pair, a row a protocol.

    table: as `measures.least_changes` gives it, in L-infinity, with the columns constant_low and
    constant_high of each network. A band is the bracket: of the constant the mean over seeds, of
    the least change the median; the line is its middle.
    """
    of_cell = table.groupby(["protocol", "task", "width"], sort=False)
    constant = of_cell[["constant_low", "constant_high"]].mean().set_axis(["low", "high"], axis=1)
    ends = {"constant": constant, "change": of_cell[["low", "high"]].median()}
    looks, protocols = looks_of(table.task, TASKS), table.protocol.unique()
    panels = Facets(protocols, QUANTITIES, 0.6 + 1.25 * len(protocols), SINGLE, sharey=False)
    for ax, protocol, quantity in panels:
        means = ends[quantity].assign(mean=ends[quantity].mean(axis=1)).reset_index()
        here = rows_of(means, "protocol", protocol)
        lines(ax, here, "width", "mean", "task", looks, ms=2.4)
        width_axis(ax, table.width)
    return panels.finished(WIDTH)
