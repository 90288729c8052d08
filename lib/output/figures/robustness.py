"""Pictures of notebook 04: corrupted digits, F1 by severity, a wide network less a narrow one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.measures import PIXELS
from lib.output.figures import DOUBLE, PROTOCOLS, SINGLE, grid, width_colours
from lib.output.figures.subject import show_image
from lib.output.latex import formatted
from lib.robustness.corruptions import CORRUPTIONS
from lib.statistics import FEWEST, summary


def examples(table: pd.DataFrame) -> Figure:
    """A row for each digit, a block for each corruption, a column for each severity from 0.

    table: as `measures.corruption_examples` gives it.
    """
    corruptions, digits = list(dict.fromkeys(table.corruption)), sorted(table.digit.unique())
    severities = table.severity.nunique()
    ratios = ([1.0] * severities + [0.3]) * len(corruptions)
    height = (SINGLE - 0.15) / sum(ratios) * len(digits) + 0.35
    options = {"width_ratios": ratios[:-1]}
    figure, axes = grid(len(digits), len(ratios) - 1, SINGLE, height, gridspec_kw=options)
    for block, name in enumerate(corruptions):
        for severity, of_column in table[table.corruption == name].groupby("severity"):
            column = block * (severities + 1) + int(severity)
            for row, image in zip(axes, of_column.sort_values("digit")[PIXELS].values, strict=True):
                show_image(row[column], image, vmin=0, vmax=1)
            axes[0][column].set_title(
                f"{of_column.amount.iloc[0]:g}" if severity else "clean", size=5.5, pad=2
            )
        axes[-1][block * (severities + 1) + severities // 2].set_xlabel(
            CORRUPTIONS[name].unit, size=7
        )
    for row, digit in zip(axes, digits, strict=True):
        row[0].set_ylabel(str(digit), rotation=0, ha="right", va="center", size=7)
        for gap in row[severities :: severities + 1]:
            gap.axis("off")
    return figure


def f1_by_amount(
    networks: pd.DataFrame, protocols: Sequence[str], published: pd.DataFrame
) -> Figure:
    """Mean F1 by the amount of one corruption, a panel for each protocol, a line for each width.

    Bands are 95 % intervals over seeds; where seeds are too few for one, faint points are the
    seeds. Hollow markers on the protocol "published" are the study's means (columns width,
    amount, f1_mean), with their standard deviation (f1_std) where the study gives one.
    """
    figure, [axes] = grid(1, len(protocols), DOUBLE, 2.15, sharey=True)
    colours = width_colours(sorted(networks.width.unique()))
    for ax, protocol in zip(axes, protocols, strict=True):
        here = networks[networks.protocol == protocol]
        for width, rows in here.groupby("width"):
            line_by_amount(ax, rows, "f1", colours[width], marker="o", label=str(width))
        if protocol == "published":
            mark_published(ax, published)
        place = "held-out rows" if protocol == "published" else "official test rows"
        unit = CORRUPTIONS[networks.corruption.iloc[0]].unit
        ax.set(title=f"{protocol}: {place}", xlabel=unit)
        ax.set_xticks(amounts := sorted(here.amount.unique()), [f"{a:g}" for a in amounts])
    axes[0].set_ylabel("F1")
    figure.legend(*axes[0].get_legend_handles_labels(), title="width", loc="outside right center")
    return figure


def line_by_amount(
    ax: Axes, rows: pd.DataFrame, value: str, colour: object, shift: float = 0, **style: Any
) -> None:
    """Mean by amount as a line, its interval as a band; seeds as faint points where too few."""
    means = summary(rows, ["amount"], value)
    ax.plot(means.amount + shift, means["mean"], color=colour, **{"ms": 2.4, **style})
    ax.fill_between(means.amount + shift, means.low, means.high, color=colour, alpha=0.15, lw=0)
    if rows.seed.nunique() < FEWEST:
        ax.plot(rows.amount + shift, rows[value], "o", color=colour, alpha=0.3, ms=1.8, mew=0)


PUBLISHED_MARKERS = {24: "s", 48: "^", 64: "D"}
"""The marker of a width that the study shows."""


def mark_published(ax: Axes, published: pd.DataFrame) -> None:
    """The published means as hollow black markers, a kind for each width, with error bars."""
    for width, rows in published.groupby("width"):
        ax.errorbar(
            rows.amount,
            rows.f1_mean,
            rows.f1_std if "f1_std" in rows else None,
            fmt=PUBLISHED_MARKERS[width],
            mfc="none",
            color="black",
            ms=4.5,
            mew=0.6,
            elinewidth=0.5,
            capsize=1.5,
            label=f"{width}, study",
        )


QUANTITIES = {
    "f1": "F1:\n{wide} less {narrow} units",
    "loss": "loss from clean F1:\n{narrow} less {wide} units",
}
"""The paired differences; above 0 the wide network is the better one."""


def differences(
    table: pd.DataFrame, columns: str, titles: Mapping[str, str], published: pd.DataFrame
) -> Figure:
    """Paired differences of two widths: a row a quantity, a panel for each value of `columns`.

    table: as `measures.width_differences` gives it; `columns` is "corruption" or "task". A line is
    the mean of a protocol over seeds, a band its 95 % interval; where seeds are too few for one,
    faint points are the seeds. Hollow markers: differences of the study's means, in F1 (columns
    task, corruption, amount, difference).
    """
    figure, axes = grid(2, len(titles), DOUBLE, 2.8, sharex="col", sharey="col")
    words = {"wide": table.width.iloc[0], "narrow": table.other_width.iloc[0]}
    for row, (quantity, label) in zip(axes, QUANTITIES.items(), strict=True):
        for ax, name in zip(row, titles, strict=True):
            here = table[(table.quantity == quantity) & (table[columns] == name)]
            lines_by_protocol(ax, here)
            if quantity == "f1":
                theirs = published.merge(here[["task", "corruption"]].drop_duplicates())
                style = {"mfc": "none", "color": "black", "ms": 4.5, "mew": 0.6}
                ax.plot(theirs.amount, theirs.difference, "D", label="the study's means", **style)
        row[0].set_ylabel(label.format(**words))
    for top, bottom, (name, title) in zip(axes[0], axes[1], titles.items(), strict=True):
        here = table[table[columns] == name]
        top.set_title(title)
        bottom.set_xlabel(CORRUPTIONS[here.corruption.iloc[0]].unit)
        bottom.set_xticks(amounts := sorted(here.amount.unique()), [f"{a:g}" for a in amounts])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def lines_by_protocol(ax: Axes, table: pd.DataFrame) -> None:
    """A line for each protocol, a little beside one another, and one where no difference is."""
    for place, (protocol, (colour, marker, line)) in enumerate(PROTOCOLS.items()):
        rows = table[table.protocol == protocol]
        if rows.empty:
            continue
        shift = 0.012 * table.amount.max() * (place - 1)
        style = {"marker": marker, "linestyle": line, "label": protocol}
        line_by_amount(ax, rows, "difference", colour, shift, **style)
    ax.axhline(0, color="0.4", lw=0.6, zorder=0)


def by_training(table: pd.DataFrame) -> Figure:
    """Paired differences by how long networks were trained, a panel a quantity, a line an amount.

    table: as `measures.width_differences` gives it, of one corruption, with a column training in
    the order of the axis. Markers are means over seeds, bars their 95 % intervals.
    """
    figure, axes = grid(2, 1, SINGLE, 3.3, sharex=True)
    words = {"wide": table.width.iloc[0], "narrow": table.other_width.iloc[0]}
    trainings, amounts = list(dict.fromkeys(table.training)), sorted(table.amount.unique())
    shades = width_colours(amounts)
    for [ax], (quantity, label) in zip(axes, QUANTITIES.items(), strict=True):
        for place, amount in enumerate(amounts):
            rows = table[(table.quantity == quantity) & (table.amount == amount)]
            means = summary(rows, ["training"], "difference")
            shift = 0.09 * (place - (len(amounts) - 1) / 2)
            x = [trainings.index(each) + shift for each in means.training]
            reach = [means["mean"] - means.low, means.high - means["mean"]]
            style = {"color": shades[amount], "marker": MARKERS[place], "ms": 3, "lw": 0.7}
            shown = f"$\\sigma = {amount:g}$" if amount else "clean"
            ax.errorbar(x, means["mean"], reach, elinewidth=0.8, label=shown, **style)
        ax.axhline(0, color="0.4", lw=0.6, zorder=0)
        ax.set_ylabel(label.format(**words))
    axes[1][0].set_xticks(range(len(trainings)), trainings)
    axes[1][0].set_xlabel("training budget (rate × steps), or converged")
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3)
    return figure


MARKERS = "os^Dv*"
"""The markers of the amounts of a corruption, from the clean image on."""


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
