"""What moved between two runs is found and named; what may move, by rounding, is not."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import ROOT, statistics
from lib.output.verify import (
    ADAM,
    EXACT,
    FEWEST,
    FULL_BATCH,
    PRINTED,
    QUARTER,
    SHOWN,
    SINGLE,
    compare,
    main,
    read,
    tables,
)
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


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Two folders with the same table."""
    for name in ("committed", "now"):
        write(tmp_path / name, "02_capacity/networks", NETWORKS)
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
        "02_capacity/networks: 12 values, largest deviation 0.05 (f1_test, 0.005 allowed),"
        " 1 moved\n"
        "    f1_test of dataset MNIST, task 4-9, protocol described, width 8, seed 42:"
        " 0.9 committed, 0.85 now, 0.005 allowed\n"
        "1 moved: see above\n"
    )


def sentences(committed: dict, now: dict) -> list[str]:
    """What moved from the one row, or from the rows of several values, to the other."""
    return compare(
        *(pd.DataFrame(each, index=index(each)).astype(str) for each in (committed, now))
    )[1]


def index(row: dict) -> range:
    return range(max([len(value) for value in row.values() if isinstance(value, list)], default=1))


CLASSES = {
    "exact": ({"task": "0-1"}, EXACT),
    "full batch": ({"protocol": "described", "seed": 0}, FULL_BATCH),
    "full batch, by width": ({"task": "0-1", "width": 8}, FULL_BATCH),
    "Adam": ({"protocol": "converged"}, ADAM),
    "Adam, as a change": ({"protocol": "described", "optimiser": "adam"}, ADAM),
    "Adam, one network": ({"protocol": "converged", "seed": 0}, SINGLE),
}
NUMBERS = st.floats(-1000, 1000).map(lambda value: value + 1e-9).filter(lambda value: value % 1)


@pytest.mark.parametrize(("about", "tolerance"), CLASSES.values(), ids=CLASSES)
@given(value=NUMBERS, sign=st.sampled_from([-1, 1]))
def test_a_number_moves_by_the_tolerance_of_what_it_rests_on(about, tolerance, value, sign):
    step = sign * tolerance * max(1, abs(value))
    assert not sentences(about | {"score": value}, about | {"score": value + 0.9 * step})
    (found,) = sentences(about | {"score": value}, about | {"score": value + 1.1 * step})
    assert found.startswith("score of ")


@pytest.mark.parametrize("ends", [("low", "high"), ("ci_low", "ci_high")])
@pytest.mark.parametrize("protocol", ["described", "converged"])
@given(length=st.floats(0, 1))
def test_a_mean_moves_by_a_quarter_of_its_interval_where_that_is_less(ends, protocol, length):
    row = {"protocol": protocol, "mean": 0.25} | dict(zip(ends, (0, length), strict=True))
    widest = {"described": FULL_BATCH, "converged": ADAM}[protocol]
    allowed = min(widest, max(PRINTED, QUARTER * length))
    assert not sentences(row, row | {"mean": 0.25 + 0.9 * allowed})
    assert sentences(row, row | {"mean": 0.25 + 1.1 * allowed})


def test_of_networks_that_adam_trained_again_a_mean_may_leave_its_quarter():
    row = {"protocol": "converged", "mean": 0.5, "low": 0.49, "high": 0.51}
    assert sentences(row, row | {"mean": 0.52})
    assert not sentences(row | {"regime": "rewound"}, row | {"regime": "rewound", "mean": 0.52})


@given(repeated=st.integers(0, 20))
def test_of_many_numbers_under_full_batches_half_repeat(repeated):
    about = {"protocol": "described", "seed": list(range(20))}
    moved = [0.9 if seed < repeated else 0.9 + 3 * EXACT for seed in range(20)]
    found = sentences(about | {"f1": [0.9] * 20}, about | {"f1": moved})
    told = f"column f1: {repeated / 20:.0%} of 20 values repeat under full batches"
    assert found == ([told] if repeated < 10 else [])
    about["protocol"] = "converged"
    assert not sentences(about | {"f1": [0.9] * 20}, about | {"f1": moved})


SEEDS = {"protocol": "converged", "seed": list(range(10))}


@given(spread=st.floats(0.001, 0.01), share=st.floats(-0.25, 0.25))
def test_one_seed_on_another_path_passes_and_all_of_them_do_not(spread, share):
    """As far as the seeds lie apart: over ten a quarter of the interval is 0.36 of their sd."""
    scores = [0.9 + spread * (seed % 2) for seed in range(10)]
    one = [scores[0] + spread * (1 + share), *scores[1:]]
    every = [score + max(1.1 * PRINTED, spread / 2) for score in scores]
    assert not sentences(SEEDS | {"f1": scores}, SEEDS | {"f1": one})
    (found,) = sentences(SEEDS | {"f1": scores}, SEEDS | {"f1": every})
    assert found.startswith("mean of f1 of protocol converged: 0.90")


def test_a_mean_over_too_few_seeds_for_an_interval_moves_by_the_tolerance():
    few = {"protocol": "converged", "seed": [0, 1]}
    assert not sentences(few | {"f1": [0.9, 0.91]}, few | {"f1": [0.94, 0.95]})
    assert sentences(few | {"f1": [0.9, 0.91]}, few | {"f1": [0.96, 0.97]})
    assert FEWEST == statistics.FEWEST


@given(count=st.integers(0, 20000), step=st.sampled_from([-1, 1]))
def test_a_count_moves_only_for_single_networks_that_adam_trained(count, step):
    for about in ({"task": "0-1"}, {"protocol": "described", "seed": 0}, {"protocol": "converged"}):
        assert sentences(about | {"n": count}, about | {"n": count + step})
    about = {"protocol": "converged", "seed": 0}
    assert not sentences(about | {"n": count}, about | {"n": count + step})
    assert sentences(about | {"n": count}, about | {"n": 2 * count + 11})


def test_over_seeds_a_count_moves_by_one_on_average():
    assert not sentences(SEEDS | {"dead_units": [0] * 10}, SEEDS | {"dead_units": [1] * 10})
    (found,) = sentences(SEEDS | {"dead_units": [0] * 10}, SEEDS | {"dead_units": [2] * 10})
    assert found == "mean of dead_units of protocol converged: 0 committed, 2 now, 1 allowed"


def test_a_level_that_the_paper_names_stays_under_adam_too():
    for column, levels in {"minimum_width": (2, 3), "highest": (0.95, 0.99)}.items():
        row = {"protocol": "converged", column: levels[0]}
        assert sentences(row, row | {column: levels[1]})


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


@pytest.mark.parametrize(
    ("column", "before", "after"),
    [
        ("verdict", "supported", "partly"),
        ("note", "least on 4-9; falls by ...", "least on 3-8; falls by ..."),
        ("note", "W* is 3 on 0-1", "W* is 4 on 0-1"),
    ],
)
def test_a_verdict_or_a_note_that_says_something_else_is_named(
    capsys, tmp_path, column, before, after
):
    claims = pd.DataFrame({"claim": ["capacity.scales"], column: [before]})
    write(tmp_path / "committed", "claims", claims)
    write(tmp_path / "now", "claims", claims.assign(**{column: after}))
    assert main([str(tmp_path / "committed"), str(tmp_path / "now")]) == 1
    sentence = f"{column} of claim capacity.scales: {before} committed, {after} now\n"
    assert sentence in capsys.readouterr().out


def test_the_decimals_in_a_note_are_not_compared(capsys, tmp_path):
    for name, p in {"committed": "0.18", "now": "-0.21"}.items():
        claims = {"claim": ["capacity.scales"], "note": [f"p = {p} over relabelled digits"]}
        write(tmp_path / name, "claims", pd.DataFrame(claims))
    assert main([str(tmp_path / "committed"), str(tmp_path / "now")]) == 0


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
    assert "4 values, no deviation" in capsys.readouterr().out
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


@given(data=st.data(), far=st.booleans())
def test_whatever_value_of_the_smoke_profile_is_lost_or_far_off_is_found(data, far):
    name = data.draw(st.sampled_from(sorted(SMALL)))
    now = read(SMALL[name])
    row, column = (data.draw(st.integers(0, count - 1)) for count in now.shape)
    is_number = re.fullmatch(r"-?[0-9.]+", now.iloc[row, column])
    otherwise = "" if now.iloc[row, column] else "1"
    now.iloc[row, column] = f"{now.iloc[row, column]}9" if far and is_number else otherwise
    assert compare(read(SMALL[name]), now)[1]


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
