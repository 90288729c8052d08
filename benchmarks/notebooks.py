"""How long the notebooks took when they were last run: `python -m benchmarks.notebooks`.

A row a notebook, and one for each of its cells that took a minute or longer, with the measures that
it asks for. What the cache held when the notebooks were run is not recorded in them.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pandas as pd

from lib import ROOT
from lib.errors import UserError, told
from lib.study import store
from lib.study.parameters import NOTEBOOKS

HERE = Path(__file__).resolve().parent
MINUTE = 60.0


def minutes(seconds: float) -> float:
    """Seconds as minutes, to a tenth."""
    return round(seconds / MINUTE, 1)


def asked(source: str) -> str:
    """The measures that a cell names, in their order; its first line where it names none."""
    named = dict.fromkeys(re.findall(r"measures\.(\w+),", source))
    return " ".join(named) or source.partition("\n")[0]


def timed(path: Path) -> Iterator[dict[str, object]]:
    """What papermill recorded of a notebook that it ran to the end.

    Raises `UserError` where it did not.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: run `make paper` for the profile first")
    notebook = nbformat.read(path, as_version=4)
    yield {
        "notebook": path.stem,
        "asked": "",
        "minutes": minutes(notebook.metadata.papermill.duration),
    }
    for cell in notebook.cells:
        seconds = cell.metadata.get("papermill", {}).get("duration") or 0.0
        if seconds >= MINUTE:
            yield {"notebook": path.stem, "asked": asked(cell.source), "minutes": minutes(seconds)}


def times(folder: Path) -> pd.DataFrame:
    """Columns notebook, asked, minutes; first all notebooks together. Raises as `timed`."""
    rows = pd.DataFrame([row for name in NOTEBOOKS for row in timed(folder / f"{name}.ipynb")])
    together = round(rows.minutes[rows.asked == ""].sum(), 1)
    first = pd.DataFrame([{"notebook": "all", "asked": "", "minutes": together}])
    return pd.concat([first, rows], ignore_index=True)


@told
def main(arguments: Sequence[str]) -> None:
    """Write benchmarks/notebooks.csv from the notebooks that `make paper` has run."""
    argparse.ArgumentParser("python -m benchmarks.notebooks", description=__doc__).parse_args(
        arguments
    )
    table = times(ROOT / "build" / "paper" / "notebooks")
    store.write_table(table, HERE / "notebooks.csv")
    print(table.to_string(index=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
