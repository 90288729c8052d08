"""The paper is typeset from the results without an error, a gap or an overfull line."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import checkout
import pytest
import strangers

from lib import ROOT

pytestmark = [
    pytest.mark.tex,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed"),
]


def typeset(folder: Path, profile: str) -> tuple[Path, str]:
    """`make pdf`: the PDF and the log of the last run, whose lines are joined again."""
    command = ["make", "pdf", f"PROFILE={profile}"]
    with TemporaryDirectory() as settings:
        environment = os.environ | strangers.settings(Path(settings))
        made = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
        )
    assert made.returncode == 0, made.stdout + made.stderr
    build = folder / "build" / profile
    log = (build / "paper" / "main.log").read_text(encoding="utf-8", errors="replace")
    pdf = folder / "paper" / "paper.pdf" if profile == "paper" else build / "paper.pdf"
    return pdf, re.sub(r"(?<=.{79})\n", "", log)


def troubles(log: str) -> list[str]:
    """What the issue forbids: undefined references, and boxes more than 5 pt overfull."""
    undefined = re.findall(
        r"(?:Reference|Citation|Label) `?[^\n]*(?:undefined|multiply)[^\n]*", log
    )
    boxes = re.findall(r"Overfull \\[hv]box \((\d+\.?\d*)pt[^\n]*", log)
    return undefined + [f"a box {width} pt overfull" for width in boxes if float(width) > 5]


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> tuple[Path, str]:
    """The paper from the committed results."""
    if not (ROOT / "paper" / "generated").is_dir():
        pytest.skip("paper/generated is not there: the paper profile was not run")
    folder = checkout.made(tmp_path_factory.mktemp("paper") / "checkout")
    (folder / "figures").symlink_to(ROOT / "figures")
    return typeset(folder, "paper")


def test_the_paper_has_no_undefined_reference_and_no_overfull_box(committed):
    pdf, log = committed
    assert pdf.read_bytes().startswith(b"%PDF")
    assert troubles(log) == []


def test_every_number_table_and_figure_of_the_paper_was_computed(committed):
    _, log = committed
    assert re.findall(r"Package results Warning: results: ([^\n]*)", log) == []


def test_the_paper_has_8_to_12_pages_and_its_appendix_at_most_half_as_many(committed):
    pdf, log = committed
    (pages,) = re.findall(r"Output written on \S*main\.pdf \((\d+) pages", log)
    labels = (pdf.parents[1] / "build" / "paper" / "paper" / "main.aux").read_text("utf-8")
    (end,) = re.findall(r"\\newlabel\{sec:agreement\}\{\{\w+\}\{(\d+)\}", labels)
    assert 8 <= int(end) <= 12
    assert int(pages) - int(end) <= 6


@pytest.fixture(scope="module")
def small(executed, tmp_path_factory) -> Path:
    """A checkout in which a small profile was run."""
    return shutil.copytree(
        executed, tmp_path_factory.mktemp("small") / strangers.FOLDER, symlinks=True
    )


def test_a_small_profile_is_typeset_as_well(small):
    pdf, log = typeset(small, "tiny")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert troubles(log) == []
    assert "Package results Warning: results: 01_tasks" not in log


def test_the_same_sources_give_the_same_pdf(small):
    first = typeset(small, "tiny")[0].read_bytes()
    assert typeset(small, "tiny")[0].read_bytes() == first
