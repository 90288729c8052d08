"""Pictures of notebook 01: samples, mean digits, difficulty."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from lib.measures.difficulty import HARDER_IF_LARGER
from lib.output.figures import DOUBLE, SINGLE, Picture, grid, task_style
from lib.tasks import digits
from lib.tasks.datasets import SIDE


def show_image(ax: Axes, image: Tensor | np.ndarray, **options: Any) -> None:
    """A vector of 784 pixels as a picture, dark on white, without axes."""
    ax.imshow(image.reshape(SIDE, SIDE), **{"cmap": "gray_r", **options})
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def samples(images: dict[str, tuple[Tensor, Tensor]]) -> Figure:
    """A row of samples for each digit of each task: (smaller digit's, larger digit's) images."""
    count = len(next(iter(images.values()))[0])
    figure, axes = grid(len(images), 2 * count, DOUBLE, DOUBLE / (2 * count) * len(images) + 0.1)
    for row, (task, pair) in zip(axes, images.items(), strict=True):
        for ax, image in zip(row, [*pair[0], *pair[1]], strict=True):
            show_image(ax, image, vmin=0, vmax=1)
        row[0].set_ylabel(task, rotation=0, ha="right", va="center")
    return figure


def mean_digits(means: dict[str, tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """For each task the mean of each digit, their difference, and the pixels that are ever lit.

    means: by task (mean of the smaller digit, mean of the larger, lit as 0 or 1).
    """
    figure, axes = grid(4, len(means), DOUBLE * 0.6, 3.2)
    titles = ("smaller digit", "larger digit", "difference", "ever lit")
    for column, (task, (low, high, lit)) in enumerate(means.items()):
        show_image(axes[0][column], low, vmin=0, vmax=1)
        show_image(axes[1][column], high, vmin=0, vmax=1)
        picture = high - low
        show_image(axes[2][column], picture, cmap="RdBu_r", vmin=-0.8, vmax=0.8)
        show_image(axes[3][column], lit, vmin=0, vmax=2)
        axes[0][column].set_title(task)
    for row, title in zip(axes, titles, strict=True):
        row[0].set_ylabel(title, rotation=0, ha="right", va="center")
    return figure


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


def difficulty(table: pd.DataFrame, order: list[str]) -> Figure:
    """Each measure of difficulty, harder to the right; tasks from the top in the given order."""
    measures = list(dict.fromkeys(table.measure))
    figure, [axes] = grid(1, len(measures), DOUBLE, 1.45, sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        rows = table[table.measure == measure].set_index("task").loc[order]
        for place, (task, value) in enumerate(rows.value.items()):
            colour, marker = task_style(task)
            ax.plot(value, place, marker, color=colour, ms=5)
        ax.set(xlabel=LABELS[measure])
        if not HARDER_IF_LARGER[measure]:
            ax.set(xscale="log", xlabel=f"{LABELS[measure]} (log axis, falling)")
            ax.invert_xaxis()
            ax.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
            ax.minorticks_off()
        ax.grid(axis="y", lw=0.3, color="0.85")
    axes[0].set_yticks(range(len(order)), order)
    axes[0].set_ylabel("task, published order")
    axes[0].invert_yaxis()
    return figure


def difficulty_by_pair(table: pd.DataFrame, outlined: Sequence[str]) -> Figure:
    """The pairs as a triangle of cells, dark where hard: the first measure large, with values.

    table: columns task, measure, value, rank (1 is the easiest). `outlined` tasks have a frame.
    """
    measures = list(dict.fromkeys(table.measure))
    figure = Picture(figsize=(DOUBLE, 2.75), layout="constrained")
    axes = figure.subplot_mosaic([[0, 0, 1, 2, 3], [0, 0, 4, 5, 6]])
    for place, measure in enumerate(measures):
        cells = table[table.measure == measure].set_index("task")
        image = triangle(axes[place], cells["rank"], outlined)
        axes[place].set_title(LABELS[measure], loc="left")
        if place == 0:
            write_values(axes[place], cells)
    axes[0].set(xlabel="smaller digit", ylabel="larger digit")
    count = table.task.nunique()
    bar = figure.colorbar(image, ax=[axes[place] for place in axes if place], aspect=40)
    bar.ax.set(ylim=(1, count), yticks=[1, count])
    bar.set_label(f"rank of difficulty ({count}: hardest)", labelpad=0)
    return figure


def triangle(ax: Axes, ranks: pd.Series, outlined: Sequence[str]) -> AxesImage:
    """Ranks of difficulty by task, at the row of the larger digit and the column of the smaller."""
    cells = np.full((10, 10), np.nan)
    for task, rank in ranks.items():
        cells[digits(str(task))[::-1]] = rank
    top = ranks.max()
    image = ax.imshow(cells, cmap="Blues", vmin=-0.1 * top, vmax=top)  # no cell is quite white
    halo = [withStroke(linewidth=2.4, foreground="white")]  # else a frame is lost on a dark cell
    for low, high in map(digits, outlined):
        place = (low - 0.5, high - 0.5)
        ax.add_patch(Rectangle(place, 1, 1, fill=False, lw=1, zorder=3, path_effects=halo))
    ax.set(xlim=(-0.6, 8.6), ylim=(9.6, 0.4), xticks=range(9), yticks=range(1, 10))
    ax.tick_params(length=0, pad=1)
    ax.spines[:].set_visible(False)
    return image


def write_values(ax: Axes, cells: pd.DataFrame) -> None:
    """Each value (columns value, rank; by task) in its cell, white on dark."""
    for task, value, rank in zip(cells.index, cells.value, cells["rank"], strict=True):
        colour = "white" if rank > 0.6 * cells["rank"].max() else "black"
        place = digits(task)
        ax.text(*place, f"{value:.3f}", ha="center", va="center", size=6, color=colour)


def rank_agreement(table: pd.DataFrame) -> Figure:
    """Kendall's tau between every two measures (columns measure, other, tau), as a triangle."""
    cells = table.pivot(index="other", columns="measure", values="tau")
    cells = cells.loc[list(dict.fromkeys(table.other)), list(dict.fromkeys(table.measure))]
    figure, [[ax]] = grid(1, 1, SINGLE, 2.5)
    ax.imshow(cells, cmap="Blues", vmin=0, vmax=1)
    for (row, column), tau in np.ndenumerate(cells.to_numpy()):
        colour = "white" if tau > 0.6 else "black"
        if not np.isnan(tau):
            ax.text(column, row, f"{tau:.2f}", ha="center", va="center", size=7, color=colour)
    ax.set_xticks(range(cells.shape[1]), map(LABELS.get, cells.columns), rotation=35, ha="right")
    ax.set_yticks(range(cells.shape[0]), map(LABELS.get, cells.index))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return figure
