"""Pictures of notebook 01: samples, mean digits, difficulty."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from lib.measures.difficulty import HARDER_IF_LARGER
from lib.output.figures.axes import categories
from lib.output.figures.drawing import Facets, heat_map, show_image
from lib.output.figures.style import DOUBLE, SINGLE, TASKS, Picture, looks_of
from lib.tasks import digits


def samples(images: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """A row of samples for each digit of each task: (smaller digit's, larger digit's) images."""
    shown = {task: torch.cat(pair) for task, pair in images.items()}
    untitled = dict.fromkeys(range(len(next(iter(shown.values())))), "")
    height = DOUBLE / len(untitled) * len(images) + 0.1
    panels = Facets(list(shown), untitled, height, upright=True)
    for ax, task, place in panels:
        show_image(ax, shown[task][place])
    return panels.figure


VIEWS: dict[str, dict[str, Any]] = {
    "smaller digit": {},
    "larger digit": {},
    "difference": {"cmap": "RdBu_r", "vmin": -0.8, "vmax": 0.8},
    "ever lit": {"vmax": 2},
}
"""What `mean_digits` shows of a task, and how."""


def mean_digits(means: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """For each task the mean of each digit, their difference, and the pixels that are ever lit.

    means: by task (mean of the smaller digit, mean of the larger, lit as 0 or 1).
    """
    panels = Facets(list(VIEWS), list(means), 3.2, DOUBLE * 0.6, upright=True)
    for ax, view, task in panels:
        low, high, lit = means[task]
        image = dict(zip(VIEWS, (low, high, high - low, lit), strict=True))[view]
        show_image(ax, image, **VIEWS[view])
    return panels.figure


LABELS = {
    "linear_probe_error": "linear-probe error",
    "fisher_ratio": "Fisher's ratio",
    "mean_image_ssim": "mean-image SSIM",
    "nearest_neighbour_error": "1-NN error",
    "n1": "N1",
    "n3": "N3",
    "margin": "linear margin",
}
"""How the measures of difficulty are written."""


def difficulty(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Each measure of difficulty, harder to the right; tasks from the top in the given order."""
    looks, untitled = looks_of(table.task, TASKS), dict.fromkeys(table.measure, "")
    panels = Facets(["task, published order"], untitled, 1.45, sharex=False)
    for ax, here, _, measure in panels.of(table, columns="measure"):
        for row in here.itertuples():
            look = looks[row.task]
            ax.plot(row.value, order.index(row.task), look.marker, color=look.colour, ms=5)
        ax.set_xlabel(LABELS[measure])
        if not HARDER_IF_LARGER[measure]:
            ax.set(xscale="log", xlabel=f"{LABELS[measure]} (log axis, falling)")
            ax.invert_xaxis()
            ax.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
            ax.minorticks_off()
        ax.grid(axis="y", lw=0.3, color="0.85")
        categories(ax, order, across=True)
    return panels.figure


def difficulty_by_pair(table: pd.DataFrame, outlined: Sequence[str]) -> Figure:
    """The pairs as a triangle of cells, dark where hard: the first measure large, with values.

    table: columns task, measure, value, rank (1 is the easiest). `outlined` tasks have a frame.
    """
    figure = Picture(figsize=(DOUBLE, 2.75), layout="constrained")
    axes = figure.subplot_mosaic([[0, 0, 1, 2, 3], [0, 0, 4, 5, 6]])
    for place, measure in enumerate(dict.fromkeys(table.measure)):
        cells = table[table.measure == measure].set_index("task")
        values = None if place else cells.value
        image = triangle(axes[place], cells["rank"], outlined, values)
        axes[place].set_title(LABELS[measure], loc="left")
    axes[0].set(xlabel="smaller digit", ylabel="larger digit")
    count = table.task.nunique()
    bar = figure.colorbar(image, ax=[axes[place] for place in axes if place], aspect=40)
    bar.ax.set(ylim=(1, count), yticks=[1, count])
    bar.set_label(f"rank of difficulty ({count}: hardest)", labelpad=0)
    return figure


def triangle(
    ax: Axes, ranks: pd.Series, outlined: Sequence[str], values: pd.Series | None = None
) -> AxesImage:
    """Ranks of difficulty by task, at the row of the larger digit and the column of the smaller.

    values: what is written in the cells, by task; nothing where it is None.
    """
    cells, top = by_digits(ranks), ranks.max()
    texts = None if values is None else by_digits(values).map("{:.3f}".format)
    image = heat_map(ax, cells, texts, cmap="Blues", vmin=-0.1 * top, vmax=top)  # none quite white
    halo = [withStroke(linewidth=2.4, foreground="white")]  # else a frame is lost on a dark cell
    for low, high in map(digits, outlined):
        place = (low - 0.5, high - 0.5)
        ax.add_patch(Rectangle(place, 1, 1, fill=False, lw=1, zorder=3, path_effects=halo))
    ax.set(xlim=(-0.6, 8.6), ylim=(9.6, 0.4), xticks=range(9), yticks=range(1, 10))
    ax.set_aspect("equal")
    ax.tick_params(pad=1)
    return image


def by_digits(values: pd.Series) -> pd.DataFrame:
    """Values by task as a table of larger digits (rows) by smaller ones (columns)."""
    cells = np.full((10, 10), np.nan)
    for task, value in values.items():
        cells[digits(str(task))[::-1]] = value
    return pd.DataFrame(cells)


def rank_agreement(table: pd.DataFrame) -> Figure:
    """Kendall's tau between every two measures (columns measure, other, tau), as a triangle."""
    cells = table.pivot(index="other", columns="measure", values="tau")
    cells = cells.loc[list(dict.fromkeys(table.other)), list(dict.fromkeys(table.measure))]
    panels = Facets([""], [""], 2.5, SINGLE)
    [[ax]] = panels.axes
    texts = cells.map("{:.2f}".format)
    heat_map(ax, cells.rename(index=LABELS, columns=LABELS), texts, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(ax.get_xticks(), ax.get_xticklabels(), rotation=35, ha="right")
    return panels.figure
