"""Pictures of notebook 01: samples, mean digits, difficulty."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from lib.datasets import SIDE
from lib.figures import DOUBLE, grid, task_style


def show_image(ax: Axes, image: Tensor, **options: Any) -> None:
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
    "fisher_ratio": "Fisher's ratio (log axis, falling)",
    "mean_image_ssim": "mean-image SSIM",
}
"""How the measures of difficulty are written on an axis."""


def difficulty(table: pd.DataFrame, order: list[str]) -> Figure:
    """Each measure of difficulty, harder to the right; tasks from the top in the given order."""
    measures = list(dict.fromkeys(table.measure))
    figure, [axes] = grid(1, len(measures), DOUBLE, 1.45, sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        rows = table[table.measure == measure].set_index("task").loc[order]
        for place, (task, value) in enumerate(rows.value.items()):
            colour, marker = task_style(task)
            ax.plot(value, place, marker, color=colour, ms=5)
        if (rows.difficulty < 0).any():
            ax.set_xscale("log")
            ax.invert_xaxis()
            ax.set_xticks([2, 5, 10, 20, 40], ["2", "5", "10", "20", "40"])
            ax.minorticks_off()
        ax.set(xlabel=LABELS[measure])
        ax.grid(axis="y", lw=0.3, color="0.85")
    axes[0].set_yticks(range(len(order)), order)
    axes[0].set_ylabel("task, published order")
    axes[0].invert_yaxis()
    return figure
