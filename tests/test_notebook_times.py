"""How long notebooks took is read from what papermill left in them."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from benchmarks.notebooks import times
from lib.errors import UserError
from lib.study.parameters import NOTEBOOKS


def executed(folder: Path, name: str, cells: dict[str, float]) -> None:
    """A notebook as papermill leaves it: cells by their source, with the seconds that each took."""
    recorded = [
        new_code_cell(source, metadata={"papermill": {"duration": seconds}})
        for source, seconds in cells.items()
    ]
    about = {"papermill": {"duration": sum(cells.values()) + 6}}
    nbformat.write(new_notebook(cells=recorded, metadata=about), folder / f"{name}.ipynb")


def test_a_notebook_has_a_row_and_so_has_each_cell_of_a_minute_or_longer(tmp_path):
    first, *others = NOTEBOOKS
    long = "t = study.table(on, measures.fine_tuned, m)\nu = study.table(on, measures.rewound, m)"
    executed(tmp_path, first, {"import pandas": 5, long: 90, "x = 1\ny = 2": 61, "draw()": 59})
    for name in others:
        executed(tmp_path, name, {"pass": 6})
    assert times(tmp_path).to_numpy().tolist() == [
        ["all", "", 4.5],
        [first, "", 3.7],
        [first, "fine_tuned rewound", 1.5],
        [first, "x = 1", 1.0],
        *([name, "", 0.2] for name in others),
    ]


def test_a_notebook_that_was_not_run_is_named_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"01_tasks\.ipynb is not there: run `make paper`"):
        times(tmp_path)
