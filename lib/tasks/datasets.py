"""Which images: MNIST from `data/`, grey-scale data sets of torchvision, or whatever is added."""

import gzip
import hashlib
import http.client
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets as theirs

from lib import ROOT
from lib.errors import UserError, unknown

DATA = ROOT / "data"
SIDE = 28

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the unpacked files that Y. LeCun, C. Cortes and C. J. C. Burges published."""


@dataclass(frozen=True)
class Dataset:
    """One data set, both files.

    `images[part]` is a uint8 tensor (rows, 784) and `labels[part]` an int64 tensor (rows,), where
    `part` is "train" or "test" (the official files). `checksum` is the SHA-256 of all four tensors.
    """

    name: str
    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    checksum: str


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack_mnist(folder: Path) -> None:
    """Unpack the embedded MNIST files beside their archives, and verify all four.

    Raises `UserError` where a file is missing, truncated or altered, or cannot be written.
    """
    for name, expected in MNIST_SHA256.items():
        unpacked, archive = folder / name, folder / f"{name}.gz"
        if not unpacked.is_file():
            unpack(archive, unpacked, expected)
        found = sha256(unpacked)
        if found != expected:
            raise UserError(
                f"{unpacked}: SHA-256 is {found}, expected {expected};"
                f" delete it and run 'git checkout -- {archive.relative_to(ROOT)}'"
            )


def unpack(archive: Path, target: Path, expected: str) -> None:
    """Unpack one gzip file, so that `target` is either whole or absent."""
    aside = target.with_suffix(f".{os.getpid()}.partial")
    try:
        with gzip.open(archive) as packed, aside.open("wb") as file:
            shutil.copyfileobj(packed, file)
        aside.replace(target)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{archive} is truncated or altered ({error}): what can be unpacked of it has SHA-256"
            f" {sha256(aside)}, expected {expected};"
            f" run 'git checkout -- {archive.relative_to(ROOT)}'"
        ) from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive}: {error}") from error
    finally:
        with suppress(OSError):  # as where the folder is read-only, which was said above
            aside.unlink()


NOT_DOWNLOADED = (
    *(OSError, RuntimeError),  # no network, no space, and what torchvision says of a wrong file
    *(EOFError, zlib.error, zipfile.BadZipFile, http.client.HTTPException),
)
"""What a download that fails raises, or the unpacking of what came of it."""


Part = tuple[Tensor, Tensor]
"""One file of a data set: images in uint8, (rows, 784), and labels, (rows,)."""


def of_torchvision(
    part: str,
    download: bool,
    reader: type[theirs.MNIST],
    files: Sequence[str] = (),
    **options: str,
) -> Part:
    """A part of a data set of torchvision, by its class and what that takes beside.

    Raises `UserError`, naming `files` or those that the class lists, where they are absent and
    cannot be downloaded.
    """
    try:
        found = reader(str(DATA), train=part == "train", download=download, **options)
    except NOT_DOWNLOADED as error:
        name, files = reader.__name__, files or [file for file, _ in reader.resources]
        raise UserError(
            f"data set {name!r} is not under {DATA / name / 'raw'} and could not be downloaded"
            f" ({' '.join(str(error).split())}); put {', '.join(files)} there"
        ) from error
    return found.data.flatten(1), found.targets.long()


def mnist(part: str, download: bool) -> Part:
    """A part of MNIST from `data/`, where it always is."""
    unpack_mnist(DATA / "MNIST" / "raw")
    return of_torchvision(part, False, theirs.MNIST)


def emnist(part: str, download: bool) -> Part:
    """A part of the digits of EMNIST, which are stored sideways."""
    found = of_torchvision(part, download, theirs.EMNIST, ["gzip.zip"], split="digits")
    return found[0].unflatten(1, (SIDE, SIDE)).mT.flatten(1), found[1]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    fetch: of "train" or "test", and whether it may download, that `Part`. rows: of the training
    file, for the plan of a data set that is not on disk.
    """

    fetch: Callable[[str, bool], Part]
    rows: int = 60_000


SOURCES = {
    "MNIST": Source(mnist),
    "FashionMNIST": Source(partial(of_torchvision, reader=theirs.FashionMNIST)),
    "KMNIST": Source(partial(of_torchvision, reader=theirs.KMNIST)),
    "EMNIST": Source(emnist, rows=240_000),
}
"""By name (LeCun et al. 1998, Xiao et al. 2017, Clanuwat et al. 2018, Cohen et al. 2017)."""


@lru_cache(maxsize=2)
def load(name: str = "MNIST") -> Dataset:
    """The data set of that name, read once a process.

    Raises `UserError` for an unknown name, a missing file, or one that fails its checksum.
    """
    if name not in SOURCES:
        raise unknown("dataset", name, SOURCES)
    images, labels, digest = {}, {}, hashlib.sha256()
    for part in ("train", "test"):
        images[part], labels[part] = SOURCES[name].fetch(part, True)
        digest.update(images[part].numpy().tobytes())
        digest.update(labels[part].numpy().tobytes())
    return Dataset(name, images, labels, digest.hexdigest())


def pixels(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]."""
    return images.to(torch.float32) / 255
