"""The axes of the paper's pictures: categories, widths, sparsities, amounts, and lines across."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lib.output.figures.style import written

WIDTH = "width (hidden units)"
"""What an axis of widths shows."""


def categories(ax: Axes, names: Iterable[Any], across: bool = False) -> None:
    """An axis of categories: x from the left, or y from the top where `across`."""
    labels = list(written(names).values())
    if across:
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
    else:
        ax.set_xticks(range(len(labels)), labels)


def number_axis(ax: Axes, ticks: Iterable[float]) -> None:
    """An axis of numbers, with those that were run as its ticks."""
    ticks = sorted(set(ticks))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])


def width_axis(ax: Axes, widths: Iterable[int]) -> None:
    """A logarithmic axis of widths, with the powers of two that were run as its ticks.

    Below 1 it is linear, so that 0, logistic regression, has its place.
    """
    run = set(widths)
    if 0 in run:
        ax.set_xscale("symlog", base=2, linthresh=1, linscale=0.5)
    else:
        ax.set_xscale("log", base=2)
    number_axis(ax, run & {0, 1, 2, 4, 8, 16, 32, 64} or run)
    ax.xaxis.minorticks_off()


def sparsity_axis(ax: Axes, ticks: Sequence[float] = (0, 0.5, 0.9, 0.99)) -> None:
    """An axis of sparsities, even in the order of magnitude of what stays."""
    ax.set_xscale("function", functions=(decades, lambda removed: 1 - 10.0**-removed))
    number_axis(ax, ticks)


def decades(sparsity: np.ndarray) -> np.ndarray:
    """How many powers of ten a sparsity removes; some for 1 too, with which an empty axis ends."""
    return -np.log10(np.maximum(1 - sparsity, 1e-9))


def rule(ax: Axes, y: float | None = None, x: float | None = None, line: str = "-") -> None:
    """A thin grey line through the panel, at what values are to be seen against."""
    style: dict[str, Any] = {"color": "0.6", "lw": 0.5, "ls": line, "zorder": 0}
    if y is not None:
        ax.axhline(y, **style)
    if x is not None:
        ax.axvline(x, **style)
