"""The picture of the calibration: accuracy by the share of weights that is left."""

import pandas as pd
from matplotlib.figure import Figure

from lib.output.figures import SINGLE, grid
from lib.statistics import FEWEST

REGIMES = {
    "rewound": ("#0072B2", "o", "-", "iterative, rewound"),
    "fine_tuned": ("#009E73", "^", "--", "one shot, fine-tuned"),
    "random": ("#E69F00", "D", "-.", "random masks"),
    "one_shot": ("#555555", "s", ":", "one shot"),
}
"""The colour, marker, line and label of a way to come to a sparse network."""

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
    have their source as regime. Bands are 95 % intervals; where seeds are too few for one, faint
    points are the seeds. Thin lines mark the share `asked` for and the accuracy `floor`.
    """
    figure, [[ax]] = grid(1, 1, SINGLE, 2.6)
    ax.axvline(asked, color="0.6", lw=0.6, ls=":")
    ax.axhline(floor, color="0.6", lw=0.6, ls=":")
    for regime, (colour, marker, line, label) in REGIMES.items():
        here = networks[networks.regime == regime]
        means = here.drop_duplicates("remaining").sort_values("remaining")
        ax.plot(means.remaining, means["mean"], marker, ls=line, color=colour, label=label)
        ax.fill_between(means.remaining, means.low, means.high, color=colour, alpha=0.2, lw=0)
        if here.seed.nunique() < FEWEST:
            ax.plot(here.remaining, here.accuracy, marker, color=colour, alpha=0.25, ms=2, mew=0)
    for source, (marker, label) in SOURCES.items():
        points = networks[networks.regime == source]
        style = {"ms": 6, "mfc": "white", "mec": "black", "mew": 0.6, "zorder": 4}
        ax.plot(points.remaining, points.accuracy, marker, ls="", label=label, **style)
    ax.set(xscale="log", yscale="logit", xlabel="share of weights left", ylabel="accuracy")
    ax.set_xticks(SHARES, [f"{share:g}" for share in SHARES])
    ax.set_yticks(ACCURACIES, [f"{accuracy:g}" for accuracy in ACCURACIES])
    ax.minorticks_off()
    ax.invert_xaxis()
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1.0)
    return figure
