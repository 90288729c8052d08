"""Pictures of notebook 05: agreement of maps between floor and ceiling, and what maps are worth."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.output.figures import DOUBLE, READINGS, Styles, grid
from lib.output.figures.pruning import CONTROLS
from lib.output.figures.saliency import marks
from lib.saliency import METHODS
from lib.statistics import summary

CEILING, FLOOR = "#56B4E9", "0.55"
"""The colours of what bounds agreement from above and from below."""

LINES = {
    ("magnitude", "one_shot", "as_coded"): ("as coded", *READINGS["as_coded"]),
    ("magnitude", "one_shot", "as_described"): ("as described", *READINGS["as_described"]),
    ("magnitude", "fine_tuned", "as_described"): ("fine-tuned", "#009E73", "^", "--"),
    ("magnitude", "rewound", "as_described"): ("rewound", "#D55E00", "v", "-."),
    ("random", "one_shot", "as_described"): (
        "random masks (floor)",
        *CONTROLS["random", "layer"][1:],
    ),
}
"""By comparison, regime and reading: label, colour, marker and line."""


def by_sparsity(table: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """Agreement with the dense map by sparsity: a column a protocol, a line a way to prune.

    table: columns protocol, seed, comparison, regime, reading, sparsity and `value`, of one kind of
    map and one width, a mean over pairs for each seed. Lines are means over seeds, with bands of
    95 %; the band across is the ceiling, the dense network of another seed.
    """
    levels = sorted(table.sparsity[table.comparison == "magnitude"].unique())
    place = {sparsity: at for at, sparsity in enumerate(levels)}
    figure, [axes] = grid(1, len(protocols), DOUBLE, 1.65, sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        here = table[table.protocol == protocol]
        ceiling(ax.axhspan, ax.axhline, here, value)
        for facts, (name, colour, marker, line) in LINES.items():
            rows = here[(here[["comparison", "regime", "reading"]] == facts).all(axis=1)]
            if rows.empty:  # the published networks are not trained again
                continue
            means = summary(rows, ["sparsity"], value)
            at = means.sparsity.map(place)
            ax.plot(at, means["mean"], color=colour, marker=marker, ls=line, label=name)
            ax.fill_between(at, means.low, means.high, color=colour, alpha=0.2, lw=0)
        ax.axhline(0, color="0.6", lw=0.5, zorder=0)
        ax.set(title=protocol, xlabel="sparsity", ylim=(-0.1, 1.05))
        ax.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    axes[0].set_ylabel(label)
    legend(figure, axes, 6)
    return figure


def legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """A legend above all axes of whatever any of them shows, each label once."""
    named = {
        label: handle
        for ax in axes
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(named.values(), named.keys(), loc="outside upper center", ncols=columns)


def by_task(table: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """Agreement with the dense map by pair: a column a protocol, a mark a way to prune.

    table: as for `by_sparsity`, of one sparsity, with the column task and a row a network. Large
    marks are means with 95 % intervals over seeds, faint points the seeds.
    """
    tasks = list(dict.fromkeys(table.task))
    figure, [axes] = grid(1, len(protocols), DOUBLE, 2.2, sharey=True)
    beside = {**LINES, ("seeds", "", ""): ("another seed (ceiling)", CEILING, "D", "-")}
    for ax, protocol in zip(axes, protocols, strict=True):
        here = table[table.protocol == protocol]
        for shift, (facts, (name, colour, marker, _)) in enumerate(beside.items()):
            rows = here[(here[["comparison", "regime", "reading"]] == facts).all(axis=1)]
            place = {task: at + 0.15 * (shift - 2.5) for at, task in enumerate(tasks)}
            if len(rows):
                marks(ax, rows, "task", value, place, marker, color=colour, label=name)
        ax.axhline(0, color="0.6", lw=0.5, zorder=0)
        ax.set(title=protocol, ylim=(-0.15, 1.05))
        ax.set_xticks(range(len(tasks)), tasks)
    axes[0].set_ylabel(label)
    legend(figure, axes, 6)
    return figure


def ceiling(
    span: Any, line: Any, table: pd.DataFrame, value: str, label: str = "another seed (ceiling)"
) -> None:
    """The agreement with another seed's dense network, as a band across the axes."""
    found = summary(table[table.comparison == "seeds"], ["comparison"], value)
    if len(found):
        span(found.low[0], found.high[0], color=CEILING, alpha=0.35, lw=0, zorder=0)
        line(found["mean"][0], color=CEILING, lw=1.2, label=label)


KINDS = Styles(
    METHODS,
    {
        "gradient": ("#0072B2", "o", ""),
        "finite_difference": ("#555555", "s", ""),
        "smoothgrad": ("#009E73", "^", ""),
        "gradient_times_input": ("#E69F00", "D", ""),
        "integrated_gradients": ("#D55E00", "v", ""),
        "occlusion": ("#CC79A7", "P", ""),
    },
)
"""The style of a kind of map, which has no line."""

BESIDE = {
    "one_shot": "pruned, one-shot",
    "fine_tuned": "pruned, fine-tuned",
    "rewound": "pruned, rewound",
    "seeds": "another seed (ceiling)",
    "random": "random masks",
    "readout": "new readout",
    "layers": "new readout and hidden layer",
    "untrained": "before training",
    "permuted": "trained on permuted labels",
    "class_means": "difference of mean digits",
    "edges": "edges of the image",
}
"""What a dense map is compared with, from top to bottom; what is below the ceiling is a floor."""


def controls(table: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """Agreement of each kind of map with what it should agree with, and with what it should not.

    table: columns method, protocol, beside (a name in `BESIDE`), seed and `value`, a mean over
    pairs for each seed. A column a protocol, a row a comparison, a mark a kind of map: the mean
    over seeds with its interval of 95 %. What is shaded is a floor.
    """
    rows = {name: len(BESIDE) - at for at, name in enumerate(BESIDE)}
    kinds = [kind for kind in KINDS if kind in set(table.method)]
    figure, [axes] = grid(1, len(protocols), DOUBLE, 4.2, sharey=True, sharex=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        for shift, kind in enumerate(kinds):
            here = table[(table.protocol == protocol) & (table.method == kind)]
            at = {name: y + 0.14 * ((len(kinds) - 1) / 2 - shift) for name, y in rows.items()}
            dots(ax, here, "beside", value, at, kind)
        for edge in ("seeds", "random"):
            ax.axhline(rows[edge] + 0.5, color="0.6", lw=0.5)
        ax.axvline(0, color="0.6", lw=0.5, zorder=0)
        ax.axhspan(0.5, rows["random"] + 0.5, color="0.94", lw=0, zorder=-1)
        ax.set(title=protocol, xlabel=label, ylim=(0.5, len(BESIDE) + 0.5))
    axes[0].set_yticks(list(rows.values()), list(BESIDE.values()))
    legend(figure, axes, 6)
    return figure


def dots(
    ax: Axes,
    table: pd.DataFrame,
    by: str,
    value: str,
    place: Mapping[str, float],
    kind: str,
    **style: Any,
) -> None:
    """Means over seeds of a kind of map, intervals of 95 %, each at the height of its `place`."""
    colour, marker, _ = KINDS[kind]
    means = summary(table, [by], value)
    ends = [means["mean"] - means.low, means.high - means["mean"]]
    shape: dict[str, Any] = {"fmt": marker, "ms": 2.8, "elinewidth": 0.7, "color": colour}
    shape |= {"label": METHODS[kind].label, **style}
    ax.errorbar(means["mean"], means[by].map(place), xerr=ends, **shape)


def faithfulness(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What ink that a map points at is worth: a column a protocol, a row a kind of map.

    table: columns method, signed, protocol, seed, deletion and insertion, a mean over pairs for
    each seed. A map is worth something where deletion lies left of the dashed line, which is ink
    taken in random order, and insertion right of the solid one.
    """
    kinds = [kind for kind in KINDS if kind in set(table.method)]
    place = {kind: len(kinds) - at for at, kind in enumerate(kinds)}
    figure, [axes] = grid(1, len(protocols), DOUBLE, 2.2, sharey=True)
    for ax, protocol in zip(axes, protocols, strict=True):
        here = table[table.protocol == protocol]
        for value, (colour, marker, line) in AREAS.items():
            for signed, shift in ((True, 0.16), (False, -0.16)):
                means = summary(here[here.signed == signed], ["method"], value)
                means = means[means.method != "random"]
                ends = [means["mean"] - means.low, means.high - means["mean"]]
                ax.errorbar(
                    means["mean"],
                    means.method.map(place) + shift,
                    xerr=ends,
                    fmt=marker,
                    ms=3.5,
                    elinewidth=0.7,
                    color=colour,
                    mfc=colour if signed else "white",
                    label=f"{value}, {'with' if signed else 'without'} sign",
                )
            random = here.loc[here.method == "random", value].mean()
            ax.axvline(
                random, color=colour, ls=line, lw=0.8, label=f"{value}, random order (floor)"
            )
        ylim = (0.5, len(kinds) + 0.5)
        ax.set(title=protocol, xlabel="area under the curve of the logit", ylim=ylim)
    axes[0].set_yticks(list(place.values()), [METHODS[kind].label for kind in place])
    legend(figure, axes, 3)
    return figure


AREAS = {"deletion": ("#D55E00", "v", "--"), "insertion": ("#0072B2", "^", "-")}
"""The two curves: colour, marker, and the line of ink in random order."""


def corrupted(
    table: pd.DataFrame, seeds: pd.DataFrame, protocols: Sequence[str], value: str, label: str
) -> Figure:
    """Agreement of the corrupted image's map with the clean one's: a row a corruption.

    table: columns protocol, corruption ("none" for the next image), severity, seed and `value`, of
    one kind of map, a mean over pairs for each seed. seeds: the same of another seed's network on
    the clean image, with the column comparison. Darker is more severe; the ceiling is the clean
    map itself.
    """
    names = [name for name in dict.fromkeys(table.corruption) if name != "none"]
    levels = sorted(table.severity[table.corruption != "none"].unique())
    figure, [axes] = grid(
        1, len(protocols), DOUBLE, 1.05 + 0.17 * len(names), sharey=True, sharex=True
    )
    for ax, protocol in zip(axes, protocols, strict=True):
        here = table[table.protocol == protocol]
        means = here.groupby(["corruption", "severity"])[value].mean()
        floor = summary(here[here.corruption == "none"], ["corruption"], value)
        ax.axvspan(floor.low[0], floor.high[0], color=FLOOR, alpha=0.35, lw=0, zorder=0)
        ax.axvline(floor["mean"][0], color=FLOOR, lw=1.2, ls=":", label="another image (floor)")
        others = seeds[seeds.protocol == protocol]
        ceiling(ax.axvspan, ax.axvline, others, value, "another seed, clean image")
        ax.axvline(1, color=CEILING, lw=1.2, ls="--", label="clean image (ceiling)")
        for at, name in enumerate(reversed(names)):
            ax.plot(means[name], [at] * len(levels), color="0.6", lw=0.6, zorder=1)
            for level in levels:
                shade = str(0.85 * (1 - level / max(levels)))
                first = {"label": f"severity {level}"} if at == 0 else {}
                ax.plot(means[name, level], at, "o", color=shade, mec="0.3", mew=0.4, ms=4, **first)
        ax.set(title=protocol, xlabel=label, ylim=(-0.6, len(names) - 0.4))
    axes[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)])
    legend(figure, axes, 4)
    return figure
