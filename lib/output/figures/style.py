"""How the paper's pictures look, and how they are saved: one look, one meaning, wherever it is."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib import style
from matplotlib.figure import Figure

from lib.study import store

SINGLE, DOUBLE = 3.4, 7.0
"""Column widths in inches."""

SMALL = 6.5
"""The least size of a text in points, for cells and crowded ticks; others are the style sheet's."""

STYLE = Path(__file__).with_name("paper.mplstyle")


class Look(NamedTuple):
    """How one thing is written and drawn: a hollow marker is white inside."""

    label: str
    colour: Any
    marker: str = "o"
    line: str = "-"
    hollow: bool = False


TASKS = {
    "0-1": Look("0-1", "#0072B2", "o"),
    "1-7": Look("1-7", "#56B4E9", "s"),
    "5-6": Look("5-6", "#009E73", "^"),
    "3-8": Look("3-8", "#E69F00", "D"),
    "4-9": Look("4-9", "#D55E00", "v"),
}
"""The tasks of the published study; colours are those of Okabe & Ito (2008)."""

PROTOCOLS = {
    "published": Look("published", "#555555", "o", ":"),
    "described": Look("described", "#0072B2", "s", "--"),
    "converged": Look("converged", "#D55E00", "^", "-"),
}

READINGS = {
    "as_coded": Look("as coded", "#555555", "o", ":"),
    "as_described": Look("as described", "#CC79A7", "s", "-"),
}
"""The two readings of the published pruning."""

REGIMES = {
    "one_shot": Look("one-shot", "#CC79A7", "s", "-"),
    "fine_tuned": Look("fine-tuned", "#009E73", "^", "--"),
    "rewound": Look("rewound", "#D55E00", "v", "-."),
}
"""What is done after pruning."""

RANDOM = Look("random masks", "black", "x", ":")
"""Masks that are drawn at random, whatever they are a control of."""

OTHERS = (("#CC79A7", "P"), ("#000000", "X"), ("#999999", "*"), ("#882255", "<"), ("#332288", ">"))
"""Colours and markers of what has no look of its own, such as another task, by turns."""

HOLLOW: dict[str, Any] = {"color": "black", "mfc": "none", "ls": "", "ms": 4.5, "mew": 0.6}
"""The study's own values: hollow and black, so that ours below them are seen."""


def words(name: Any) -> str:
    """A name of the tables in words; of several, one after another."""
    if isinstance(name, tuple):
        return ", ".join(map(words, name))
    if isinstance(name, float):
        return f"{name:g}"
    return str(name).replace("_", " ").replace("gaussian", "Gaussian")


def written(names: Iterable[Any]) -> dict[Any, str]:
    """How names are written: as a mapping says, else in words."""
    return dict(names) if isinstance(names, Mapping) else {name: words(name) for name in names}


def looks_of(names: Iterable[Any], known: Mapping[Any, Look]) -> dict[Any, Look]:
    """A look for each name: those of the known ones in their order, then others by turns."""
    labels = written(names)
    return {name: look for name, look in known.items() if name in labels} | {
        name: Look(labels[name], *other)
        for name, other in zip((n for n in labels if n not in known), cycle(OTHERS), strict=False)
    }


def shades(values: Sequence[float], markers: str = "o") -> dict[float, Look]:
    """A look for each of some widths or amounts, from light (low) to dark: grey keeps the order."""
    colours, last = mpl.colormaps["viridis_r"], max(1, len(values) - 1)
    return {
        value: Look(f"{value:g}", colours(0.12 + 0.83 * at / last), markers[at % len(markers)])
        for at, value in enumerate(values)
    }


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


def png(figure: Figure, **options: Any) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    figure.savefig(file := BytesIO(), format="png", metadata={"Software": None}, **options)
    return file.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Save `path`.pdf and `path`.png; the same figure gives the same bytes."""
    figure.savefig(file := BytesIO(), format="pdf", metadata={"CreationDate": None})
    store.write(path.with_suffix(".pdf"), file.getvalue())
    store.write(path.with_suffix(".png"), png(figure))
