"""Which pair of digits, and which rows of it are for what."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from lib.errors import UserError
from lib.seeds import generator
from lib.tasks.datasets import Dataset, pixels

PUBLISHED_ORDER = ("0-1", "1-7", "5-6", "3-8", "4-9")
"""The five pairs of the published study, from the easiest to the hardest as it ranks them."""

ALL_PAIRS = tuple(f"{low}-{high}" for low, high in combinations(range(10), 2))
"""All pairs of two digits."""


@dataclass(frozen=True)
class Rows:
    """Images (rows, 784) as float32 in [0, 1] and labels (rows,) as float32, 1 = larger digit."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> "Rows":
        """The rows at `index`."""
        return Rows(self.images[index], self.labels[index])

    def to(self, device: str | torch.device) -> "Rows":
        """The same rows on `device`."""
        return Rows(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Split:
    """The rows of one pair: `train` to fit, `held_out` to select or to score, `test` official."""

    train: Rows
    held_out: Rows
    test: Rows

    @cached_property
    def lit(self) -> Tensor:
        """Which pixels are above 0 in at least one training row: bool (784,)."""
        return self.train.images.amax(0) > 0


def digits(task: str) -> tuple[int, int]:
    """The two digits of a task such as "4-9", the smaller first.

    Raises `UserError` where it is not two different digits in rising order.
    """
    if not re.fullmatch(r"[0-9]-[0-9]", str(task)):
        raise UserError(f"task {task!r} is not a pair of digits: write it as '4-9'")
    low, high = int(task[0]), int(task[2])
    if low == high:
        raise UserError(f"task {task!r} has equal digits: a pair needs two different ones")
    if low > high:
        raise UserError(f"task {task!r} has its digits in falling order: write '{high}-{low}'")
    return low, high


def pair_rows(dataset: Dataset, task: str, part: str) -> Rows:
    """All rows of a pair in one official file, in file order."""
    low, high = digits(task)
    labels = dataset.labels[part]
    index = torch.nonzero((labels == low) | (labels == high)).flatten()
    return Rows(pixels(dataset.images[part][index]), (labels[index] == high).to(torch.float32))


def by_digit(rows: Rows) -> tuple[Tensor, Tensor]:
    """The images of the smaller digit and those of the larger."""
    return rows.images[rows.labels == 0], rows.images[rows.labels == 1]


def balanced_split(dataset: Dataset, task: str, seed: int, limit: int | None = None) -> Split:
    """The published split: both digits cut to the rarer one's count, then 80/20, stratified.

    Replays the published draws: `default_rng(seed)` chooses the rows of each digit and permutes
    them, scikit-learn's `train_test_split` divides them. `limit` keeps the first rows of the
    permutation only (for quick looks).
    """
    rows = pair_rows(dataset, task, "train")
    labels = rows.labels.numpy()
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == digit) for digit in (0, 1)]
    count = min(map(len, members))
    chosen = np.concatenate([rng.choice(each, size=count, replace=False) for each in members])
    chosen = chosen[rng.permutation(len(chosen))][:limit]
    train, held_out = train_test_split(
        chosen, test_size=0.2, stratify=labels[chosen], random_state=seed
    )
    return Split(
        rows.take(torch.from_numpy(train)),
        rows.take(torch.from_numpy(held_out)),
        pair_rows(dataset, task, "test"),
    )


def full_split(dataset: Dataset, task: str, seed: int, limit: int | None = None) -> Split:
    """All rows of the pair in the training file; a tenth, drawn by seed, is held out to select."""
    rows = pair_rows(dataset, task, "train")
    order = torch.randperm(len(rows), generator=generator(dataset.name, task, "split", seed))
    order = order[:limit]
    held_out = len(order) // 10
    return Split(
        rows.take(order[held_out:]), rows.take(order[:held_out]), pair_rows(dataset, task, "test")
    )


SPLITS = {"balanced": balanced_split, "full": full_split}
"""The ways to divide a pair's rows, by the name that a protocol gives."""
