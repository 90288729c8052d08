"""How verdicts are shown: in a notebook, as macros of the paper, and as its table on one page."""

from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from lib.claims.verdicts import PROTOCOLS, RULES, collected, decide, under
from lib.output.latex import escaped, formatted
from lib.output.report import Report
from lib.study import store

SIGNS = {"supported": "✓", "partly": "(✓)", "not supported": "✗", "untestable": "?"}
"""What stands before a verdict, so that it can be told without colour."""

COLOURS = {
    "supported": "#009E73",
    "partly": "#B87900",
    "not supported": "#D55E00",
    "untestable": "#555555",
}
"""After Okabe & Ito (2008), the orange darkened to be read as text; as in results.sty."""

OWN_READING = {"published": "as_coded", "described": "as_described", "converged": "as_described"}
"""The reading of pruning that a protocol has when none is named."""


def conclude(out: Report) -> Styler:
    """Decide a notebook's claims from the tables that it has saved, and show the verdicts.

    Saves them as claims.csv, and gives the paper those of all notebooks so far, and the notebook's
    numbers: this is its last cell. What the tables cannot decide is printed with the reason: a
    small profile does not measure everything.
    """
    out.write_numbers()
    rows, undecided = decide(out.notebook, out.figures.parent)
    out.table(rows, "claims")
    publish(out.figures.parent, out.generated)
    for each in undecided:
        print(each)
    return styled(rows)


def styled(rows: pd.DataFrame) -> Styler:
    """The verdicts as a table for a notebook, the same bytes for the same rows."""
    table = rows.drop(columns="rule").assign(sign=rows.verdict.map(SIGNS))
    order = ["sign", "verdict", *table.columns.drop(["sign", "verdict"])]
    numbers = dict.fromkeys(("effect", "ci_low", "ci_high"), short)
    colour = table.verdict.map(lambda verdict: f"color: {COLOURS[verdict]}; font-weight: bold")
    return (
        table[order]
        .style.set_uuid("claims")
        .hide(axis="index")
        .format(numbers, na_rep="")
        .apply(lambda _: colour, subset=["sign"])
        .apply(lambda _: colour, subset=["verdict"])
    )


def publish(figures: Path, generated: Path) -> pd.DataFrame:
    """Join the verdicts under `figures` into claims.csv there, and write what the paper reads.

    `generated` gets verdicts.tex, the macros, and claims.tex, the table. Again gives the same.
    Two notebooks may publish at once: what the other has decided meanwhile is joined too.
    """
    while True:
        rows = collected(figures)
        store.write_table(rows, figures / "claims.csv")
        store.write(generated / "verdicts.tex", macros(rows).encode())
        store.write(generated / "claims.tex", table(rows).encode())
        if collected(figures).equals(rows):
            return rows


def short(value: float) -> str:
    """A number to two digits, and to four places at most."""
    return f"{float(f'{round(value, 4):.2g}') + 0:g}"


def printed(value: float) -> str:
    """The same for LaTeX; "" for what is not there."""
    return "" if pd.isna(value) else formatted(float(short(value)), "g")


def macros(rows: pd.DataFrame) -> str:
    r"""\defverdict{CLAIM}{PROTOCOL}{VERDICT} of each verdict, and \defresult of its effect.

    With a reading, PROTOCOL is such as "described.as_coded"; the protocol's own goes without too.
    """
    lines = []
    for row in rows.itertuples(index=False):
        full = ".".join(filter(None, [row.protocol, row.reading]))
        numbers = "".join(f"{{{printed(each)}}}" for each in (row.effect, row.ci_low, row.ci_high))
        for name in {full, row.protocol if is_own(row.protocol, row.reading) else full}:
            lines.append(f"\\defresult{{claim.{row.claim}.{name}}}{numbers}{{{row.n or ''}}}\n")
            lines.append(f"\\defverdict{{{row.claim}}}{{{name}}}{{{row.verdict}}}\n")
    return "".join(sorted(lines))


def is_own(protocol: str, reading: str) -> bool:
    """Whether a reading is the one that a protocol has when none is named."""
    return OWN_READING.get(protocol) == reading


NONE = r"\noverdict{}"
"""What stands where there is no verdict yet, as a macro of results.sty."""


def table(rows: pd.DataFrame) -> str:
    """The paper's table: a row a claim, grouped by the first word of its name, a column a protocol.

    A cell has a line for each reading: sign, effect and interval.
    """
    lines = [
        r"\begin{tabularx}{\textwidth}{@{}Lp{0.56in}*{3}{p{1.42in}}@{}}",
        r"\toprule",
        rf"What the study says & As & {' & '.join(map(code, PROTOCOLS))} \\",
    ]
    for part, claims in groupby(RULES, key=lambda claim: claim.partition(".")[0]):
        lines += [r"\midrule", rf"\multicolumn{{5}}{{@{{}}l}}{{\textbf{{{part.capitalize()}}}}} \\"]
        lines += [f"\\addlinespace[2pt]\n{line(claim, rows)}" for claim in claims]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabularx}", ""])


def code(name: str) -> str:
    """A name as the paper sets what is written so in the code."""
    return rf"\code{{{escaped(name)}}}"


def line(claim: str, rows: pd.DataFrame) -> str:
    """One claim's row of the table; `NONE` where there is no verdict."""
    readings = list(dict.fromkeys(each.get("reading", "") for each in under(claim)))
    shown = r" \newline ".join(reading.removeprefix("as_") for reading in readings)
    rows = rows[rows.claim == claim]
    cells = [cell(rows[rows.protocol.isin(["any", each])], readings) for each in PROTOCOLS]
    return f"{escaped(RULES[claim]['says'])} & {shown} & {' & '.join(cells)} \\\\"


def cell(rows: pd.DataFrame, readings: list[str]) -> str:
    """The verdicts of one claim under one protocol, a line for each reading."""
    by_reading = {row.reading: row for row in rows.itertuples(index=False)}
    lines = [verdict_of(by_reading[each]) if each in by_reading else NONE for each in readings]
    return r" \newline ".join(lines)


def verdict_of(row: Any) -> str:
    """One verdict with its effect and interval, as a macro of results.sty."""
    low, high = printed(row.ci_low), printed(row.ci_high)
    ends = f"[{low}, {high}]" if low else ""
    return rf"\verdictcell{{{row.verdict}}}{{{printed(row.effect)}}}{{{ends}}}"
