"""Whether a rerun gives the committed results: every table beside its namesake, value by value.

`python -m lib.output.verify <committed> <now>` compares the CSV tables (plain or gzipped) of two
folders, as `make verify` does once it has run a profile's notebooks anew. A row is found by what it
is about (task, protocol, width, seed...), whatever the order of the rows. The numbers that the
paper prints come from these tables, and are not compared a second time.

`TOLERANCES` were chosen from measurements on two cores of an AMD EPYC with AVX-512, torch 2.14.1.
What was run twice: the smoke profile; then, to try the limits, the same on other pairs and seeds
(1-7 and 3-8, 5 and 11), where one of them was too narrow (05_saliency/attention/share); of the
paper profile 66 networks (4-9 and 1-7, all widths) and what is asked of them. With nothing changed
the bytes were the same, and so they are for any number of threads, processes or workers, as a task
runs in one thread wherever it is. What was changed: the instructions, to AVX2 and to the oldest
there are, as on another machine; before tasks had one thread each, two threads for one; and initial
weights, in the last digit.

Networks trained on all rows a step (`published`, `described`) repeat to rounding: losses within
1e-6 (2.3e-6 on a GPU, benchmarks/gpu.csv), and no more than one row on the other side of the
boundary. So do nearly all that Adam trains on mini-batches (`converged`). But where a hidden unit
is 0 to rounding, Adam's step there may differ in full, and the network takes another path: about
one in thirty did, when they were trained at a constant rate to a plateau of the validation loss. It
is another network then, as from another order of rows, and so what is allowed for one network under
`converged` finds gross errors only. Their mean is held to a tenth of it; it moved by a hundredth or
less. Between a processor and a GPU, with an earlier version of this code, the F1 of one of 550
networks moved by 0.004, the mean by 0.0004. One cycle of the learning rate, which trains them now,
is held to the same limits.

A network on another path may also take another row wrongly first. Then rows of a table are missing
and new, and are reported: it was not seen, so nothing allows it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from lib.errors import UserError, told

SHOWN = 5
"""Of what has moved in a table, so much is told in full."""

CONDITIONS = {
    *("width", "other_width", "seed", "step", "learning_rate", "threshold", "sparsity"),
    *("severity", "amount", "epsilon", "digit", "row", "pixel", "steps", "scale", "budget"),
}
"""Numbers that say what a row is about; a column that holds text does so too."""

APART = {"calibration"}
"""Folders of tables that no notebook makes, and so no rerun of the notebooks."""

FINDINGS = {"verdict"}
"""Text that is a result: it has to be the same."""

SENTENCES = ["note"]
"""Text that repeats numbers of other tables in passing: not compared."""


@dataclass(frozen=True)
class Tolerance:
    """How far a number may lie from the committed one, and why.

    quantities: patterns of notebook/table/column, the first that fits decides. full_batch: the
    largest difference where a protocol takes all rows a step, or a table names no protocol.
    converged: that under the protocol of this name. relative: both as a share of the number.
    """

    quantities: tuple[str, ...]
    full_batch: float
    converged: float
    reason: str
    relative: bool = False


TOLERANCES = (
    Tolerance(
        ("claims/effect", "claims/ci_low", "claims/ci_high"),
        *(np.inf, np.inf),
        "computed from the tables beside it, which are compared; what has to be the same is the"
        " verdict",
    ),
    Tolerance(
        ("02_capacity/width_by_difficulty_ranks/*", "02_capacity/width_models/*"),
        *(np.inf, np.inf),
        "computed from the minimum widths and the errors of the linear probe, which are compared",
    ),
    Tolerance(
        ("01_tasks/*/linear_probe_error", "02_capacity/*/error"),
        *(0.0011, 0.0011),
        "two of the 1,900 to 2,200 test rows: the solver stops near the optimum, and one row"
        " (0.0005) changed sides between one thread and two",
    ),
    Tolerance(
        ("03_pruning/hidden_layer/[xy]",),
        *(np.inf, np.inf),
        "t-SNE is chaotic: a change in the last digit moves every point (by up to 43); that the"
        " point is there is all that can be compared, and its silhouette, taken on the activations",
    ),
    Tolerance(
        ("03_pruning/*/silhouette*",),
        *(1e-5, 0.005),
        "a mean over rows, so no row decides; 1e-7 and 0.0004 were measured",
    ),
    Tolerance(
        ("03_pruning/geometry/cka",),
        *(1e-5, 0.05),
        "the same; 0.0002 under Adam, on no network that took another path: it is allowed a quarter"
        " of the range over seeds (0.2)",
    ),
    Tolerance(
        ("03_pruning/essential_size/weights", "03_pruning/essential_size_by_difficulty/[!d]*"),
        *(1e-9, 0.001),
        "a count, found where F1 first falls too far: exact in full batches; which of two nearly"
        " equal weights goes first may differ under Adam, where one of 10,349 was measured",
        relative=True,
    ),
    Tolerance(
        tuple(f"03_pruning/sparsity/{part}" for part in ("layer[12]", "lit", "effective*")),
        *(1e-4, 0.05),
        "how many weights go is exact, which of two equal ones goes is not, nor in which layer"
        " where both compete; 2e-5, and under Adam 1e-4 and one of 32 in the readout (0.03), were"
        " measured",
    ),
    Tolerance(
        tuple(f"03_pruning/*/{score}" for score in ("f1", "f1_macro", "accuracy", "f1_change")),
        *(0.003, 0.1),
        "one of the smoke profile's 400 rows changes F1 by 0.0025, and none did under full-batch"
        " training; pruning cuts networks that Adam trained to where many rows lie at the boundary,"
        " and one of them by 0.051",
    ),
    Tolerance(
        ("03_pruning/*/auc", "03_pruning/*/auc_change"),
        *(2e-5, 0.03),
        "ranks, so that no boundary matters; 5e-6 and 0.015 were measured",
    ),
    Tolerance(
        ("03_pruning/*/mean", "03_pruning/*/sd", "03_pruning/*/low", "03_pruning/*/high"),
        *(0.002, 0.05),
        "of scores over two networks or more, which move by half of what one does, or less",
    ),
    Tolerance(
        ("*/loss_train", "*/loss_val"),
        *(1e-5, 0.01),
        "1e-6 (GPU 2.3e-6) was measured; under Adam 0.0005 at the end, and 0.003 on the way there"
        " on the smoke profile's 200 held-out rows",
    ),
    Tolerance(
        ("02_capacity/*/auc*",),
        *(1e-5, 5e-4),
        "ranks, so that no boundary matters; 1e-6 and 0.00005 were measured",
    ),
    Tolerance(
        (
            *("04_robustness/leads/effect", "04_robustness/leads/sign"),
            *("04_robustness/leads/p", "04_robustness/leads/p_holm"),
            *("04_robustness/leads*/low", "04_robustness/leads*/high", "04_robustness/leads*/sd"),
            *("04_robustness/beside_logistic/mce", "04_robustness/beside_logistic/left_out"),
        ),
        *(np.inf, np.inf),
        "computed from the F1 and accuracies of 04_robustness/networks, which are compared; a ratio"
        " to an error of a few rows is moved far by one row",
    ),
    Tolerance(
        ("04_robustness/detectable/effect",),
        *(0.01, 0.033),
        "of three networks, 3.3 of their F1's standard deviations, which may move as F1 does",
    ),
    Tolerance(
        ("04_robustness/expected/largest", "04_robustness/expected/mean_square"),
        *(0.001, 3.0),
        "in standard errors of a mean of drawn logits: 2e-5 was measured, on no network that took"
        " another path: it is allowed what one seed differs from another by",
    ),
    Tolerance(
        (
            *("*/f1*", "*/accuracy*", "*/difference", "*/mean", "*/std", "*/deviation"),
            *("04_robustness/*/auc", "04_robustness/*/reference_error"),
            "04_robustness/detectable/sd",
        ),
        *(0.003, 0.01),
        "one of the smoke profile's 400 rows changes F1 by 0.0025, one of its 200 held-out rows by"
        " 0.005; on test rows F1 moved by 0.0025 (GPU 0.004)",
    ),
    Tolerance(
        ("04_robustness/examples/pixel_*", "04_robustness/kinds/pixel_*"),
        *(5e-6, 5e-6),
        "drawn, not trained; noise differs by 1e-6 between instructions, what is resampled by 2e-6",
    ),
    Tolerance(
        ("04_robustness/exact*/certified", "04_robustness/exact*/attacked"),
        *(0.13, 0.5),
        "shares of as few as the smoke profile's 8 rows: one of them",
    ),
    Tolerance(
        ("04_robustness/exact*/exact", "04_robustness/exact*/undecided"),
        *(0.13, 0.5),
        "the same",
    ),
    Tolerance(
        ("04_robustness/*/constant_high",),
        *(0.01, 0.5),
        "steps along an eigenvector, of which there are several where the largest eigenvalues come"
        " to be equal; 0.003 was measured, from 24 units on; under Adam as below",
        relative=True,
    ),
    Tolerance(
        ("04_robustness/*/constant_low",),
        *(2e-5, 0.5),
        "the best of 64 searches, or of all sets of units; 4e-6 was measured, under Adam 6e-5 on no"
        " network that took another path: it is allowed what one seed differs from another by",
        relative=True,
    ),
    Tolerance(
        ("04_robustness/*_changes*/low", "04_robustness/*_changes*/high"),
        *(0.02, np.inf),
        "bisected to 2^-12 of the range, 28 in L2; under Adam a row's own least change moves",
    ),
    Tolerance(
        ("04_robustness/solved_changes/exact",),
        *(0.001, np.inf),
        "to the solver's tolerance, where its time was enough",
    ),
    Tolerance(
        ("05_saliency/agreement/mean", "05_saliency/agreement/sd"),
        *(0.005, 0.2),
        "of the measures below over two networks or more, those that were trained on after pruning"
        " among them",
    ),
    Tolerance(
        ("05_saliency/corrupted_maps/same_answer", "05_saliency/*corruption/same_answer"),
        *(0.06, 0.2),
        "one of the smoke profile's 20 rows; under Adam what one seed differs from another by",
    ),
    Tolerance(
        tuple(
            f"05_saliency/agreement_by_{table}/{measure}"
            for table in ("protocol", "width")
            for measure in ("spearman", "ssim")
        ),
        *(2e-4, 0.01),
        "6e-5 and 0.004 were measured",
    ),
    Tolerance(
        ("05_saliency/*/spearman*", "05_saliency/*/ssim"),
        *(0.001, 0.2),
        "of single networks, and of networks that are trained again: 0.0004 was measured. A product"
        " of pixel and gradient that is 0 to rounding (6e-7 was found) may change its sign, and its"
        " rank by the 660 pixels without ink; a network that takes another path is allowed what one"
        " seed differs from another by",
    ),
    Tolerance(
        ("05_saliency/*/hog",),
        *(0.005, 0.2),
        "the same; an orientation at the edge of a bin may change sides: 0.003 was measured",
    ),
    Tolerance(
        ("05_saliency/*/top_decile",),
        *(0.002, 0.2),
        "one pixel of the brightest 57 in one of the smoke profile's 20 maps is 0.0009; under Adam"
        " 0.007 was measured on networks that are not trained again, and more is allowed as above",
    ),
    Tolerance(
        ("05_saliency/*/deletion", "05_saliency/*/insertion"),
        *(0.002, 0.2),
        "two pixels that are equal to rounding may change places in one of 20 orders; under Adam"
        " as above",
    ),
    Tolerance(
        ("05_saliency/*/flat",),
        *(1e-5, 0.5),
        "under Adam one of the smoke profile's 20 maps, or of the paper's 64, was measured; of a"
        " rewound network all maps of one digit may be flat or none, as one unit dies",
    ),
    Tolerance(
        ("05_saliency/attention/share",),
        *(0.005, 0.05),
        "a mean over wrong rows, or over as many right ones, which are the nearest in confidence:"
        " where two are as near, the other one may come; 0.0004 was measured",
    ),
    Tolerance(
        ("05_saliency/*/ratio*", "05_saliency/*/share", "05_saliency/*/information"),
        *(5e-5, 0.05),
        "means over rows or units; 1e-5 was measured, on no network that took another path: it is"
        " allowed what one seed differs from another by",
    ),
    Tolerance(
        ("05_saliency/*/selectivity", "05_saliency/*/specialisation"),
        *(1e-4, 0.1),
        "the same; two rows that are equal to rounding may change places",
    ),
    Tolerance(
        ("05_saliency/units*/duplicates",),
        *(0.05, 1.0),
        "as a share of units: as below",
    ),
    Tolerance(
        ("05_saliency/*/duplicates", "05_saliency/*/dead_units"),
        *(1.0, 64.0),
        "a unit whose correlation is 0.95 to rounding; under Adam another path has other units",
    ),
    Tolerance(
        ("05_saliency/*/top_quarter", "05_saliency/*/confidence"),
        *(1e-4, 0.3),
        "the same; 1e-6 and 2e-5 were measured",
    ),
    Tolerance(
        ("05_saliency/attention/n",),
        *(1, 10),
        "wrong rows: as many as F1 may move by",
    ),
    Tolerance(
        ("05_saliency/*/probability",),
        *(1e-5, 0.05),
        "a network's answer to one image; 1e-6 and 0.012 were measured",
    ),
    Tolerance(
        ("05_saliency/*gradient/pixel_*",),
        *(1e-5, 1.0),
        "a sum of products of weights, up to 7 after Adam; 1e-6 and 0.53 were measured",
    ),
    Tolerance(
        ("05_saliency/*/pixel_*",),
        *(2e-4, 0.5),
        "maps scaled to [0, 1]: a quotient of two differences; 5e-5 and 0.33 were measured",
    ),
    Tolerance(
        ("*",),
        *(1e-5, 1e-5),
        "the sixth digit, which is the last that is written; a count has to be the same",
        relative=True,
    ),
)
"""By quantity. The last one holds for all that is not named: nothing new goes unnoticed."""

OF_A_MEAN, FEWEST = 0.1, 30
"""The share of a network's tolerance that the mean of at least so many values is held to."""


@cache
def tolerance(quantity: str) -> Tolerance:
    """The tolerance of a quantity, notebook/table/column."""
    path = PurePosixPath(quantity)
    return next(t for t in TOLERANCES if any(path.match(pattern) for pattern in t.quantities))


def tables(folder: Path) -> dict[str, Path]:
    """The tables under a folder by name, notebook/table, but for those of `APART`.

    Raises `UserError` where there is none.
    """
    paths = [
        path
        for path in (*folder.rglob("*.csv"), *folder.rglob("*.csv.gz"))
        if path.relative_to(folder).parts[0] not in APART
    ]
    if not paths:
        raise UserError(f"{folder} holds no CSV tables: give a folder such as figures/")
    named = {p.relative_to(folder).as_posix().removesuffix(".gz"): p for p in paths}
    return {name.removesuffix(".csv"): named[name] for name in sorted(named)}


def read(path: Path) -> pd.DataFrame:
    """A table with its values as they are written. Raises `UserError` where it is none."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} is not a CSV table: {error}") from None


def numbers(values: pd.Series) -> pd.Series:
    """Written values as numbers, NaN for text and for nothing."""
    return pd.to_numeric(values, errors="coerce").astype(float)


def is_condition(column: pd.Series) -> bool:
    """Whether a column says what a row is about: by its name, or because it holds text."""
    if column.name in CONDITIONS | FINDINGS:
        return column.name in CONDITIONS
    return bool((numbers(column).isna() & (column != "")).any())


def indexed(table: pd.DataFrame, conditions: list[str]) -> pd.DataFrame:
    """A table by its conditions, and by occurrence where several rows have the same ones."""
    groups = table.groupby(conditions) if conditions else table.groupby(lambda _: 0)
    keys = table[conditions].assign(occurrence=groups.cumcount())
    return table.set_index(pd.MultiIndex.from_frame(keys))


def about(row: Sequence[object], conditions: list[str]) -> str:
    """What a row is about, in words; where several are about the same, which of them."""
    *values, occurrence = row
    words = [f"{name} {value}" for name, value in zip(conditions, values, strict=True)]
    return ", ".join(words if words and not occurrence else [*words, f"number {occurrence}"])


def side_by_side(old: pd.DataFrame, new: pd.DataFrame, measured: list[str]) -> pd.DataFrame:
    """Every measured value of the rows that both tables have, one a row.

    Columns column, committed, now, and the conditions of its row.
    """
    rows = old.index.intersection(new.index)
    written = {
        "column": np.tile(np.array(measured, dtype=object), len(rows)),
        "committed": old[measured].reindex(rows).to_numpy().ravel(),
        "now": new[measured].reindex(rows).to_numpy().ravel(),
    }
    conditions = rows.repeat(len(measured)).to_frame(index=False)
    return pd.DataFrame(written).join(conditions)


def quantities(values: pd.DataFrame) -> pd.Series:
    """What each value is of: its column, or where `curve` or `measure` says it, that."""
    kind = next((values[k] for k in ("curve", "measure") if k in values), values.column)
    return values.column.mask(values.column.isin(["value", "low", "high"]), kind)


def allowed(name: str, values: pd.DataFrame) -> pd.Series:
    """How far each number of a table may lie from the committed one."""
    rules = values.quantity.map(lambda quantity: tolerance(f"{name}/{quantity}"))
    adam = values.get("protocol", pd.Series("", values.index)) == "converged"
    limit = rules.map(lambda t: t.full_batch).mask(adam, rules.map(lambda t: t.converged))
    share = rules.map(lambda t: t.relative).astype(bool)
    return limit.astype(float) * numbers(values.committed).abs().where(share, 1.0).fillna(0.0)


def judged(name: str, values: pd.DataFrame) -> pd.DataFrame:
    """With its quantity, how far each value may lie off, how far it does, and if that is too far.

    The deviation is 0 for the same text, and NaN, which is too far, where there is nothing to
    subtract, as between a number and nothing.
    """
    values = values.assign(quantity=quantities(values))
    same = values.committed == values.now
    off = (numbers(values.now) - numbers(values.committed)).abs().mask(same, 0.0)
    limit = allowed(name, values)
    return values.assign(allowed=limit, deviation=off, moved=~same & ~(off <= limit))


def summary(values: pd.DataFrame) -> str:
    """How many values were compared, and the deviation that is most of what is allowed."""
    counted = values[values.allowed < np.inf]
    apart = counted[counted.deviation > 0]
    words = f"{len(counted)} values"
    if len(counted) < len(values):
        words += f" ({len(values) - len(counted)} more need only be there)"
    if apart.empty:
        return f"{words}, no deviation"
    most = apart.loc[(apart.deviation / apart.allowed).idxmax()]
    return (
        f"{words}, largest deviation {most.deviation:.2g}"
        f" ({most.quantity}, {most.allowed:.2g} allowed)"
    )


def beyond(values: pd.DataFrame, conditions: list[str]) -> list[str]:
    """A sentence for each value that has moved."""
    return [
        f"{found.quantity} of {about([*found[conditions], found.occurrence], conditions)}:"
        f" {found.committed or 'nothing'} committed, {found.now or 'nothing'} now"
        + ("" if np.isnan(found.deviation) else f", {found.allowed:.2g} allowed")
        for _, found in values[values.moved].iterrows()
    ]


def drifted(values: pd.DataFrame) -> list[str]:
    """A sentence for each quantity whose mean under `converged` has moved."""
    if "protocol" not in values:
        return []
    adam = values[(values.protocol == "converged") & (values.deviation >= 0)]
    sentences = []
    for quantity, each in adam.groupby("quantity"):
        before, now = numbers(each.committed).mean(), numbers(each.now).mean()
        limit = OF_A_MEAN * each.allowed.max()
        if len(each) >= FEWEST and abs(now - before) > limit:
            sentences.append(
                f"mean of {quantity} under converged: {before:.6g} committed, {now:.6g} now,"
                f" {limit:.2g} allowed"
            )
    return sentences


def compare(name: str, committed: pd.DataFrame, now: pd.DataFrame) -> tuple[str, list[str]]:
    """One table beside its namesake: what was compared, and a sentence for all that moved."""
    shared = [column for column in committed if column in now]
    conditions = [column for column in shared if is_condition(committed[column])]
    measured = [column for column in shared if column not in conditions]
    old, new = indexed(committed, conditions), indexed(now, conditions)
    values = judged(name, side_by_side(old, new, measured))
    moved = [f"column {column}: missing now" for column in committed if column not in now]
    moved += [f"column {column}: not committed" for column in now if column not in committed]
    moved += [f"{about(r, conditions)}: missing now" for r in old.index.difference(new.index)]
    moved += [f"{about(r, conditions)}: not committed" for r in new.index.difference(old.index)]
    return summary(values), moved + drifted(values) + beyond(values, conditions)


def compare_table(name: str, committed: Path | None, now: Path | None) -> tuple[str, list[str]]:
    """As `compare`, from the files; one of them may be missing."""
    if committed is None or now is None:
        return "not compared", [f"table: {'missing now' if committed else 'not committed'}"]
    old, new = (read(path).drop(columns=SENTENCES, errors="ignore") for path in (committed, now))
    return compare(name, old, new)


def report(committed: Path, now: Path) -> int:
    """Print, table by table, what was compared and what has moved; how many things have.

    Raises `UserError` where a folder holds no tables, or a file is none.
    """
    old, new = tables(committed), tables(now)
    count = 0
    for name in sorted(old.keys() | new.keys()):
        compared, moved = compare_table(name, old.get(name), new.get(name))
        print(f"{name}: {compared}" + (f", {len(moved)} moved" if moved else ""))
        for sentence in moved[:SHOWN]:
            print(f"    {sentence}")
        if len(moved) > SHOWN:
            print(f"    and {len(moved) - SHOWN} more")
        count += len(moved)
    return count


@told
def main(arguments: list[str]) -> int:
    """Compare the two folders given: 0 where nothing moved, 1 where something did, 2 if misused."""
    if len(arguments) != 2:
        raise UserError("usage: python -m lib.output.verify <committed folder> <folder now>")
    count = report(*map(Path, arguments))
    print(f"{count} moved: see above" if count else "nothing moved beyond its tolerance")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
