"""What leaves a notebook: figures, tables and the numbers that the paper's prose prints.

The profiles `paper` and `calibration` write to `figures/` and `paper/generated/`; every other one
under `build/`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lib import ROOT, claims
from lib.output import figures
from lib.output.latex import formatted
from lib.statistics import FEWEST, summary
from lib.study import store
from lib.study.backends import Machine
from lib.tasks import datasets

COMMITTED = ("paper", "calibration")
"""The profiles whose results are part of the repository; they make different folders of it."""

WHERE = {field.name for field in fields(Machine)}
"""The parameters that say where work is done: of them a result knows the kind of device only."""


def folders(profile: str) -> tuple[Path, Path]:
    """Where a profile's figures and tables go, a folder a notebook, and what LaTeX reads."""
    if profile in COMMITTED:
        return ROOT / "figures", ROOT / "paper" / "generated"
    return ROOT / "build" / profile / "figures", ROOT / "build" / profile / "generated"


class Report:
    """The output of one notebook run with one set of parameters."""

    def __init__(self, notebook: str, parameters: Mapping[str, Any]) -> None:
        self.notebook = notebook
        root, self.generated = folders(parameters["profile"])
        self.figures = root / notebook
        self.provenance = store.provenance(
            notebook=notebook,
            parameters={k: v for k, v in parameters.items() if k not in WHERE},
            device=Machine(**{k: v for k, v in parameters.items() if k in WHERE}).kind,
            data=datasets.load(parameters["dataset"]).checksum,
            code=store.code_hash(sorted((ROOT / "lib").rglob("*.py"))),
        )
        self.numbers: dict[str, str] = {}

    def figure(self, figure: Figure, name: str, data: pd.DataFrame) -> Figure:
        """Save a figure as PDF and PNG, what it plots as CSV, where it came from as JSON."""
        figures.save(figure, self.figures / name)
        store.write_table(data, self.figures / f"{name}.csv")
        text = json.dumps({"figure": name, **self.provenance}, indent=1, sort_keys=True) + "\n"
        store.write(self.figures / f"{name}.json", text.encode())
        return figure

    def table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Save a table of results as CSV."""
        store.write_table(table, self.figures / f"{name}.csv")
        return table

    def latex(self, table: pd.DataFrame, name: str, columns: str) -> None:
        """Save a table for the paper: booktabs, cells as they stand, `columns` as LaTeX has it."""
        rows = [" & ".join(map(str, table.columns))] + [
            " & ".join(map(str, row)) for row in table.itertuples(index=False)
        ]
        head, body = rows[0], " \\\\\n".join(rows[1:])
        text = (
            f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n"
            f"{body} \\\\\n\\bottomrule\n\\end{{tabular}}\n"
        )
        store.write(self.generated / f"{name}.tex", text.encode())

    def number(
        self,
        name: str,
        value: float | str,
        interval: tuple[float, float] | None = None,
        n: int | None = None,
        form: str = ".3f",
    ) -> str:
        """Give the paper a number by name, with its interval and n; returns it as printed."""
        shown = self.noted(name, value, interval, n, form)
        self.write_numbers()
        return shown

    def noted(
        self,
        name: str,
        value: float | str,
        interval: tuple[float, float] | None = None,
        n: int | None = None,
        form: str = ".3f",
    ) -> str:
        """A number as printed, kept until the numbers are written next."""
        shown = [formatted(value, form)]
        shown += [formatted(end, form) for end in interval or ("", "")]
        shown.append("" if n is None else str(n))
        self.numbers[name] = "".join(f"{{{text}}}" for text in (name, *shown))
        return f"{name} = {shown[0]}"

    def write_numbers(self) -> None:
        """Write all numbers so far to where LaTeX reads them."""
        lines = [f"\\defresult{self.numbers[each]}\n" for each in sorted(self.numbers)]
        store.write(self.generated / f"{self.notebook}.tex", "".join(lines).encode())

    def means(self, table: pd.DataFrame, by: Sequence[str], value: str, name: str) -> pd.DataFrame:
        """Give the paper the mean of a column by groups, each named by `name` and its group.

        With the interval over rows where there are enough, and their number. Returns the means.
        """
        means = summary(table, by, value)
        for row in means.itertuples(index=False):
            group = ".".join(map(str, row[: len(by)]))
            ends = (row.low, row.high) if row.n >= FEWEST else None
            self.noted(f"{name}.{group}", row.mean, ends, row.n)
        self.write_numbers()
        return means

    def verdicts(self) -> Styler:
        """Decide this notebook's claims from the tables that it has saved, and show the verdicts.

        Saves them as claims.csv, and gives the paper those of all notebooks so far. What the tables
        cannot decide is printed with the reason: a small profile does not measure everything.
        """
        rows, undecided = claims.decide(self.notebook, self.figures.parent)
        self.table(rows, "claims")
        claims.publish(self.figures.parent, self.generated)
        for each in undecided:
            print(each)
        return claims.styled(rows)
