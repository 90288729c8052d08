"""What a stranger may have set, and where they may keep a checkout; none of it changes a result."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

FOLDER = "a check out [1]"
"""A name that a shell takes for three words and a pattern."""

MATPLOTLIBRC = """
axes.facecolor: yellow
axes.grid: True
axes.prop_cycle: cycler('color', ['r', 'g'])
axes.unicode_minus: False
figure.dpi: 50
font.family: monospace
image.interpolation: bilinear
pdf.compression: 0
savefig.bbox: tight
savefig.transparent: True
"""


def settings(folder: Path) -> dict[str, str]:
    """The environment of somebody who has set what they like, in files under an empty folder."""
    (folder / "matplotlibrc").write_text(MATPLOTLIBRC, "utf-8")
    (folder / "startup.py").write_text("raise SystemExit", "utf-8")
    (folder / "paper").mkdir()  # which `cd paper` prefers to the one here
    (folder / "results.sty").write_text(r"\errmessage{not the paper's}", "utf-8")
    (folder / ".latexmkrc").write_text('die "not to be read";', "utf-8")
    return {
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "Agg",
        "CDPATH": str(folder),
        "HOME": str(folder),
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "RENAMED": "--no-such-option",
        "TEXINPUTS": f"{folder}:",
        "TZ": "Pacific/Kiritimati",
    }


def locale(folder: Path, language: str, charset: str) -> dict[str, str]:
    """The environment of a locale that is made in a folder; skips the test where it cannot be."""
    name = f"{language}.{charset}"
    command = ["localedef", "-i", language, "-f", charset, folder / name]
    try:
        made = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no 'localedef' here")
    if not (folder / name / "LC_CTYPE").exists():
        pytest.skip(f"no locale can be made here: {made.stderr.decode(errors='replace').strip()}")
    return {"LOCPATH": str(folder), "LC_ALL": name, "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}


def unremovable(*_: object, **__: object) -> None:
    """What a file system that has become read-only answers to whoever removes a file."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
