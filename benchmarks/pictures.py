"""Pictures of the benchmark: networks per second side by side, and how cost grows."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.growth import COST
from lib.output.figures.axes import categories
from lib.output.figures.drawing import Facets
from lib.output.figures.style import SMALL

OURS, LIMIT, OTHER = "#0072B2", "#000000", "#777777"
"""The population, the speed limit, and everything else; each has its own marker too."""


def speed(results: pd.DataFrame) -> Figure:
    """Networks per second (median, range over turns) by contender, a panel for each setting.

    Beside each point: how many times as fast the population is, turn by turn (median).
    """
    measured = results[results.networks_per_second.notna() & (results.contender != "scores alone")]
    names = list(dict.fromkeys(measured.contender))
    settings = list(dict.fromkeys(measured.setting))
    panels = Facets([""], settings, 0.24 * len(names) + 0.75, sharex=False)
    for ax, here, *_ in panels.of(measured, columns="setting"):
        for row in here.itertuples():
            contender_point(ax, row, names.index(row.contender))
        ax.set_xscale("log")
        plain(ax.xaxis, (1, 2, 5))
        ax.grid(axis="y", color="0.9", lw=0.5)
        ax.set_axisbelow(True)
        ax.margins(x=0.16)
        categories(ax, names, across=True)
        ax.set_ylim(top=-0.7)
    return panels.finished("networks per second")


def contender_point(ax: Axes, row: pd.Series, place: int) -> None:
    """One contender's median, range and ratio; bare products as a line that nothing can pass."""
    limit, ours = row.contender.startswith("bare"), row.contender.startswith("population")
    colour = LIMIT if limit else OURS if ours else OTHER
    low, high = row.networks_per_second_low, row.networks_per_second_high
    if limit:
        ax.axvline(row.networks_per_second, color=colour, lw=0.8, ls=":")
    ax.plot([low, high], [place, place], color=colour, lw=1.4, solid_capstyle="butt")
    marker = "|" if limit else "o" if ours else "s"
    ax.plot(row.networks_per_second, place, marker, color=colour, ms=8 if limit else 4.5)
    if limit:
        text, offset, side = f"population reaches {row.speedup:.0%}", (-5, -2.5), "right"
    else:
        text, offset, side = f"population {row.speedup:.2g}×", (0, 4), "center"
    if row.contender != "population":
        ax.annotate(
            text, (row.networks_per_second, place), offset, textcoords="offset points", ha=side,
            size=6.5, color=colour, bbox={"fc": "white", "ec": "none", "pad": 0.4},
        )  # fmt: skip


def plain(axis: Axis, steps: tuple[int, ...]) -> None:
    """Ticks of a logarithmic axis at these multiples of powers of ten, written out."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


LABELS = {
    "networks": ("networks", "seconds, rows and all"),
    "width": ("width at a fixed number of units", "seconds a shard"),
    "rows": ("training rows", "seconds a shard"),
}


def growth(table: pd.DataFrame) -> Figure:
    """Time above and peak memory below, against networks, width and rows, with their slopes."""
    present = list(dict.fromkeys(table.axis))
    panels = Facets({"seconds": "", "memory": ""}, present, 3.4, sharex="col", sharey=False)
    times, memories = panels.axes
    for column, axis in enumerate(present):
        xlabel, ylabel = LABELS[axis]
        part = table[table.axis == axis].sort_values("value")
        curve(times[column], part, COST[axis], part.slope_seconds.iloc[0], OURS, "o-")
        curve(memories[column], part, "peak_mib", part.slope_peak.iloc[0], "#D55E00", "s-")
        memories[column].plot(part.value, part.base_mib, ":", color="0.5")
        memories[column].set(xlabel=xlabel, yscale="linear", ylim=(0, 1.2 * table.peak_mib.max()))
        times[column].set_ylabel(ylabel)
        memories[column].set_xlim(part.value.min() / 1.5, 1.5 * part.value.max())
    memories[0].set_ylabel("peak memory (MiB)")
    last = table[table.axis == present[-1]].iloc[-1]
    memories[-1].annotate(
        "before training", (last.value, last.base_mib), (0, -8), textcoords="offset points",
        ha="right", size=6.5, color="0.4",
    )  # fmt: skip
    return panels.figure


def curve(ax: Axes, part: pd.DataFrame, column: str, slope: float, colour: str, mark: str) -> None:
    """One curve on logarithmic axes, its slope written above."""
    ax.plot(part.value, part[column], mark, color=colour)
    ax.set(xscale="log", yscale="log")
    decades = part[column].max() > 20 * part[column].min()
    plain(ax.yaxis, (1,) if decades else (1, 2, 5))
    ax.set_xticks(part.value, [f"{value:,}" for value in part.value], size=SMALL)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(y=0.2)
    ax.set_title(f"slope on log axes {slope:z.2f}")
