"""The same parameters give the same bytes, and other parameters give other results."""

import shutil
from pathlib import Path

import checkout
import pandas as pd
import pytest
from conftest import EXECUTED, TINY
from test_store import content

pytestmark = pytest.mark.slow


def left_by_notebooks(build: Path) -> dict[str, bytes]:
    """Every file in figures/ and generated/; the paper may have been typeset beside them."""
    return {
        name: data
        for folder in ("figures", "generated")
        for name, data in content(build / folder).items()
    }


def test_two_runs_from_nothing_give_the_same_bytes(executed, tmp_path):
    other = checkout.made(tmp_path / "elsewhere", source=executed)
    for notebook in EXECUTED:
        checkout.execute(other, notebook, "tiny")
    first, second = (left_by_notebooks(folder / "build" / "tiny") for folder in (executed, other))
    assert {name.rpartition(".")[2] for name in first} == {"pdf", "png", "csv", "json", "tex"}
    assert first.keys() == second.keys()
    assert " ".join(name for name, data in first.items() if second[name] != data) == ""


def test_a_changed_value_changes_the_result_that_it_names_and_no_other(executed, tmp_path):
    """Trained networks are found again; what is asked of them is computed anew."""
    folder = shutil.copytree(executed, tmp_path / "checkout", symlinks=True)
    before = executed / "build" / "tiny" / "figures" / "02_capacity"
    checkout.profile(folder, "other", **TINY | {"threshold": 0.99, "widths": [4, 24]})
    entries = set(content(folder / "cache"))
    after = checkout.execute(folder, "02_capacity", "other")
    assert set(content(folder / "cache")) == entries

    networks, fewer = (pd.read_csv(path / "networks.csv") for path in (before, after))
    assert sorted(networks.width.unique()) == [0, 1, 4, 8, 24]
    kept = networks[networks.width != 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, fewer, rtol=0, atol=1e-5)
    needed, harder = (pd.read_csv(path / "minimum_width.csv") for path in (before, after))
    assert (needed.threshold[~needed.relative] == 0.9).all()
    assert (harder.threshold[~harder.relative] == 0.99).all()
    assert not needed.minimum_width.equals(harder.minimum_width)
