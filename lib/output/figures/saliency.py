"""Pictures of notebook 05: saliency maps, and how well dense and pruned ones agree."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.measures import PIXELS
from lib.output.figures.axes import WIDTH, rule, width_axis
from lib.output.figures.drawing import UPRIGHT, Facets, dots, lines, show_image
from lib.output.figures.style import (
    PROTOCOLS,
    RANDOM,
    READINGS,
    SINGLE,
    SMALL,
    Look,
    Picture,
    looks_of,
)

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
    blocks = figure.subfigures(1, 2, squeeze=False)[0]
    for block, (kind, title) in zip(blocks, BLOCKS.items(), strict=True):
        block.suptitle(title, fontsize=7)
        axes = block.subplots(len(digits) * count, len(COLUMNS), squeeze=False)
        for ax, column in zip(axes[0], COLUMNS.values(), strict=True):
            ax.set_title(column, size=SMALL, pad=2)
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
        if name == "image":
            show_image(ax, values)
            ax.set_ylabel(str(sample.digit.iloc[0]), **UPRIGHT)
        else:
            top = abs(values).max() or 1.0
            low, colours = (-top, "RdBu_r") if signed else (0, "magma_r")
            show_image(ax, values, vmin=low, vmax=top, cmap=colours)
            ax.set_xlabel(f"{sample.loc[name, 'probability']:.2f}", size=SMALL, labelpad=0.5)


AGAINST = {
    **READINGS,
    "random": RANDOM,
    "seeds": Look("another seed", "#0072B2", "D", "--"),
}
"""What a dense map is compared with."""

MEASURES = {
    "spearman": "Spearman's $\\rho$",
    "ssim": "SSIM",
    "top_decile": "Overlap of top tenths",
}

METHODS = {
    "finite_difference": "finite difference:\nagreement with dense",
    "gradient": "gradient:\nagreement with dense",
}


def agreement(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Agreement with the dense map by protocol: a row a kind of map, a column a measure.

    table: columns method, protocol, against (a name in `AGAINST`), seed, and the measures, of one
    task and width.
    """
    panels = Facets(METHODS, MEASURES, 2.8, sharey="col")
    for ax, here, _, measure in panels.of(table, "method"):
        dots(ax, here, "protocol", measure, "against", AGAINST, protocols, every=True)
        floor(ax, measure)
    return panels.finished()


def floor(ax: Axes, measure: str) -> None:
    """What unrelated maps have in common: nothing, or a tenth of the top tenth."""
    rule(ax, y=0.1 if measure == "top_decile" else 0)
    ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.05)


def agreement_by_width(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """Agreement with the dense map by width: a row a measure, a column a protocol.

    table: columns protocol, width, against, seed, and the measures, of one task and kind of map.
    """
    panels = Facets(MEASURES, protocols, 4.6, sharey="row")
    for ax, here, measure, _ in panels.of(table, columns="protocol"):
        lines(ax, here, "width", measure, "against", AGAINST)
        floor(ax, measure)
        width_axis(ax, table.width)
    return panels.finished(WIDTH)


SIDES = {
    "ratio": {
        "trained": Look("trained", "#D55E00", "^"),
        "untrained": Look("untrained", "#555555", "o", hollow=True),
    },
    "share": {
        "right": Look("right rows", "#0072B2", "s"),
        "wrong": Look("wrong rows, as confident", "#CC79A7", "v", hollow=True),
    },
}
"""What is compared in `places`, by its value."""

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
    panels = Facets(PLACES, protocols, 2.9, sharey="row")
    order = table.task.unique()
    for ax, here, value, _ in panels.of(table, columns="protocol"):
        here = here.dropna(subset=[value])
        dots(ax, here, "task", value, "side", SIDES[value], order, gap=0.3, every=True)
        rule(ax, y=EVEN[value])
    return panels.finished()


VERSIONS = {"dense": Look("dense", "#0072B2", "D", "-"), **READINGS}
"""The versions of a network."""


def ablation(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What the top quarter of units carries, by width: a column a protocol, a line a version.

    table: columns protocol, width, seed, version, top_quarter: a mean over pairs for each seed.
    The grey line is the bound of the claim.
    """
    panels = Facets(["share of the rise in loss\nthat the top quarter carries"], protocols, 1.9)
    for ax, here, *_ in panels.of(table, columns="protocol"):
        lines(ax, here, "width", "top_quarter", "version", VERSIONS)
        rule(ax, y=0.5)
        ax.set_ylim(0, 1.05)
        width_axis(ax, table.width)
    return panels.finished(WIDTH)


UNITS = {
    "information": "information (bits)",
    "selectivity": "selectivity",
    "specialisation": "specialisation",
    "duplicates": "share of duplicates",
}
"""How what is asked of units is written."""


def units(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What units tell by width: a panel a quantity of `UNITS`, a line a protocol.

    table: columns protocol, width, seed and those of `UNITS`.
    """
    panels = Facets([""], UNITS, 1.75, sharey=False)
    looks = looks_of(protocols, PROTOCOLS)
    for ax, _, value in panels:
        lines(ax, table, "width", value, "protocol", looks)
        ax.set_ylim(0, None)
        width_axis(ax, table.width)
    return panels.finished(WIDTH)
