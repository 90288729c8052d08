"""A checkout elsewhere: notebooks run and the paper is typeset there without touching this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lib import ROOT

COPIED = ("lib", "notebooks", "params", "published", "paper", "scripts", "Makefile")
NEEDLESS = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc")


def made(folder: Path, source: Path = ROOT) -> Path:
    """A copy of what the notebooks and the paper are made from; the data is only linked to."""
    folder.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=NEEDLESS)
        else:
            shutil.copy(source / name, folder / name)
    (folder / "data").symlink_to(ROOT / "data")
    return folder


def profile(checkout: Path, name: str, **changes: Any) -> None:
    """The smoke profile under another name, with other values wherever it has those parameters."""
    folder = shutil.copytree(checkout / "params" / "smoke", checkout / "params" / name)
    for path in folder.glob("*.yaml"):
        values = yaml.safe_load(path.read_text("utf-8"))
        values |= {key: value for key, value in changes.items() if key in values}
        values |= {"profile": name} if "profile" in values else {}
        path.write_text(yaml.safe_dump(values), "utf-8")


def execute(checkout: Path, notebook: str, name: str, **environment: str) -> Path:
    """Run one notebook as make does, but in one thread; the folder of its figures and tables."""
    params = checkout / "params" / name
    subprocess.run(
        [
            *(sys.executable, "-m", "papermill", "--kernel", "python3"),
            *("-f", params / "common.yaml", "-f", params / f"{notebook}.yaml"),
            *(checkout / "notebooks" / f"{notebook}.ipynb", checkout / f"{notebook}.{name}.ipynb"),
        ],
        cwd=checkout.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(checkout),
            "LOW_CAPACITY_CACHE": str(checkout / "cache"),
            "OMP_NUM_THREADS": "1",
            "JUPYTER_PLATFORM_DIRS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            **environment,
        },
        check=True,
        capture_output=True,
    )
    return checkout / "build" / name / "figures" / notebook
