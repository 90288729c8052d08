"""Whether a rerun gives the committed results: every table beside its namesake, value by value.

`python -m lib.output.verify <committed> <now>` compares the CSV tables (plain or gzipped) of two
folders, as `make verify` does once it has run a profile's notebooks anew. A row is found by what it
is about (task, protocol, width, seed...), whatever the order of the rows. The numbers that the
paper prints come from these tables, and are not compared a second time.

Words and counts have to be the same. A number lies within the tolerance of what it rests on:
`EXACT` where that is no network, `FULL_BATCH`, or `ADAM` for means over networks that Adam trained;
a `SINGLE` one of those is watched for gross errors only, its counts too. A mean that has an
interval stays within a quarter of it as well, and of what full batches made half repeats exactly.

The tolerances come of the same runs with the instructions of AVX-512 and with those of AVX2 (Intel
Xeon, one thread, torch 2.14.1): the smoke profile, and 140 networks of the paper's size under
`converged` (4-9 and 3-8, five seeds) with what is asked of them. With nothing changed the bytes are
the same. Training in full batches repeats to rounding, and so does Adam's for most networks. But
where a gradient is 0 to rounding, Adam's step may differ in full, and the network takes another
path: it is another one then, as from another order of rows. None of the smoke profile's did, four
of the 140 did, and two of three that were trained anew in every round of pruning.

A network on another path may also take another row wrongly first. Then rows of a table are missing
and new, and are reported: it was not seen, so nothing allows it.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from lib.errors import UserError, told

EXACT = 1e-5
"""Images, splits, difficulties: the last of the six digits that are written. Nothing moved."""

FULL_BATCH = 0.005
"""Networks under `published` and `described`. Measured: 0.0016, for the bound on a network's
Lipschitz constant; 0.0012, where one pixel left the brightest tenth of one map in 20; 0.0005, for
histograms of gradients; 4e-5 for all else. No F1 moved: a row that changes sides is 0.0025 of the
smoke profile's 400, and between a processor and a GPU one network in 550 moved by 0.004."""

REPEATED, MANY = 0.5, 20
"""The share of a column's values under full batches, where they are as many, that repeat to
`EXACT`. Measured: 0.86 at least (signed ranks of maps), and all losses; but 0.04 of these where the
learning rate is 0.1 % higher, which moves no F1 beyond its tolerance."""

ITERATED = {"constant_high"}
"""Searched for in steps that rounding leads elsewhere: 0.13 of these values repeat."""

ADAM = 0.05
"""Means over seeds under Adam. Measured over five: F1 0.0003, under noise 0.008, pruned 0.010 (AUC
0.021); maps 0.008, the share of flat ones 0.019; selectivity of units 0.013. Over the paper's ten
seeds it is half as much."""

SINGLE = 0.5
"""One network under Adam. Measured: F1 0.0015, under noise 0.04, pruned 0.05 (AUC 0.10); maps 0.04,
the share of flat ones 0.09; selectivity of units 0.06; and two of its units were dead or not."""

COUNTED = 20
"""What a tolerance is a share of for a count, at least: a mean of them moves by 1, a single one by
10. For any other number that is 1."""

QUARTER = 0.25
"""Of its interval over seeds, so much a mean may move by. Measured under Adam: 0.22 at most, but
0.5 where networks are trained again after pruning, which are not held to it."""

PRINTED = 0.001
"""The last digit that the paper prints: no interval asks for less."""

FEWEST = 5
"""Seeds for an interval: `lib.statistics.FEWEST`, here so that nothing waits for torch."""

CONDITIONS = {
    *("width", "other_width", "seed", "step", "learning_rate", "threshold", "sparsity", "sigma"),
    *("severity", "amount", "epsilon", "digit", "row", "pixel", "steps", "scale", "budget"),
}
"""Numbers that say what a row is about; a column that holds text does so too."""

WORDS = {"verdict", "note", "censored"}
"""Text that is a result. Decimals in a note repeat other tables, and are not compared."""

STATED = {"minimum_width", "highest", "highest_sparsity", "sign", "n"}
"""Counts and levels that are the same under Adam too, but for the rows of a single network."""

MEANS = {"mean", "effect", "value", "difference"}
"""What the interval in the same row is of; never a count."""

ENDS = {"low", "high", "ci_low", "ci_high"}
"""Of an interval over seeds. One network may be what it hangs on (0.1 was measured)."""

EMBEDDED = {"x", "y"}
"""t-SNE is chaotic: a change in the last digit moves points by 41. They need only be there."""

APART = {"calibration"}
"""Folders of tables that no notebook makes, and so no rerun of the notebooks."""

SHOWN = 5
"""Of what has moved in a table, so much is told in full."""


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
    """A table as it is written, but for decimals in notes. Raises `UserError` where it is none."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} is not a CSV table: {error}") from None
    if "note" in table:
        table["note"] = table.note.str.replace(r"-?\d+\.\d+", "...", regex=True)
    return table


def numbers(values: pd.Series) -> pd.Series:
    """Written values as numbers, NaN for text and for nothing."""
    return pd.to_numeric(values, errors="coerce").astype(float)


def is_condition(column: pd.Series) -> bool:
    """Whether a column says what a row is about: by its name, or because it holds text."""
    if column.name in CONDITIONS | WORDS:
        return column.name in CONDITIONS
    return bool((numbers(column).isna() & (column != "")).any())


def indexed(table: pd.DataFrame, conditions: list[str]) -> pd.DataFrame:
    """A table by its conditions, and by occurrence where several rows have the same ones."""
    groups = table.groupby(conditions) if conditions else table.groupby(lambda _: 0)
    keys = table[conditions].assign(occurrence=groups.cumcount())
    return table.set_index(pd.MultiIndex.from_frame(keys))


def about(row: pd.Series, conditions: list[str]) -> str:
    """What a row is about, in words; where several are about the same, which of them."""
    words = [f"{name} {row[name]}" for name in conditions if row[name] != ""]
    return ", ".join(
        words if words and not row.occurrence else [*words, f"number {row.occurrence}"]
    )


def beyond(table: pd.DataFrame, other: pd.DataFrame) -> list[pd.Series]:
    """The rows that another table has not, by what they are about."""
    keys = table.index.difference(other.index).to_frame()
    return [row for _, row in keys.iterrows()]


def side_by_side(old: pd.DataFrame, new: pd.DataFrame, measured: list[str]) -> pd.DataFrame:
    """Every measured value of the rows that both tables have, one a row.

    Columns: the conditions of its row, column, committed and now as written, before and after as
    numbers, and for a mean the length of its interval (NaN: none).
    """
    rows = old.index.intersection(new.index)
    old, new = old.loc[rows], new.loc[rows]
    keys = rows.to_frame(index=False).assign(interval=lengths(old).to_numpy())
    values = keys.loc[keys.index.repeat(len(measured))].reset_index(drop=True)
    values["column"] = np.tile(np.array(measured, dtype=object), len(rows))
    values["committed"] = old[measured].to_numpy(dtype=object).ravel()
    values["now"] = new[measured].to_numpy(dtype=object).ravel()
    values["interval"] = values.interval.where(values.column.isin(MEANS))
    return values.assign(before=numbers(values.committed), after=numbers(values.now))


def lengths(rows: pd.DataFrame) -> pd.Series:
    """The length of the interval in each row, NaN where there is none."""
    ends = rows.reindex(columns=["ci_low", "ci_high"] if "ci_low" in rows else ["low", "high"])
    return ends.apply(numbers).diff(axis=1).iloc[:, 1].abs()


def having(values: pd.DataFrame, conditions: list[str], names: list[str]) -> pd.Series:
    """Which values have one of the names in one of the conditions."""
    return values.reindex(columns=conditions).isin(names).any(axis=1)


def classed(values: pd.DataFrame) -> pd.DataFrame:
    """With what each value is of: columns count, network, adam, again (trained), single.

    What counts is a column of whole numbers, then and now. A table without protocols is of networks
    where it has their widths.
    """
    whole = values[["before", "after"]].fillna(0).mod(1).eq(0).all(axis=1)
    count = whole.groupby(values.column).transform("all") & ~values.column.isin(MEANS)
    protocol = having(values, ["protocol"], ["published", "described", "converged"])
    return values.assign(
        count=count | values.column.isin(STATED),
        network=protocol if "protocol" in values else "width" in values,
        adam=having(values, ["protocol", "optimiser"], ["converged", "adam"]),
        again=having(values, ["regime", "version", "beside"], ["fine_tuned", "rewound"]),
        single="seed" in values,
    )


def judged(values: pd.DataFrame) -> pd.DataFrame:
    """With the deviation of each value, and how much is allowed by what it is of.

    The deviation is NaN where there is nothing to subtract, as between a number and nothing.
    """
    column, count, adam, single = (values[name] for name in ("column", "count", "adam", "single"))
    size = values.before.abs().clip(lower=count.map({True: COUNTED, False: 1}))
    exactly = count & (~adam | column.isin(STATED) & ~single)
    limit = np.select(
        [column.isin(EMBEDDED), exactly, adam & (single | column.isin(ENDS)), adam, values.network],
        [size * 0 + np.inf, size * 0, SINGLE * size, ADAM * size, FULL_BATCH * size],
        EXACT * size,
    )
    quarter = (QUARTER * values.interval).clip(lower=PRINTED).where(~(adam & values.again))
    return values.assign(
        deviation=(values.after - values.before).abs(),
        allowed=pd.Series(limit, values.index).clip(upper=quarter),
    )


def means(values: pd.DataFrame) -> pd.DataFrame:
    """As `judged`, the means over seeds of single networks under Adam, in columns that moved.

    Their intervals are Student's, where there are seeds enough for one.
    """
    moved = values.column.isin(values.column[values.deviation > 0])
    found = values[values.adam & values.single & moved & ~values.column.isin(EMBEDDED)]
    each = {"seed", "interval", "committed", "now", "before", "after", "deviation", "allowed"}
    seeds = found.groupby([name for name in found if name not in each], sort=False)
    found = seeds[["before", "after"]].mean().assign(n=seeds.before.count(), sd=seeds.before.std())
    found = found[(found.n > 1) & ((found.after - found.before).abs() > 0)].reset_index()
    length = 2 * stdtrit(found.n - 1, 0.975) * found.sd / np.sqrt(found.n)
    return judged(
        found.assign(
            column="mean of " + found.column,
            single=False,
            seed="",
            interval=length.where((found.n >= FEWEST) & (found.sd > EXACT) & ~found["count"]),
            committed=found.before.map("{:.6g}".format),
            now=found.after.map("{:.6g}".format),
        )
    )


def summary(found: pd.DataFrame, total: int) -> str:
    """How many values were compared, and the deviation that is most of what is allowed."""
    off = found[(found.deviation > 0) & (found.allowed < np.inf)]
    if off.empty:
        return f"{total} values, no deviation"
    most = off.loc[(off.deviation / off.allowed).idxmax()]
    return (
        f"{total} values, largest deviation {most.deviation:.2g}"
        f" ({most.column}, {most.allowed:.2g} allowed)"
    )


def sentences(found: pd.DataFrame, conditions: list[str]) -> list[str]:
    """A sentence for each value that differs by more than is allowed."""
    return [
        f"{each.column} of {about(each, conditions)}:"
        f" {each.committed or 'nothing'} committed, {each.now or 'nothing'} now"
        + ("" if np.isnan(each.deviation) else f", {each.allowed:.2g} allowed")
        for _, each in found[~(found.deviation <= found.allowed)].iterrows()
    ]


def unsettled(values: pd.DataFrame) -> list[str]:
    """A sentence for each column that moved as a whole, where full batches repeat to rounding."""
    held = values[values.network & ~values.adam & ~values.column.isin(EMBEDDED | ITERATED)]
    repeated = held.deviation <= EXACT * held.before.abs().clip(lower=1)
    of_column = repeated[held.deviation.notna()].groupby(held.column).agg(["mean", "size"])
    return [
        f"column {column}: {share:.0%} of {size} values repeat under full batches"
        for column, share, size in of_column.itertuples()
        if share < REPEATED and size >= MANY
    ]


def compare(committed: pd.DataFrame, now: pd.DataFrame) -> tuple[str, list[str]]:
    """One table beside its namesake: what was compared, and a sentence for all that moved."""
    shared = [column for column in committed if column in now]
    conditions = [column for column in shared if is_condition(committed[column])]
    measured = [column for column in shared if column not in conditions]
    old, new = indexed(committed, conditions), indexed(now, conditions)
    values = judged(classed(side_by_side(old, new, measured)))
    found = values[values.committed != values.now]
    if (found.adam & found.single).any():
        found = pd.concat([means(values), found], ignore_index=True)
    moved = [
        *(f"column {column}: missing now" for column in committed if column not in now),
        *(f"column {column}: not committed" for column in now if column not in committed),
        *(f"{about(row, conditions)}: missing now" for row in beyond(old, new)),
        *(f"{about(row, conditions)}: not committed" for row in beyond(new, old)),
        *unsettled(values),
    ]
    return summary(found, len(values)), moved + sentences(found, conditions)


def compare_table(committed: Path | None, now: Path | None) -> tuple[str, list[str]]:
    """As `compare`, from the files; one of them may be missing."""
    if committed is None or now is None:
        return "not compared", [f"table: {'missing now' if committed else 'not committed'}"]
    return compare(read(committed), read(now))


def report(committed: Path, now: Path) -> int:
    """Print, table by table, what was compared and what has moved; how many things have.

    Raises `UserError` where a folder holds no tables, or a file is none.
    """
    old, new = tables(committed), tables(now)
    count = 0
    for name in sorted(old.keys() | new.keys()):
        compared, moved = compare_table(old.get(name), new.get(name))
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
