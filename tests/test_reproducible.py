"""The same parameters give the same bytes, and other parameters give other results."""

import shutil
from pathlib import Path

import checkout
import nbformat
import pandas as pd
import pytest
import strangers
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


def pictures(folder: Path) -> dict[str, int]:
    """How many pictures each executed notebook of a checkout holds."""
    return {
        path.stem: sum(
            "image/png" in output.get("data", {})
            for cell in nbformat.read(path, as_version=4).cells
            for output in cell.get("outputs", ())
        )
        for path in folder.glob("*.ipynb")
    }


@pytest.fixture
def elsewhere(executed, tmp_path) -> Path:
    """The same in a folder of an odd name, by somebody with settings and a locale of their own."""
    (tmp_path / "settings").mkdir()
    (tmp_path / "locale").mkdir()
    settings = strangers.settings(tmp_path / "settings")
    latin = strangers.locale(tmp_path / "locale", "de_DE", "ISO-8859-1")
    folder = checkout.made(tmp_path / strangers.FOLDER, source=executed)
    for notebook, language in zip(EXECUTED, (latin, {"LC_ALL": "C"}), strict=True):
        checkout.execute(folder, notebook, "tiny", **settings, **language)
    return folder


def test_two_runs_from_nothing_give_the_same_bytes_whatever_a_user_has_set(executed, elsewhere):
    other = elsewhere
    first, second = (left_by_notebooks(folder / "build" / "tiny") for folder in (executed, other))
    assert {name.rpartition(".")[2] for name in first} == {"pdf", "png", "csv", "json", "tex"}
    assert first.keys() == second.keys()
    assert " ".join(name for name, data in first.items() if second[name] != data) == ""
    assert pictures(executed) == pictures(other)
    assert all(pictures(other).values())


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
