"""The embedded images are the published ones; what is wrong with a file is said in a sentence."""

import gzip
import hashlib
import re
import shutil
import zipfile
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import strangers
import torch
import torchvision
from test_survival import READ_ONLY, Barred

from lib import ROOT
from lib.errors import UserError
from lib.tasks import datasets

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
LABELS = "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize("name", MD5)
def test_an_embedded_file_is_the_published_one(name):
    with gzip.open(ROOT / "data" / "MNIST" / "raw" / f"{name}.gz") as file:
        content = file.read()
    assert hashlib.md5(content).hexdigest() == MD5[name]
    assert hashlib.sha256(content).hexdigest() == datasets.MNIST_SHA256[name]


def test_mnist_has_its_known_counts_of_each_digit():
    data = datasets.load("MNIST")
    train, test = (torch.bincount(data.labels[part]).tolist() for part in ("train", "test"))
    assert train == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.images["train"].shape == (60000, 784)
    assert data.images["test"].shape == (10000, 784)


def test_pixels_are_fractions_of_the_brightest():
    grey = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    assert torch.equal(datasets.pixels(grey), torch.tensor([[0, 0.2, 1]]))


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A data folder elsewhere with one embedded file, the only one that is asked for."""
    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "data" / "MNIST" / "raw" / f"{LABELS}.gz", folder)
    monkeypatch.setattr(datasets, "ROOT", tmp_path)
    monkeypatch.setattr(datasets, "DATA", tmp_path / "data")
    monkeypatch.setattr(datasets, "MNIST_SHA256", {LABELS: datasets.MNIST_SHA256[LABELS]})
    return folder


def sentence(error: pytest.ExceptionInfo) -> str:
    """The message, which must be one line."""
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_is_unpacked_beside_its_archive_and_nothing_else_is_left(raw):
    datasets.unpack_mnist(raw)
    assert {path.name for path in raw.iterdir()} == {LABELS, f"{LABELS}.gz"}
    assert hashlib.md5((raw / LABELS).read_bytes()).hexdigest() == MD5[LABELS]


def test_a_truncated_archive_is_named_with_the_expected_and_the_found_checksum(raw):
    archive = raw / f"{LABELS}.gz"
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(UserError) as error:
        datasets.unpack_mnist(raw)
    said = sentence(error)
    assert str(archive) in said
    checksums = set(re.findall(r"\b[0-9a-f]{64}\b", said))
    assert datasets.MNIST_SHA256[LABELS] in checksums
    assert len(checksums) == 2
    assert not (raw / LABELS).exists()


def test_an_altered_file_is_named_with_the_expected_and_the_found_checksum(raw):
    datasets.unpack_mnist(raw)
    content = bytearray((raw / LABELS).read_bytes())
    content[5000] ^= 1
    (raw / LABELS).write_bytes(content)
    with pytest.raises(UserError) as error:
        datasets.unpack_mnist(raw)
    said = sentence(error)
    assert str(raw / LABELS) in said
    assert hashlib.sha256(content).hexdigest() in said
    assert datasets.MNIST_SHA256[LABELS] in said


def test_an_archive_of_other_content_fails_the_checksum_too(raw):
    with gzip.open(raw / f"{LABELS}.gz", "wb") as file:
        file.write(b"something else")
    with pytest.raises(UserError) as error:
        datasets.unpack_mnist(raw)
    assert hashlib.sha256(b"something else").hexdigest() in sentence(error)


def test_a_missing_archive_is_named(raw):
    (raw / f"{LABELS}.gz").unlink()
    with pytest.raises(UserError) as error:
        datasets.unpack_mnist(raw)
    assert f"{LABELS}.gz" in sentence(error)


@READ_ONLY
def test_a_folder_that_cannot_be_written_is_named_with_the_reason(raw, read_only: Barred, because):
    with pytest.raises(UserError) as error, read_only(raw):
        datasets.unpack_mnist(raw)
    said = sentence(error)
    assert said.startswith(f"cannot unpack {raw / LABELS}.gz: ")
    assert because in said


def test_a_truncated_archive_is_named_though_what_was_unpacked_cannot_be_removed(raw, monkeypatch):
    archive = raw / f"{LABELS}.gz"
    archive.write_bytes(archive.read_bytes()[:2000])
    monkeypatch.setattr(datasets.Path, "unlink", strangers.unremovable)
    with pytest.raises(UserError, match=r"is truncated or altered"):
        datasets.unpack_mnist(raw)


def test_an_unknown_data_set_is_answered_with_the_nearest_known_one():
    with pytest.raises(UserError, match=r"unknown dataset 'FasionMNIST'.*'FashionMNIST'\?$"):
        datasets.load("FasionMNIST")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("FashionMNIST", "train-images-idx3-ubyte.gz"),
        ("KMNIST", "t10k-labels-idx1-ubyte.gz"),
        ("EMNIST", "gzip.zip"),
    ],
)
@pytest.mark.parametrize(
    "met",
    [
        *(URLError("no network"), TimeoutError("no answer"), IncompleteRead(b"")),
        *(zipfile.BadZipFile("no zip"), gzip.BadGzipFile("no gzip"), EOFError("too short")),
    ],
    ids=lambda met: type(met).__name__,
)
def test_without_a_network_a_sentence_says_where_to_put_which_files(
    name, file, met, tmp_path, monkeypatch
):
    download_ends_with(met, tmp_path, monkeypatch)
    with pytest.raises(UserError) as error:
        datasets.load(name)
    said = sentence(error)
    assert str(tmp_path / name / "raw") in said
    assert file in said


@pytest.mark.parametrize("mistake", [TypeError, AttributeError, KeyError, AssertionError])
def test_a_mistake_in_a_program_is_not_called_a_failed_download(mistake, tmp_path, monkeypatch):
    download_ends_with(mistake("a mistake"), tmp_path, monkeypatch)
    with pytest.raises(mistake, match="a mistake"):
        datasets.load("KMNIST")


def download_ends_with(met: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no data set in a folder, and a download that raises what it met."""

    def download(*_: object, **__: object) -> None:
        raise met

    monkeypatch.setattr(datasets, "DATA", folder)
    monkeypatch.setattr(torchvision.datasets.mnist, "download_and_extract_archive", download)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def test_emnist_which_is_stored_sideways_is_turned_upright(tmp_path, monkeypatch):
    upright = np.zeros((2, 28, 28), dtype=np.uint8)
    upright[:, 3, 5:20] = 255  # a level stroke near the top
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        stored = np.ascontiguousarray(upright.transpose(0, 2, 1))
        (folder / f"emnist-digits-{part}-images-idx3-ubyte").write_bytes(idx(stored))
        labels = np.array([1, 7], dtype=np.uint8)
        (folder / f"emnist-digits-{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setattr(datasets, "DATA", tmp_path)
    data = datasets.load("EMNIST")
    datasets.load.cache_clear()  # these are not the real ones
    assert torch.equal(data.images["train"], torch.from_numpy(upright.reshape(2, 784)))
    assert data.labels["test"].tolist() == [1, 7]
