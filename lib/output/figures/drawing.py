"""What the paper's pictures are made of: facets, lines with bands, dots with bars, heat maps.

A line or a mark is a mean over seeds, a band or a bar its interval of 95 %. Small faint marks are
single networks; lines have them where seeds are too few for an interval.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from lib.output.figures.axes import categories
from lib.output.figures.style import DOUBLE, SMALL, Look, Picture, written
from lib.statistics import FEWEST, interval, summary
from lib.tasks.datasets import SIDE

UPRIGHT: dict[str, Any] = {"rotation": 0, "ha": "right", "va": "center"}
"""A label at the left that is read without turning the head, as beside images."""


class Facets:
    """A grid of panels with a title over each column, a label beside each row, and one legend.

    rows, columns: what the panels are of; a mapping also says how each is written. height, width:
    of the figure in inches. shared: as `Figure.subplots` has it; axes are shared by default.
    Iterating gives each panel's axes with the names of its row and its column.
    """

    def __init__(
        self,
        rows: Iterable[Any],
        columns: Iterable[Any],
        height: float,
        width: float = DOUBLE,
        upright: bool = False,
        **shared: Any,
    ) -> None:
        self.rows, self.columns = written(rows), written(columns)
        self.figure = Picture(figsize=(width, height), layout="constrained")
        shared = {"sharex": True, "sharey": True, "squeeze": False} | shared
        self.axes = self.figure.subplots(len(self.rows), len(self.columns), **shared)
        for ax, title in zip(self.axes[0], self.columns.values(), strict=True):
            ax.set_title(title)
        for ax, label in zip(self.axes[:, 0], self.rows.values(), strict=True):
            ax.set_ylabel(label, **(UPRIGHT if upright else {}))

    def __iter__(self) -> Iterator[tuple[Axes, Any, Any]]:
        for row, axes in zip(self.rows, self.axes, strict=True):
            for column, ax in zip(self.columns, axes, strict=True):
                yield ax, row, column

    def of(
        self, table: pd.DataFrame, rows: str | Sequence[str] = (), columns: str | Sequence[str] = ()
    ) -> Iterator[tuple[Axes, pd.DataFrame, Any, Any]]:
        """Each panel's axes, its rows of a table, and the names of its row and its column.

        rows, columns: what of the table the names stand in, where they choose its rows.
        """
        for ax, row, column in self:
            yield ax, rows_of(rows_of(table, rows, row), columns, column), row, column

    def finished(self, x: str = "", legend: str = "upper center", **options: Any) -> Figure:
        """The figure, with what x axes show below each column, and one legend, each label once.

        legend: the side of the panels that it stands on, in one line if above; "" for none.
        """
        for ax in self.axes[-1] if x else ():
            ax.set_xlabel(x)
        named = {
            label: handle
            for ax in self.axes.flat
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        if legend and named:
            options = {"ncols": 1 if "right" in legend else len(named)} | options
            options["loc"] = f"outside {legend}"
            self.figure.legend(named.values(), named.keys(), **options)
        return self.figure

    def colour_bar(self, image: AxesImage, label: str, **options: Any) -> None:
        """What the shades of all panels say, from those of one."""
        self.figure.colorbar(image, ax=self.axes, label=label, **options)


def rows_of(table: pd.DataFrame, by: str | Sequence[str], name: Any) -> pd.DataFrame:
    """The rows of a table that have this value in a column, or these in several; all for none."""
    if not by:
        return table
    if isinstance(by, str):
        return table[table[by] == name]
    return table[(table[[*by]] == [*name]).all(axis=1)]


def averaged(table: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """Columns mean, low and high by a column: what the table brings, else of `value` over rows."""
    return table.drop_duplicates(by) if "mean" in table else summary(table, [by], value)


def lines(
    ax: Axes,
    table: pd.DataFrame,
    x: str,
    value: str,
    by: str | Sequence[str],
    looks: Mapping[Any, Look],
    every: bool = False,
    **options: Any,
) -> None:
    """A line for each of `looks` whose name the table has in `by`, a column or several.

    table: a row a network, with its seed; or with the columns mean, low and high, see `averaged`.
    Single networks are drawn where seeds are too few for an interval, or always if `every`.
    """
    for name, look in looks.items():
        if (here := rows_of(table, by, name)).empty:
            continue
        means = averaged(here, x, value).sort_values(x)
        style = {"marker": look.marker, "ls": look.line, "label": look.label} | options
        ax.plot(means[x], means["mean"], color=look.colour, **style)
        ax.fill_between(means[x], means.low, means.high, color=look.colour, alpha=0.2, lw=0)
        if "seed" in here and (every or here.seed.nunique() < FEWEST):
            faint(ax, here[x], here[value], look)


def faint(ax: Axes, at: pd.Series, values: pd.Series, look: Look) -> None:
    """Single networks as small faint marks."""
    ax.plot(at, values, look.marker, color=look.colour, alpha=0.3, ms=2, mew=0.4)


def bars(
    ax: Axes, at: Any, means: pd.DataFrame, look: Look, across: bool = False, **style: Any
) -> None:
    """A dot at each mean and a bar from low to high, at these places; along x where `across`.

    means: columns mean, low and high; no bar where an end is NaN.
    """
    reach = [means["mean"] - means.low, means.high - means["mean"]]
    reach = np.nan_to_num(np.array(reach, dtype=float)).clip(min=0)  # rounding may be below 0
    style = {"marker": look.marker, "ls": "", "ms": 4, "elinewidth": 0.8} | style
    style = {"mfc": "white" if look.hollow else look.colour} | style
    style |= {"color": look.colour, "label": look.label}
    if across:
        ax.errorbar(means["mean"], at, xerr=reach, **style)
    else:
        ax.errorbar(at, means["mean"], yerr=reach, **style)


def beside(count: int, gap: float) -> np.ndarray:
    """How far each of some marks stands from the middle of all."""
    return gap * (np.arange(count) - (count - 1) / 2)


def dots(
    ax: Axes,
    table: pd.DataFrame,
    category: str,
    value: str,
    by: str | Sequence[str],
    looks: Mapping[Any, Look],
    order: Iterable[Any],
    gap: float = 0.2,
    across: bool = False,
    every: bool = False,
    **style: Any,
) -> None:
    """The mean of each category in `order` by look, side by side; with single networks if `every`.

    table, by: as for `lines`. Categories stand from the left, or from the top where `across`.
    """
    places = {name: at for at, name in enumerate(order)}
    for shift, (name, look) in zip(beside(len(looks), gap), looks.items(), strict=True):
        if (here := rows_of(table, by, name)).empty:
            continue
        means = averaged(here, category, value)
        bars(ax, means[category].map(places) + shift, means, look, across, **style)
        if every:
            faint(ax, here[category].map(places) + shift + 0.09, here[value], look)
    categories(ax, order, across)


def heat_map(
    ax: Axes,
    cells: pd.DataFrame,
    texts: pd.DataFrame | None = None,
    bold: pd.DataFrame | None = None,
    **colours: Any,
) -> AxesImage:
    """Values as shades, with the names of rows and columns, and in each cell its text.

    texts, bold: of the shape of `cells`; a cell without a value has no text.
    """
    image = ax.imshow(cells, aspect="auto", **colours)
    ax.set_xticks(range(cells.shape[1]), written(cells.columns).values())
    ax.set_yticks(range(cells.shape[0]), written(cells.index).values())
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if texts is not None:
        for y, x in np.argwhere(cells.notna().to_numpy()):
            grey = np.dot(image.to_rgba(cells.iat[y, x])[:3], (0.299, 0.587, 0.114))
            weight = "bold" if bold is not None and bold.iat[y, x] else "normal"
            text = ax.text(x, y, texts.iat[y, x], size=SMALL, weight=weight)
            text.set(ha="center", va="center", color="black" if grey > 0.5 else "white")
    return image


def level(ax: Axes, values: pd.Series, look: Look, upright: bool = False) -> None:
    """The mean of values as a line through the panel, its interval of 95 % as a band."""
    low, high = interval(values.to_numpy())
    span, through = (ax.axvspan, ax.axvline) if upright else (ax.axhspan, ax.axhline)
    span(low, high, color=look.colour, alpha=0.35, lw=0, zorder=0)
    through(values.mean(), color=look.colour, ls=look.line, lw=1, label=look.label)


def show_image(ax: Axes, image: Tensor | np.ndarray, **options: Any) -> None:
    """A vector of 784 pixels as a picture, dark on white from 0 to 1, without axes."""
    ax.imshow(image.reshape(SIDE, SIDE), **{"cmap": "gray_r", "vmin": 0, "vmax": 1, **options})
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
