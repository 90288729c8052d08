"""The checksum of each corruption and severity, of twenty digits: `python tests/checksums.py`.

It is the sum of all pixels, each times the cosine of its place squared: a number, so that what
differs between processors in the last digits stays within a tolerance, while another draw, place
or amount moves it by units. Run as a program this writes corruptions.csv, with which the tests
compare.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from lib import tasks
from lib.robustness.corruptions import CORRUPTIONS, SEVERITIES, amount, corrupt
from lib.tasks import datasets

PATH = Path(__file__).with_name("corruptions.csv")


def digits() -> torch.Tensor:
    """The first twenty rows of 4-9 in MNIST's official test file."""
    return tasks.pair_rows(datasets.load("MNIST"), "4-9", "test").images[:20]


def checksum(name: str, severity: int) -> float:
    """The checksum of the twenty digits, corrupted with the seed 0."""
    return of(corrupt(digits(), name, severity, torch.Generator().manual_seed(0)))


def of(images: torch.Tensor) -> float:
    """The checksum of some images."""
    places = torch.arange(images.numel(), dtype=torch.double)
    return float(images.double().flatten() @ places.square().cos())


def checksums(names: Iterable[str]) -> pd.DataFrame:
    """Columns corruption, severity, amount, checksum."""
    rows = [(n, s, amount(n, s), checksum(n, s)) for n in names for s in SEVERITIES]
    return pd.DataFrame(rows, columns=["corruption", "severity", "amount", "checksum"])


if __name__ == "__main__":
    checksums(CORRUPTIONS).to_csv(PATH, index=False, float_format="%.6g")
