"""How the paper's pictures look, and how they are saved."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.networks import protocols
from lib.study import store

SINGLE, DOUBLE = 3.4, 7.0
"""Column widths in inches."""

TASKS = {
    "0-1": ("#0072B2", "o"),
    "1-7": ("#56B4E9", "s"),
    "5-6": ("#009E73", "^"),
    "3-8": ("#E69F00", "D"),
    "4-9": ("#D55E00", "v"),
}
"""The colour (Okabe & Ito 2008) and marker that a task keeps through the whole paper."""

OTHERS = (("#CC79A7", "P"), ("#000000", "X"), ("#999999", "*"), ("#882255", "<"), ("#332288", ">"))
"""Colours and markers of what has none of its own, by turns."""

Style = tuple[str, str, str]
"""A colour, a marker and a line."""


class Styles(Mapping[Any, Style]):
    """A style for each member of a registry, in its order: its own, or one of `OTHERS`."""

    def __init__(self, registry: Mapping[Any, object], own: Mapping[Any, Style]) -> None:
        self.registry, self.own = registry, own

    def __getitem__(self, name: Any) -> Style:
        place = list(self.registry).index(name)
        return self.own.get(name) or (*OTHERS[place % len(OTHERS)], "-.")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.registry)

    def __len__(self) -> int:
        return len(self.registry)


PROTOCOLS = Styles(
    protocols.PROTOCOLS,
    {
        "published": ("#555555", "o", ":"),
        "described": ("#0072B2", "s", "--"),
        "converged": ("#D55E00", "^", "-"),
    },
)
"""The style of a protocol."""

READINGS = {"as_coded": ("#555555", "o", ":"), "as_described": ("#CC79A7", "s", "-")}
"""The colour, marker and line of a reading of the published pruning."""

STYLE = Path(__file__).with_name("paper.mplstyle")


def task_style(task: str) -> tuple[str, str]:
    """The colour and marker of a task."""
    return TASKS.get(task) or OTHERS[(int(task[0]) + int(task[2])) % len(OTHERS)]


def use_style() -> None:
    """Apply the paper's style, and nothing of a user's, to every figure that follows."""
    style.use(["default", STYLE])


class Picture(Figure):
    """A figure that a notebook shows as PNG when a cell returns it.

    It is none of pyplot's: no backend is loaded, so it is no matter which one MPLBACKEND names,
    and nothing else keeps it or shows it once more.
    """

    def _repr_png_(self) -> bytes:
        return png(self, dpi="figure", bbox_inches="tight")


def width_colours(widths: list[int]) -> dict[int, tuple[float, ...]]:
    """A colour for each width, from light (narrow) to dark (wide), so that grey keeps the order."""
    shades = mpl.colormaps["viridis_r"]
    return {w: shades(0.12 + 0.83 * i / max(1, len(widths) - 1)) for i, w in enumerate(widths)}


def grid(
    rows: int, columns: int, width: float, height: float, **options: Any
) -> tuple[Figure, list]:
    """A figure of `width` by `height` inches and its axes, always as a list of rows."""
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options).tolist()


def width_axis(axes: Axes, widths: list[int]) -> None:
    """A logarithmic axis of widths, with those that were run as its ticks.

    Below 1 it is linear, so that 0, logistic regression, has its place.
    """
    if 0 in widths:
        axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.5)
    else:
        axes.set_xscale("log", base=2)
    shown = [w for w in widths if w in (0, 1, 2, 4, 8, 16, 32, 64)] or widths
    axes.set_xticks(shown, [str(w) for w in shown])
    axes.minorticks_off()
    axes.set_xlabel("width (hidden units)")


def png(figure: Figure, **options: Any) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    figure.savefig(file := BytesIO(), format="png", metadata={"Software": None}, **options)
    return file.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Save `path`.pdf and `path`.png; the same figure gives the same bytes."""
    figure.savefig(file := BytesIO(), format="pdf", metadata={"CreationDate": None})
    store.write(path.with_suffix(".pdf"), file.getvalue())
    store.write(path.with_suffix(".png"), png(figure))
