"""Pictures of notebook 05: saliency maps, and how well dense and pruned ones agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.measures import PIXELS
from lib.output.figures import DOUBLE, PROTOCOLS, READINGS, SINGLE, Picture, grid, width_axis
from lib.output.figures.pruning import CONTROLS
from lib.output.figures.subject import show_image
from lib.saliency import METHODS
from lib.statistics import FEWEST, summary

COLUMNS = {
    "image": "image",
    "dense": "dense",
    "as_coded": "coded",
    "as_described": "described",
}
"""The pictures of one sample, from left to right."""

BLOCKS = {True: "dense network right", False: "dense network wrong"}


def maps(table: pd.DataFrame, signed: bool = False) -> Figure:
    """A row for each sample of a digit: rightly classified ones left, wrongly classified right.

    table: as `measures.saliency_maps` gives it, of one network. Each map has its own scale; signed
    ones are red where ink speaks for the larger digit, blue where it speaks for the smaller. Below
    a map stands its network's probability of the larger digit. An absent sample is left blank.
    """
    digits, each = sorted(table.digit.unique()), table.groupby(["digit", "right"]).row.nunique()
    count = int(each.max())
    figure = Picture(figsize=(SINGLE, 0.5 * len(digits) * count + 0.35), layout="constrained")
    for block, (kind, title) in zip(
        figure.subfigures(1, 2, squeeze=False)[0], BLOCKS.items(), strict=True
    ):
        block.suptitle(title, fontsize=7)
        axes = block.subplots(len(digits) * count, len(COLUMNS), squeeze=False)
        for ax, column in zip(axes[0], COLUMNS.values(), strict=True):
            ax.set_title(column, size=6, pad=2)
        for place, digit in enumerate(digits):
            samples = table[(table.digit == digit) & (table.right == kind)].groupby("row")
            for row, (_, sample) in zip(axes[place * count :], samples, strict=False):
                show_sample(row, sample.set_index("map"), signed)
        for ax in (ax for ax in axes.flat if not ax.images):
            ax.set_axis_off()
    return figure


def show_sample(row: Sequence[Axes], sample: pd.DataFrame, signed: bool) -> None:
    """The image of one sample and its maps, each with its network's probability below."""
    for ax, name in zip(row, COLUMNS, strict=True):
        values = sample.loc[name, PIXELS].to_numpy(dtype=float)
        top = abs(values).max() or 1.0
        low, colours = (-top, "RdBu_r") if signed else (0, "magma_r")
        if name == "image":
            show_image(ax, values, vmin=0, vmax=1)
            ax.set_ylabel(str(sample.digit.iloc[0]), rotation=0, ha="right", va="center", size=7)
        else:
            show_image(ax, values, vmin=low, vmax=top, cmap=colours)
            ax.set_xlabel(f"{sample.loc[name, 'probability']:.2f}", size=5.5, labelpad=0.5)


AGAINST = {
    "as_coded": ("as coded", *READINGS["as_coded"]),
    "as_described": ("as described", *READINGS["as_described"]),
    "random": ("random masks", *CONTROLS["random", "layer"][1:]),
    "seeds": ("another seed", "#0072B2", "D", "--"),
}
"""What a dense map is compared with: label, colour, marker and line."""

MEASURES = {
    "spearman": "Spearman's $\\rho$",
    "ssim": "SSIM",
    "top_decile": "Overlap of top tenths",
}

KINDS = ("finite_difference", "gradient")


def agreement(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Agreement with the dense map by protocol: a row a kind of map, a column a measure.

    table: columns method, protocol, against (a name in `AGAINST`), seed, and the measures, of one
    task and width. Large marks are means with 95 % intervals over seeds, faint points the seeds.
    """
    figure, axes = grid(len(KINDS), len(MEASURES), DOUBLE, 2.8, sharex=True, sharey="col")
    for row, method in zip(axes, KINDS, strict=True):
        of_method = table[table.method == method]
        for ax, (measure, title) in zip(row, MEASURES.items(), strict=True):
            for shift, (against, (label, colour, marker, _)) in enumerate(AGAINST.items()):
                here = of_method[of_method.against == against]
                place = {name: at + 0.2 * (shift - 1.5) for at, name in enumerate(protocols)}
                marks(ax, here, "protocol", measure, place, marker, color=colour, label=label)
            ax.set_xticks(range(len(protocols)), protocols)
            ax.set_title(title if method == KINDS[0] else "")
            floor_line(ax, measure)
        row[0].set_ylabel(f"{METHODS[method].label}:\nagreement with dense")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def marks(
    ax: Axes,
    table: pd.DataFrame,
    by: str,
    value: str,
    place: Mapping[str, float],
    marker: str,
    **style: Any,
) -> None:
    """Means with 95 % intervals over seeds, by a column, at its `place`; seeds as faint points."""
    means = summary(table, [by], value)
    points: dict[str, Any] = {"ms": 2, "mew": 0.4, "alpha": 0.35, "color": style["color"]}
    ax.plot(table[by].map(place) + 0.09, table[value], marker, **points)
    ends = [means["mean"] - means.low, means.high - means["mean"]]
    size: dict[str, Any] = {"ms": 4, "mew": 1, "elinewidth": 0.8}
    ax.errorbar(means[by].map(place), means["mean"], ends, fmt=marker, **size, **style)


def floor_line(ax: Axes, measure: str) -> None:
    """What unrelated maps have in common: nothing, or a tenth of the top tenth."""
    ax.axhline(0.1 if measure == "top_decile" else 0, color="0.6", lw=0.5, zorder=0)
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.05)


def agreement_by_width(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Agreement with the dense map by width: a row a measure, a column a protocol.

    table: columns protocol, width, against, seed, and the measures, of one task and kind of map.
    Lines are means over seeds, bands 95 % intervals; faint points the seeds where too few for one.
    """
    figure, axes = grid(len(MEASURES), len(protocols), DOUBLE, 4.6, sharex=True, sharey="row")
    for row, (measure, title) in zip(axes, MEASURES.items(), strict=True):
        for ax, protocol in zip(row, protocols, strict=True):
            of_protocol = table[table.protocol == protocol]
            for against, (label, colour, marker, line) in AGAINST.items():
                here = of_protocol[of_protocol.against == against]
                means = summary(here, ["width"], measure)
                ax.plot(
                    means.width, means["mean"], color=colour, marker=marker, ls=line, label=label
                )
                ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.2, lw=0)
                if here.seed.nunique() < FEWEST:
                    ax.plot(
                        here.width, here[measure], marker, color=colour, alpha=0.3, ms=2, mew=0.4
                    )
            floor_line(ax, measure)
        row[0].set_ylabel(title)
    for top, bottom, protocol in zip(axes[0], axes[-1], protocols, strict=True):
        top.set_title(protocol)
        width_axis(bottom, sorted(table.width.unique()))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


SIDES = {
    "ratio": {
        "trained": ("trained", "#D55E00", "^"),
        "untrained": ("untrained", "#555555", "o"),
    },
    "share": {
        "right": ("right rows", "#0072B2", "s"),
        "wrong": ("wrong rows, as confident", "#CC79A7", "v"),
    },
}
"""What is compared in `places`, by its value: label, colour and marker; the second is hollow."""

EVEN = {"ratio": 1.0, "share": 0.1}
"""What a map has that is the same everywhere."""

PLACES = {
    "ratio": "mass on lit pixels\nover their area",
    "share": "mass on most\ndiscriminating tenth",
}


def places(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Where maps lie, by pair: on strokes (top), and on discriminating pixels (bottom).

    table: columns protocol, task, seed, side (a name in `SIDES`), ratio and share, one of the two
    NaN, of one width and kind of map. A column a protocol; the grey line is an even map.
    """
    tasks = list(dict.fromkeys(table.task))
    figure, axes = grid(len(SIDES), len(protocols), DOUBLE, 2.9, sharex=True, sharey="row")
    for row, (value, sides) in zip(axes, SIDES.items(), strict=True):
        for ax, protocol in zip(row, protocols, strict=True):
            of_protocol = table[table.protocol == protocol]
            for side, (label, colour, marker) in sides.items():
                hollow = side == list(sides)[1]
                at = {task: place + 0.3 * hollow - 0.15 for place, task in enumerate(tasks)}
                here = of_protocol[(of_protocol.side == side) & of_protocol[value].notna()]
                fill = {"mfc": "white"} if hollow else {}
                marks(ax, here, "task", value, at, marker, color=colour, label=label, **fill)
            ax.axhline(EVEN[value], color="0.6", lw=0.5, zorder=0)
        row[0].set_ylabel(PLACES[value])
        row[0].set_xticks(range(len(tasks)), tasks)
    for ax, protocol in zip(axes[0], protocols, strict=True):
        ax.set_title(protocol)
    keys = [axes[k][0].get_legend_handles_labels() for k in range(len(SIDES))]
    handles, labels = ([*first, *second] for first, second in zip(*keys, strict=True))
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


VERSIONS = {"dense": ("dense", "#0072B2", "D", "-"), **{n: AGAINST[n] for n in READINGS}}
"""The versions of a network: label, colour, marker and line."""


def ablation(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What the top quarter of units carries, by width: a column a protocol, a line a version.

    table: columns protocol, width, seed, version, top_quarter: a mean over pairs for each seed.
    Lines are means over seeds, bands 95 % intervals. The grey line is the bound of the claim.
    """
    figure, [axes] = grid(1, len(protocols), DOUBLE, 1.9, sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        of_protocol = table[table.protocol == protocol]
        for version, (label, colour, marker, line) in VERSIONS.items():
            here = of_protocol[of_protocol.version == version]
            means = summary(here, ["width"], "top_quarter")
            style = {"color": colour, "marker": marker, "ls": line, "label": label}
            ax.plot(means.width, means["mean"], **style)
            ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.2, lw=0)
        ax.axhline(0.5, color="0.6", lw=0.5, zorder=0)
        ax.set(title=protocol, ylim=(0, 1.05))
        width_axis(ax, sorted(table.width.unique()))
    axes[0].set_ylabel("share of the rise in loss\nthat the top quarter carries")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


UNITS = {
    "information": "information (bits)",
    "selectivity": "selectivity",
    "specialisation": "specialisation",
    "duplicates": "share of duplicates",
}
"""How what is asked of units is written."""


def units(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What units tell by width: a panel a quantity of `UNITS`, a line a protocol.

    table: columns protocol, width, seed and those of `UNITS`. Lines are means over seeds, bands
    95 % intervals.
    """
    figure, [axes] = grid(1, len(UNITS), DOUBLE, 1.75)
    for ax, (value, label) in zip(axes, UNITS.items(), strict=True):
        for protocol in protocols:
            colour, marker, line = PROTOCOLS[protocol]
            means = summary(table[table.protocol == protocol], ["width"], value)
            style = {"color": colour, "marker": marker, "ls": line, "label": protocol}
            ax.plot(means.width, means["mean"], **style)
            ax.fill_between(means.width, means.low, means.high, color=colour, alpha=0.2, lw=0)
        ax.set(title=label, ylim=(0, None))
        width_axis(ax, sorted(table.width.unique()))
        ax.set_xlabel("")
    figure.supxlabel("width (hidden units)", fontsize=8)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
