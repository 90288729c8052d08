"""Neither a user's settings nor their locale change a result, and what fails says why."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import strangers
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from matplotlib import rc_context, style
from test_survival import named

from lib import ROOT
from lib.output import figures
from lib.output.figures import Picture
from lib.output.figures.axes import width_axis
from lib.output.figures.drawing import Facets
from lib.study import backends, shard, store

SOURCES = sorted(
    p for d in ("lib", "benchmarks", "scripts", "tests") for p in (ROOT / d).rglob("*.py")
)
STRANGE = st.lists(st.sampled_from(style.available), min_size=1, max_size=3)
ODD = {
    "pdf.compression": 0,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "axes.grid": True,
}


def drawn(folder: Path) -> list[bytes]:
    """A figure with lines, an image and text, as it is saved."""
    figures.use_style()
    panels = Facets(["F1"], ["a line", "an image"], 2, sharex=False, sharey=False)
    [[left, right]] = panels.axes
    left.plot([1, 2, 4], [-1, 2, 3], label="F1")
    width_axis(left, [1, 2, 4])
    right.imshow([[0, 1], [1, 2]])
    figures.save(panels.finished("width"), folder / "figure")
    return [(folder / f"figure.{kind}").read_bytes() for kind in ("pdf", "png")]


@settings(max_examples=6)
@given(STRANGE)
def test_a_figure_is_the_same_whatever_matplotlib_was_told_before(tmp_path, before):
    with rc_context():
        style.use("default")
        plain = drawn(tmp_path)
        style.use([*before, ODD])
        assert drawn(tmp_path) == plain


def test_a_notebook_shows_a_figure_as_a_picture_without_a_backend_that_shows_any():
    figure = Facets([""], [""], 2).finished()
    shown, _ = DisplayFormatter().format(figure)
    assert shown["image/png"].startswith(b"\x89PNG")
    assert isinstance(figure, Picture)


LIBRARY = sorted((ROOT / "lib").rglob("*.py"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_no_figure_is_one_of_pyplots_which_the_backend_shows_or_does_not(path):
    assert [name for name in named(path.read_text("utf-8")) if "pyplot" in name] == []


HASH = """
import locale
from lib.study import backends, shard
assert locale.getpreferredencoding(False).upper() != "UTF-8"
print(backends.all_code(), shard.code())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("language", "charset"), [("de_DE", "ISO-8859-1"), ("ja_JP", "EUC-JP")])
def test_the_hash_of_the_code_is_the_same_in_every_locale(tmp_path, language, charset):
    abroad = os.environ | strangers.locale(tmp_path, language, charset) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HASH]
    said = subprocess.run(command, env=abroad, capture_output=True, encoding="utf-8", check=True)
    backends.all_code.cache_clear()
    assert said.stdout.split() == [backends.all_code(), shard.code()]


PLACE = {"read_text": 0, "write_text": 1, "open": 2}
"""The functions that read or write text, and which of their arguments names the encoding."""


def unnamed(source: str) -> list[int]:
    """The lines that read or write text in whichever encoding the locale has.

    That of `ruff` (PLW1514) knows a path only where it sees one made.
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = []
    for call in calls:
        words = {word.arg for word in call.keywords}
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        apart = ast.unparse(call.func) in (
            "os.open",
            "gzip.open",
        )  # of bytes, but where text is said
        texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
        in_bytes = name == "open" and any("b" in each for each in texts if isinstance(each, str))
        reads = name in PLACE and len(call.args) <= PLACE[name] and not (apart or in_bytes)
        if (reads or words & {"text", "universal_newlines"}) and not words & {"encoding", None}:
            found.append(call.lineno)
    return found


def test_a_text_without_an_encoding_is_noticed():
    lines = ["p.read_text()", 'p.write_text("b")', 'open(p, "w")', "p.open()", "run(c, text=True)"]
    named = ['p.read_text("utf-8")', 'p.write_text("b", "utf-8")', 'p.open("rb")']
    assert unnamed("\n".join(lines + named)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_text_is_read_and_written_in_a_named_encoding(path):
    assert unnamed(path.read_text("utf-8")) == []


def test_a_mark_that_cannot_be_removed_does_not_hide_what_ended_the_work(cache, monkeypatch):
    def work() -> None:
        with backends.marked():
            monkeypatch.setattr(Path, "unlink", strangers.unremovable)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_file_that_cannot_be_written_is_a_sentence_though_nothing_can_be_removed(
    tmp_path, monkeypatch
):
    def full(_: object) -> None:
        monkeypatch.setattr(Path, "unlink", strangers.unremovable)
        raise OSError("no such device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(store.UserError, match=r"^cannot write \S+x.csv: no such device; what"):
        store.write(tmp_path / "x.csv", b"1")
