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

from lib import ROOT
from lib.output import figures
from lib.output.latex import formatted
from lib.statistics import summary
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
        self.printed: dict[str, tuple[str, ...]] = {}

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
        interval: tuple[float | str, float | str] = ("", ""),
        n: int | str = "",
        form: str = ".3f",
    ) -> str:
        """Give the paper a number by name, with its interval and n; returns it as printed.

        An interval that is NaN is left out.
        """
        ends = ("" if pd.isna(end) else formatted(end, form) for end in interval)
        self.printed[name] = (formatted(value, form), *ends, str(n))
        return f"{name} = {self.printed[name][0]}"

    def numbers(
        self, table: pd.DataFrame, name: str, value: str = "mean", form: str = ".3f"
    ) -> pd.DataFrame:
        """Give the paper a column of a table, a number a row.

        name: of the numbers, with the row's columns in braces. The interval stands in columns low
        and high, and n in a column n, each where there is one. Returns the table.
        """
        for row in table.to_dict("records"):
            interval = row.get("low", ""), row.get("high", "")
            self.number(name.format_map(row), row[value], interval, row.get("n", ""), form)
        return table

    def means(
        self, table: pd.DataFrame, by: Sequence[str], value: str, name: str, form: str = ".3f"
    ) -> pd.DataFrame:
        """Give the paper the mean of a column by groups, with the interval over rows and their n.

        Each is named as in `numbers`, or by `name` and its group, with dots. Returns the means, as
        `statistics.summary` does.
        """
        if "{" not in name:
            name = ".".join([name, *(f"{{{each}}}" for each in by)])
        return self.numbers(summary(table, by, value), name, form=form)

    def write_numbers(self) -> None:
        """Write all numbers to where LaTeX reads them; a notebook does so once, at its end."""
        lines = [
            "\\defresult" + "".join(f"{{{text}}}" for text in (name, *self.printed[name])) + "\n"
            for name in sorted(self.printed)
        ]
        store.write(self.generated / f"{self.notebook}.tex", "".join(lines).encode())
