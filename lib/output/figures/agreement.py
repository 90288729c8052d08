"""Pictures of notebook 05: agreement of maps between floor and ceiling, and what maps are worth."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lib.output.figures.axes import categories, rule, sparsity_axis
from lib.output.figures.drawing import Facets, dots, level, lines, rows_of
from lib.output.figures.style import RANDOM, READINGS, REGIMES, Look, looks_of
from lib.saliency import METHODS

CEILING = Look("another seed (ceiling)", "#56B4E9", "D")
FLOOR = Look("another image (floor)", "0.55", line=":")
"""What bounds agreement from above and from below."""

BY = ["comparison", "regime", "reading"]
"""The columns that say what a dense map is compared with."""

PRUNED = {
    ("magnitude", "one_shot", "as_coded"): READINGS["as_coded"],
    ("magnitude", "one_shot", "as_described"): READINGS["as_described"],
    ("magnitude", "fine_tuned", "as_described"): REGIMES["fine_tuned"],
    ("magnitude", "rewound", "as_described"): REGIMES["rewound"],
    ("random", "one_shot", "as_described"): RANDOM._replace(label="random masks (floor)"),
}


def by_sparsity(table: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """Agreement with the dense map by sparsity: a column a protocol, a line a way to prune.

    table: columns protocol, seed, comparison, regime, reading, sparsity and `value`, of one kind of
    map and one width, a mean over pairs for each seed. The band across is the ceiling, the dense
    network of another seed.
    """
    panels = Facets([label], protocols, 1.65)
    for ax, here, *_ in panels.of(table, columns="protocol"):
        level(ax, rows_of(here, "comparison", "seeds")[value], CEILING)
        lines(ax, here, "sparsity", value, BY, PRUNED)
        rule(ax, y=0)
        sparsity_axis(ax, sorted(table.sparsity[table.comparison == "magnitude"].unique()))
        ax.set_ylim(-0.1, 1.05)
    return panels.finished("sparsity")


def by_task(table: pd.DataFrame, protocols: Sequence[str], value: str, label: str) -> Figure:
    """Agreement with the dense map by pair: a column a protocol, a mark a way to prune.

    table: as for `by_sparsity`, of one sparsity, with the column task and a row a network.
    """
    looks, order = PRUNED | {("seeds", "", ""): CEILING}, table.task.unique()
    panels = Facets([label], protocols, 2.2)
    for ax, here, *_ in panels.of(table, columns="protocol"):
        dots(ax, here, "task", value, BY, looks, order, gap=0.15, every=True)
        rule(ax, y=0)
        ax.set_ylim(-0.15, 1.05)
    return panels.finished()


MARKS = {
    "gradient": ("#0072B2", "o"),
    "finite_difference": ("#555555", "s"),
    "smoothgrad": ("#009E73", "^"),
    "gradient_times_input": ("#E69F00", "D"),
    "integrated_gradients": ("#D55E00", "v"),
    "occlusion": ("#CC79A7", "P"),
}
"""The colour and marker of a kind of map."""


def kinds_of(table: pd.DataFrame) -> dict[str, Look]:
    """The look of each kind of map in a table, called as its registry calls it."""
    known = {kind: Look(METHODS[kind].label, *mark) for kind, mark in MARKS.items()}
    return looks_of(
        {kind: METHODS[kind].label for kind in METHODS if kind in {*table.method}}, known
    )


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
    pairs for each seed. A column a protocol, a row a comparison, a mark a kind of map. What is
    shaded is a floor.
    """
    floor, kinds = list(BESIDE).index("random") - 0.5, kinds_of(table)
    panels = Facets([""], protocols, 4.2)
    for ax, here, *_ in panels.of(table, columns="protocol"):
        dots(ax, here, "beside", value, "method", kinds, BESIDE, gap=0.14, across=True, ms=2.8)
        for edge in (floor - 1, floor):
            rule(ax, y=edge)
        rule(ax, x=0)
        ax.axhspan(floor, len(BESIDE) - 0.5, color="0.94", lw=0, zorder=-1)
    return panels.finished(label)


AREAS = {
    "deletion": Look("deletion", "#D55E00", "v", "--"),
    "insertion": Look("insertion", "#0072B2", "^", "-"),
}
"""The two curves; the line is ink in random order."""


def faithfulness(table: pd.DataFrame, protocols: Sequence[str]) -> Figure:
    """What ink that a map points at is worth: a column a protocol, a row a kind of map.

    table: columns method, signed, protocol, seed, deletion and insertion, a mean over pairs for
    each seed. A map is worth something where deletion lies left of the dashed line, which is ink
    taken in random order, and insertion right of the solid one.
    """
    maps = table[table.method != "random"]
    order = {name: look.label for name, look in kinds_of(maps).items()}
    panels = Facets([""], protocols, 2.2, sharex=False)
    for ax, here, _, protocol in panels.of(maps, columns="protocol"):
        random = rows_of(table, ["method", "protocol"], ("random", protocol))
        for value, look in AREAS.items():
            looks = {
                True: look._replace(label=f"{value}, with sign"),
                False: look._replace(label=f"{value}, without sign", hollow=True),
            }
            dots(ax, here, "method", value, "signed", looks, order, gap=0.32, across=True, ms=3.5)
            floor = look._replace(label=f"{value}, random order (floor)")
            level(ax, random[value], floor, upright=True)
    return panels.finished("area under the curve of the logit", ncols=3)


def corrupted(
    table: pd.DataFrame, seeds: pd.DataFrame, protocols: Sequence[str], value: str, label: str
) -> Figure:
    """Agreement of the corrupted image's map with the clean one's: a row a corruption.

    table: columns protocol, corruption ("none" for the next image), severity, seed and `value`, of
    one kind of map, a mean over pairs for each seed. seeds: the same of another seed's network on
    the clean image, with the column comparison. Darker is more severe; the ceiling is the clean
    map itself.
    """
    names = [name for name in table.corruption.unique() if name != "none"]
    levels = sorted(table.severity[table.corruption != "none"].unique())
    panels = Facets([""], protocols, 1.05 + 0.17 * len(names))
    for ax, here, _, protocol in panels.of(table, columns="protocol"):
        level(ax, rows_of(here, "corruption", "none")[value], FLOOR, upright=True)
        others = rows_of(seeds, "protocol", protocol)[value]
        level(ax, others, CEILING._replace(label="another seed, clean image"), upright=True)
        ax.axvline(1, color=CEILING.colour, lw=1.2, ls="--", label="clean image (ceiling)")
        means = here.groupby(["corruption", "severity"])[value].mean().unstack().loc[names, levels]
        ax.hlines(range(len(names)), means.min(axis=1), means.max(axis=1), color="0.6", lw=0.6)
        for severity in levels:
            shade = str(0.85 * (1 - severity / max(levels)))
            style: dict[str, Any] = {"color": shade, "mec": "0.3", "mew": 0.4, "ms": 4}
            ax.plot(means[severity], range(len(names)), "o", label=f"severity {severity}", **style)
        categories(ax, names, across=True)
    return panels.finished(label, ncols=4)
