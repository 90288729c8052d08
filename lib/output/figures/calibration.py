"""The picture of the calibration: accuracy by the share of weights that is left."""

import pandas as pd
from matplotlib.figure import Figure

from lib.output.figures.axes import rule
from lib.output.figures.drawing import Facets, lines, rows_of
from lib.output.figures.style import RANDOM, REGIMES, SINGLE

LOOKS = {
    "rewound": REGIMES["rewound"]._replace(label="iterative, rewound"),
    "fine_tuned": REGIMES["fine_tuned"]._replace(label="one shot, fine-tuned"),
    "random": RANDOM,
    "one_shot": REGIMES["one_shot"]._replace(label="one shot"),
}
"""A way to come to a sparse network."""

SOURCES = {
    "han2015learning": ("P", "Han et al. 2015"),
    "frankle2019lottery": ("*", "Frankle & Carbin 2019"),
}
"""The marker and label of a published value."""

ACCURACIES = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98)
SHARES = (1, 0.5, 0.2, 0.1, 0.05, 0.02)


def by_remaining(networks: pd.DataFrame, asked: float, floor: float) -> Figure:
    """Accuracy by the share of weights left, a line for each regime, on a logit axis.

    networks: one row a network, with its seed, and mean, low and high over seeds; published values
    have their source as regime. Thin lines mark the share `asked` for and the accuracy `floor`.
    """
    panels = Facets(["accuracy"], [""], 2.6, SINGLE)
    [[ax]] = panels.axes
    rule(ax, x=asked, y=floor, line=":")
    lines(ax, networks, "remaining", "accuracy", "regime", LOOKS)
    for source, (marker, label) in SOURCES.items():
        points = rows_of(networks, "regime", source)
        style = {"ms": 6, "mfc": "white", "mec": "black", "mew": 0.6, "zorder": 4}
        ax.plot(points.remaining, points.accuracy, marker, ls="", label=label, **style)
    ax.set(xscale="log", yscale="logit", xlabel="share of weights left")
    ax.set_xticks(SHARES, [f"{share:g}" for share in SHARES])
    ax.set_yticks(ACCURACIES, [f"{accuracy:g}" for accuracy in ACCURACIES])
    ax.minorticks_off()
    ax.invert_xaxis()
    return panels.finished(ncols=2, columnspacing=1.0)
