"""Pictures of notebook 04: corrupted digits, F1 by severity, a wide network less a narrow one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.measures import PIXELS
from lib.output.figures.axes import number_axis, rule
from lib.output.figures.drawing import Facets, bars, beside, dots, lines, rows_of
from lib.output.figures.style import HOLLOW, PROTOCOLS, SINGLE, SMALL, Look, looks_of, shades
from lib.output.latex import formatted
from lib.robustness.corruptions import CORRUPTIONS
from lib.tasks.datasets import SIDE


def amount_of(table: pd.DataFrame) -> str:
    """How the amount of the one corruption in a table is written."""
    return CORRUPTIONS[table.corruption.iloc[0]].unit


def examples(table: pd.DataFrame) -> Figure:
    """A row for each digit, a block for each corruption, a column for each severity from 0.

    table: as `measures.corruption_examples` gives it.
    """
    names, digits = table.corruption.unique(), sorted(table.digit.unique())
    panels = Facets([""], dict.fromkeys(names, ""), 0.28 * len(digits) + 0.3, SINGLE, sharex=False)
    for ax, here, *_ in panels.of(table, columns="corruption"):
        tiles(ax, here)
        amounts = here.groupby("severity").amount.first()
        labels = [f"{amount:g}" if severity else "clean" for severity, amount in amounts.items()]
        ax.xaxis.tick_top()
        ax.set_xticks(middles(len(labels)), labels, size=SMALL)
        ax.set_yticks(middles(len(digits)), digits)
        ax.tick_params(length=0, pad=1)
        ax.set_xlabel(amount_of(here))
    return panels.figure


GAP = 1
"""How many pixels of white stand around an image among others."""


def tiles(ax: Axes, table: pd.DataFrame) -> None:
    """The images of one corruption as one: a row for each digit, a column for each severity."""
    table = table.sort_values(["digit", "severity"])
    shape = table.digit.nunique(), table.severity.nunique(), SIDE, SIDE
    rows = np.pad(table[PIXELS].to_numpy().reshape(shape), [(0, 0), (0, 0), (GAP, GAP), (GAP, GAP)])
    ax.imshow(np.block([list(row) for row in rows]), cmap="gray_r", vmin=0, vmax=1)
    ax.spines[:].set_visible(False)


def middles(count: int) -> np.ndarray:
    """Where the images of `tiles` have their middles, along a row or a column of them."""
    return (SIDE + 2 * GAP) * (np.arange(count) + 0.5) - 0.5


def f1_by_amount(
    networks: pd.DataFrame, protocols: Sequence[str], published: pd.DataFrame
) -> Figure:
    """Mean F1 by the amount of one corruption, a panel for each protocol, a line for each width.

    Hollow markers on the protocol "published" are the study's means (columns width, amount,
    f1_mean), with their standard deviation (f1_std) where the study gives one.
    """
    rows = {"published": "held-out rows"}
    titles = {each: f"{each}: {rows.get(each, 'official test rows')}" for each in protocols}
    panels = Facets(["F1"], titles, 2.4)
    looks = shades(sorted(networks.width.unique()))
    for ax, here, _, protocol in panels.of(networks, columns="protocol"):
        lines(ax, here, "amount", "f1", "width", looks, ms=2.4)
        if protocol == "published":
            mark_published(ax, published)
        number_axis(ax, networks.amount)
    return panels.finished(amount_of(networks), "right center", title="width")


PUBLISHED_MARKERS = {24: "s", 48: "^", 64: "D"}
"""The marker of a width that the study shows."""


def mark_published(ax: Axes, published: pd.DataFrame) -> None:
    """The published means as hollow black markers, a kind for each width, with error bars."""
    sd, mean = published.get("f1_std", np.nan), published.f1_mean
    means = published.assign(mean=mean, low=mean - sd, high=mean + sd)
    for width, rows in means.groupby("width"):
        look = Look(f"{width}, study", "black", PUBLISHED_MARKERS[width])
        bars(ax, rows.amount, rows, look, **HOLLOW, elinewidth=0.5, capsize=1.5)


QUANTITIES = {
    "f1": "F1:\n{wide} less {narrow} units",
    "loss": "loss from clean F1:\n{narrow} less {wide} units",
}
"""The paired differences; above 0 the wide network is the better one."""


def quantities(table: pd.DataFrame) -> dict[str, str]:
    """How the paired differences of a table are written."""
    words = {"wide": table.width.iloc[0], "narrow": table.other_width.iloc[0]}
    return {name: label.format(**words) for name, label in QUANTITIES.items()}


def differences(
    table: pd.DataFrame, by: str, names: Sequence[str], published: pd.DataFrame
) -> Figure:
    """Paired differences of two widths: a row a quantity, a column for each of the names in `by`.

    table: as `measures.width_differences` gives it; `by` is "corruption" or "task". A line is a
    protocol; they stand a little beside one another. Hollow markers: differences of the study's
    means, in F1 (columns task, corruption, amount, difference).
    """
    panels = Facets(quantities(table), names, 2.8, sharex="col", sharey="col")
    looks = looks_of(table.protocol, PROTOCOLS)
    shifts = dict(zip(looks, beside(len(looks), 0.012), strict=True))
    for ax, here, quantity, name in panels.of(table, "quantity", by):
        apart = here.amount + here.amount.max() * here.protocol.map(shifts)
        lines(ax, here.assign(amount=apart), "amount", "difference", "protocol", looks, ms=2.4)
        rule(ax, y=0)
        if quantity == "f1":
            theirs = published.merge(here[["task", "corruption"]].drop_duplicates())
            label = "the study's means"
            ax.plot(theirs.amount, theirs.difference, marker="D", label=label, **HOLLOW)
        of_column = rows_of(table, by, name)
        number_axis(ax, of_column.amount)
        if quantity == "loss":
            ax.set_xlabel(amount_of(of_column))
    return panels.finished()


def by_training(table: pd.DataFrame) -> Figure:
    """Paired differences by how long networks were trained, a panel a quantity, a line an amount.

    table: as `measures.width_differences` gives it, of one corruption, with a column training in
    the order of the axis.
    """
    panels = Facets(quantities(table), [""], 3.3, SINGLE, sharey=False)
    looks = {
        amount: look._replace(label=f"$\\sigma = {amount:g}$" if amount else "clean")
        for amount, look in shades(sorted(table.amount.unique()), "os^Dv*").items()
    }
    order = table.training.unique()
    style: dict[str, Any] = {"gap": 0.09, "ls": "-", "lw": 0.7, "ms": 3}
    for ax, here, *_ in panels.of(table, "quantity"):
        dots(ax, here, "training", "difference", "amount", looks, order, **style)
        rule(ax, y=0)
    return panels.finished("training budget (rate × steps), or converged", ncols=3)


COMPARISONS = {
    "clean": "lead, clean",
    "noise": "lead, noise",
    "noise_loss": "loss, noise",
    "pruning": "pruned",
}
"""How the comparisons of the table of detectable differences are written."""


def place_of(names: pd.Series) -> pd.Series:
    """The places of comparisons or protocols in the order in which the paper has them."""
    order = [*COMPARISONS, *PROTOCOLS]
    return names.map(order.index)


def power_table(table: pd.DataFrame) -> pd.DataFrame:
    """What `measures.detectable` gives, as text for the paper: a row a comparison and protocol."""
    by_seeds = table.pivot(
        index=["comparison", "protocol", "mean", "sd"], columns="seeds", values="effect"
    )
    found = by_seeds.rename(columns="{} seeds".format).reset_index()
    found = found.sort_values(["comparison", "protocol"], key=place_of, ignore_index=True)
    first = ~found.comparison.duplicated()
    found["comparison"] = found.comparison.map(COMPARISONS).where(first, "")
    numbers = found.columns[2:]
    found[numbers] = found[numbers].map(lambda value: formatted(value, ".3f"))
    return found.rename(columns={"comparison": "Comparison", "protocol": "", "mean": "found"})
