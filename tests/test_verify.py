"""What moved between two runs is found and named; what may move, by rounding, is not."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import ROOT
from lib.output import verify
from lib.output.verify import SHOWN, TOLERANCES, main, read, tables, tolerance
from lib.study import store

SMOKE = ROOT / "tests" / "smoke"
NETWORKS = pd.DataFrame(
    {
        "dataset": "MNIST",
        "task": ["0-1", "0-1", "4-9", "4-9"],
        "protocol": ["described", "converged"] * 2,
        "width": 8,
        "seed": [0, 0, 42, 42],
        "f1_test": [0.95, 0.99, 0.9, 0.98],
        "loss_train": [0.5, 0.01, 0.6, 0.02],
        "n": [10, 10, 10, 10],
    }
)
CURVES = pd.DataFrame(
    {
        "protocol": "described",
        "step": [0, 1, 0, 1],
        "curve": ["f1_train", "f1_train", "loss_train", "loss_train"],
        "value": [0.5, 0.6, 0.7, 0.65],
    }
)


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Two folders with the same two tables."""
    for name in ("committed", "now"):
        write(tmp_path / name, "02_capacity/networks", NETWORKS)
        write(tmp_path / name, "02_capacity/learning_curves", CURVES)
    return tmp_path / "committed", tmp_path / "now"


def write(folder: Path, name: str, table: pd.DataFrame) -> None:
    store.write_table(table, folder / f"{name}.csv")


def changed(row: int, column: str, value: object) -> pd.DataFrame:
    table = NETWORKS.astype({column: object})
    table.loc[row, column] = value
    return table


def answer(capsys, folders: tuple[Path, Path]) -> tuple[int, str]:
    """The exit code and what was printed of the networks' table alone."""
    code = main(list(map(str, folders)))
    out = capsys.readouterr().out
    return code, out[out.index("02_capacity/networks:") :]


def moved(capsys, folders: tuple[Path, Path], table: pd.DataFrame) -> str:
    """What is printed where `table` has come in the place of the networks, which must move."""
    write(folders[1], "02_capacity/networks", table)
    code, out = answer(capsys, folders)
    assert code == 1
    return out


def test_equal_folders_pass(capsys, folders):
    code, out = answer(capsys, folders)
    assert code == 0
    assert out == (
        "02_capacity/networks: 12 values, no deviation\nnothing moved beyond its tolerance\n"
    )


def test_a_changed_value_is_named_with_its_row_and_both_values(capsys, folders):
    out = moved(capsys, folders, changed(2, "f1_test", 0.85))
    assert out == (
        "02_capacity/networks: 12 values, largest deviation 0.05 (f1_test, 0.003 allowed),"
        " 1 moved\n"
        "    f1_test of dataset MNIST, task 4-9, protocol described, width 8, seed 42:"
        " 0.9 committed, 0.85 now, 0.003 allowed\n"
        "1 moved: see above\n"
    )


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, "f1_test", 0.948), (1, "f1_test", 0.982), (0, "loss_train", 0.500008)],
)
def test_what_is_within_its_tolerance_passes_and_is_counted(capsys, folders, row, column, value):
    write(folders[1], "02_capacity/networks", changed(row, column, value))
    code, out = answer(capsys, folders)
    assert code == 0
    assert f"largest deviation {abs(value - NETWORKS.at[row, column]):.2g} ({column}" in out


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, "f1_test", 0.942), (1, "f1_test", 0.978), (0, "loss_train", 0.50002), (0, "n", 9)],
)
def test_what_is_beyond_is_found_by_column_and_protocol(capsys, folders, row, column, value):
    assert f"{column} of dataset MNIST, task 0-1" in moved(
        capsys, folders, changed(row, column, value)
    )


def test_a_curve_is_held_to_the_tolerance_of_what_it_shows(capsys, folders):
    write(folders[1], "02_capacity/learning_curves", CURVES.assign(value=CURVES.value + 0.001))
    assert main(list(map(str, folders))) == 1
    out = capsys.readouterr().out
    assert "loss_train of protocol described, step 0, curve loss_train: 0.7 committed" in out
    assert "f1_train of" not in out


@pytest.mark.parametrize(
    ("row", "sentence"),
    [(NETWORKS.index[:-1], "missing now"), ([0, 1, 2, 3, 3], "not committed")],
    ids=["missing", "new"],
)
def test_a_missing_or_new_row_is_named(capsys, folders, row, sentence):
    out = moved(capsys, folders, NETWORKS.loc[row])
    assert "dataset MNIST, task 4-9, protocol converged, width 8, seed 42" in out
    assert f": {sentence}\n" in out


def test_another_condition_is_a_row_missing_and_a_row_new(capsys, folders):
    out = moved(capsys, folders, changed(3, "task", "3-8"))
    assert "task 4-9, protocol converged, width 8, seed 42: missing now" in out
    assert "task 3-8, protocol converged, width 8, seed 42: not committed" in out


@pytest.mark.parametrize(("committed", "now"), [(np.nan, 0.98), (0.98, np.nan), (0.98, "text")])
def test_a_number_is_not_the_same_as_nothing_or_text(capsys, folders, committed, now):
    write(folders[0], "02_capacity/networks", changed(3, "f1_test", committed))
    out = moved(capsys, folders, changed(3, "f1_test", now))
    shown = ["nothing" if value is np.nan else str(value) for value in (committed, now)]
    assert f"{shown[0]} committed, {shown[1]} now" in out


def test_nothing_is_the_same_as_nothing(capsys, folders):
    for folder in folders:
        write(folder, "02_capacity/networks", changed(3, "f1_test", np.nan))
    assert answer(capsys, folders)[0] == 0


def test_a_verdict_that_flipped_is_named_with_its_claim(capsys, tmp_path):
    claims = pd.DataFrame({"claim": ["capacity.scales"], "verdict": ["supported"]})
    write(tmp_path / "committed", "claims", claims)
    write(tmp_path / "now", "claims", claims.assign(verdict="partly"))
    assert main([str(tmp_path / "committed"), str(tmp_path / "now")]) == 1
    sentence = "verdict of claim capacity.scales: supported committed, partly now"
    assert sentence in capsys.readouterr().out


def test_the_mean_of_many_networks_is_held_to_a_tenth(capsys, folders):
    """Each of thirty moves by less than one may; as a single one it would pass."""
    many = pd.DataFrame({"protocol": "converged", "seed": range(30), "f1_test": 0.9})
    single = many.assign(f1_test=many.f1_test.where(many.seed > 0, 0.895))
    for table in (many, single):
        write(folders[0], "02_capacity/networks", many)
        write(folders[1], "02_capacity/networks", table)
        assert answer(capsys, folders)[0] == 0
    assert "mean of f1_test under converged: 0.9 committed, 0.895 now, 0.001 allowed" in moved(
        capsys, folders, many.assign(f1_test=0.895)
    )


def test_the_order_of_rows_and_columns_does_not_matter(capsys, folders):
    write(folders[1], "02_capacity/networks", NETWORKS.iloc[::-1, ::-1])
    assert answer(capsys, folders)[0] == 0


def test_a_missing_and_a_new_column_are_named(capsys, folders):
    out = moved(capsys, folders, NETWORKS.rename(columns={"loss_train": "loss"}))
    assert "column loss_train: missing now" in out
    assert "column loss: not committed" in out


def test_a_missing_and_a_new_table_are_named(capsys, folders):
    (folders[1] / "02_capacity/networks.csv").unlink()
    write(folders[1], "03_pruning/networks", NETWORKS)
    code, out = answer(capsys, folders)
    assert code == 1
    assert "02_capacity/networks: not compared, 1 moved\n    table: missing now\n" in out
    assert "03_pruning/networks: not compared, 1 moved\n    table: not committed\n" in out


def test_a_column_without_a_tolerance_of_its_own_may_differ_in_the_sixth_digit_only(
    capsys, folders
):
    write(folders[0], "02_capacity/networks", NETWORKS.assign(new=123.456))
    write(folders[1], "02_capacity/networks", NETWORKS.assign(new=123.457))
    assert answer(capsys, folders)[0] == 0
    assert "new of" in moved(capsys, folders, NETWORKS.assign(new=123.458))


def test_of_much_that_moved_a_handful_is_told_and_the_rest_counted(capsys, folders):
    out = moved(capsys, folders, NETWORKS.assign(f1_test=0, loss_train=9))
    assert out.count("committed,") == SHOWN
    assert f"    and {8 - SHOWN} more\n8 moved" in out


def test_points_of_an_embedding_may_lie_elsewhere_but_not_be_gone(capsys, tmp_path):
    points = pd.DataFrame({"row": [0, 1], "x": [1.0, 2.0], "y": 0.0})
    for name, table in {
        "committed": points,
        "other": points.assign(x=-40.0),
        "gone": points.assign(x=[1.0, np.nan]),
    }.items():
        write(tmp_path / name, "03_pruning/hidden_layer", table)
    assert main([str(tmp_path / "committed"), str(tmp_path / "other")]) == 0
    assert "0 values (4 more need only be there)" in capsys.readouterr().out
    assert main([str(tmp_path / "committed"), str(tmp_path / "gone")]) == 1


def test_a_gzipped_table_is_the_same_table(capsys, folders):
    plain = folders[0] / "02_capacity/networks.csv"
    plain.with_suffix(".csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert answer(capsys, folders)[0] == 0


def test_the_calibration_is_not_of_the_notebooks_that_are_run_anew(capsys, folders):
    write(folders[0], "calibration/lenet", NETWORKS)
    assert answer(capsys, folders)[0] == 0


SMALL = {
    name: path
    for name, path in tables(SMOKE).items()
    if path.stat().st_size < 4000 and len(read(path))
}


@given(data=st.data())
def test_whatever_value_of_the_smoke_profile_is_lost_is_found(data):
    name = data.draw(st.sampled_from(sorted(SMALL)))
    now = read(SMALL[name])
    row, column = (data.draw(st.integers(0, count - 1)) for count in now.shape)
    now.iloc[row, column] = "" if now.iloc[row, column] else "1"
    _, sentences = verify.compare(name, read(SMALL[name]), now)
    assert sentences


def test_every_tolerance_is_of_something_and_has_a_reason():
    named = {
        f"{name}/{quantity}"
        for name, path in tables(SMOKE).items()
        for table in [read(path)]
        for quantity in {*table.columns, *table.get("curve", []), *table.get("measure", [])}
    }
    assert {tolerance(quantity) for quantity in named} == set(TOLERANCES)
    assert all(t.reason and t.full_batch <= t.converged for t in TOLERANCES)


@pytest.mark.parametrize("arguments", [[], ["figures"], ["figures", "figures", "figures"]])
def test_without_two_folders_it_says_how_it_is_called(capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: python -m lib.output.verify")


def test_a_folder_without_tables_and_a_file_that_is_none_are_named(capsys, folders, tmp_path):
    assert main([str(tmp_path / "nowhere"), str(folders[1])]) == 2
    assert "nowhere holds no CSV tables" in capsys.readouterr().err
    (folders[1] / "02_capacity/networks.csv").write_text("", "utf-8")
    assert main(list(map(str, folders))) == 2
    error = capsys.readouterr().err
    assert "networks.csv is not a CSV table" in error
    assert error.count("\n") == 1


def test_as_a_program_it_exits_with_0_or_1_and_leaves_the_folders_as_they_are(folders):
    before = {path: path.read_bytes() for path in folders[0].parent.rglob("*.csv")}
    other = shutil.copytree(folders[1], folders[1].with_name("other"))
    write(other, "02_capacity/networks", changed(0, "n", 11))
    codes = [
        subprocess.run(
            [sys.executable, "-m", "lib.output.verify", folders[0], now],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
        ).returncode
        for now in (folders[1], other)
    ]
    assert codes == [0, 1]
    assert {path: path.read_bytes() for path in before} == before
