"""What was computed, kept by what it rests on: networks as safetensors, tables as CSV.

A file lies in a folder named after a hash of everything that the result depends on. Its own name
ends in the checksum of its content, so that a torn or altered file is noticed, set aside, and
computed again. No time stamp is ever read, and nothing that is read can run code.

`python -m lib.study.store` says how large the cache is, and with `clean` empties it.
"""

import errno
import gzip
import hashlib
import io
import json
import os
import platform
import re
import secrets
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lib import ROOT
from lib.errors import UserError

CACHE = ROOT / Path(os.environ.get("LOW_CAPACITY_CACHE") or "build/cache").expanduser()
"""Where the cache lies; set the environment variable to share one between checkouts.

A relative path starts at the root, so that it is one folder wherever a program is started.
"""

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib", "pandas")

Tensors = dict[str, Tensor]
"""What a file of networks holds, by name."""


def digest(*parts: object) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of `parts` as JSON, keys in order."""
    return checksum(json.dumps(parts, sort_keys=True, default=str).encode())


def checksum(content: bytes) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of what a file holds."""
    return hashlib.sha256(content).hexdigest()[:16]


def code_hash(files: Iterable[Path]) -> str:
    """A hash of these files, by their content alone."""
    return digest(*(checksum(path.read_bytes()) for path in files))


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and for good: aside, synced, renamed, the folder synced.

    Raises `UserError` where the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")  # no other has this name
    try:
        make_folder(path.parent)
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; what was finished before is kept"
        ) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of them for good."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(folder: Path) -> None:
    """Have the names in a folder outlast a power cut, where its file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def put_networks(folder: str, name: str, tensors: Tensors) -> None:
    """Keep tensors under `folder`/`name`; the same ones give the same bytes. Raises as `write`."""
    ordered = {key: tensors[key].detach().cpu().contiguous() for key in sorted(tensors)}
    put(folder, name, "safetensors", save(ordered))


def put_table(folder: str, name: str, table: pd.DataFrame) -> None:
    """Keep a table of numbers, booleans and texts under `folder`/`name`. Raises as `write`."""
    put(folder, name, "csv", as_csv(table))


def put(folder: str, name: str, kind: str, content: bytes) -> None:
    """Keep a file under a name that ends in its checksum."""
    write(CACHE / folder / f"{name}.{checksum(content)}.{kind}", content)


def networks(folder: str) -> list[Tensors]:
    """The tensors of each file of networks under `folder`, both in order of name; see `get`."""
    return [dict(sorted(tensors.items())) for tensors in get(folder, "safetensors", load)]


def tables(folder: str) -> list[pd.DataFrame]:
    """The tables under `folder`, each with the very types and bits that it had; see `get`."""
    return get(folder, "csv", from_csv)


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV that `from_csv` gives back: each type beside its column's name.

    Numbers are written in as few digits as tell them from all others of their type.
    """
    named = table.set_axis([f"{name}:{dtype}" for name, dtype in table.dtypes.items()], axis=1)
    return named.to_csv(index=False, na_rep="nan", lineterminator="\n").encode()


def from_csv(content: bytes) -> pd.DataFrame:
    """The table of which `as_csv` made this."""
    head = pd.read_csv(io.BytesIO(content), nrows=0, dtype=str).columns
    types = {name: name.rpartition(":")[2] for name in head}
    numbers = {name: ["nan"] for name, dtype in types.items() if dtype.startswith("float")}
    table = pd.read_csv(
        io.BytesIO(content),
        dtype=types,
        na_values=numbers,
        keep_default_na=False,
    )
    return table.set_axis([name.rpartition(":")[0] for name in head], axis=1)


def get(folder: str, kind: str, read: Callable[[bytes], Any]) -> list[Any]:
    """Every file of a kind under `folder`, in order of name, as `read` understands it.

    A damaged file is renamed to *.corrupt where that can be done, with a warning, and left out.
    Raises `UserError` where a file may not be read.
    """
    found = []
    for path in sorted((CACHE / folder).glob(f"*.{kind}")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # another run has set it aside meanwhile
            continue
        except OSError as error:
            raise UserError(
                f"cannot read {path}: {error.strerror}; make it readable, or name another folder"
                " in LOW_CAPACITY_CACHE"
            ) from error
        if checksum(content) != path.name.split(".")[-2]:
            set_aside(path, "fails its checksum")
            continue
        try:
            found.append(read(content))
        except (SafetensorError, ValueError):
            set_aside(path, "is not one of the store's files")
    return found


def set_aside(path: Path, reason: str) -> None:
    """Rename a damaged file to *.corrupt, where its folder can be written, and warn of it."""
    done = "set aside"
    try:
        path.replace(path.with_suffix(".corrupt"))
    except FileNotFoundError:
        pass  # by another run
    except OSError as error:
        done = f"left there ({error.strerror})"
    warnings.warn(f"{path} {reason}: {done}, and computed again", stacklevel=4)


LARGE = 1_000_000
"""From how many bytes on a table of results is compressed."""


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table of results as CSV, six significant digits, the same bytes for the same numbers.

    A `LARGE` one is compressed, as x.csv.gz in the place of x.csv; pandas reads either.
    """
    content = table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
    packed = path.with_name(f"{path.name}.gz")
    if len(content) > LARGE:
        path, packed, content = packed, path, gzip.compress(content, mtime=0)
    write(path, content)
    packed.unlink(missing_ok=True)  # what an earlier run has written of it


def read_table(path: Path) -> pd.DataFrame:
    """A table of results, compressed or not; raises `FileNotFoundError` where there is none."""
    packed = path.with_name(f"{path.name}.gz")
    return pd.read_csv(packed if packed.is_file() else path)


def provenance(**facts: Any) -> dict[str, Any]:
    """Where a result came from: the given facts, versions of what computed it, threads used."""
    return {
        **facts,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "threads": torch.get_num_threads(),
    }


KINDS = ("networks", "tables")
"""What the cache holds, each in a folder of that name: <kind>/<dataset>/<protocol>/<task>/..."""

MADE = re.compile(
    r"(networks/.*/seed\d+-[0-9a-f]{16}|tables/.*/seed\d+(-[0-9a-f]{16}){2})"
    r"/\.?[^.].*\.[0-9a-f]{16}\.(safetensors|csv|corrupt|partial)"
)
"""The files that the store makes, by their path in it; a name that a killed run left has a dot."""


def contents() -> pd.DataFrame:
    """The files of the cache: columns path, kind, dataset, protocol, folder, state, MB (10^6 B)."""
    rows = []
    for kind in KINDS:
        for path in sorted((CACHE / kind).glob("*/*/*/*/*")):
            inside = path.relative_to(CACHE)
            if MADE.fullmatch(inside.as_posix()):
                dataset, protocol = inside.parts[1:3]
                state = path.suffix[1:] if path.suffix in (".corrupt", ".partial") else "whole"
                size = path.stat().st_size / 1e6
                rows.append((path, kind, dataset, protocol, path.parent, state, size))
    columns = ["path", "kind", "dataset", "protocol", "folder", "state", "MB"]
    return pd.DataFrame(rows, columns=columns)


def summary() -> str:
    """How large the cache is, by data set, protocol and kind, and where it lies."""
    files = contents()
    if files.empty:
        return f"no trained networks in {CACHE}"
    groups = files.groupby(["dataset", "protocol", "kind"])
    table = groups.agg(folders=("folder", "nunique"), files=("path", "size"), MB=("MB", "sum"))
    for state in ("corrupt", "partial"):
        table[state] = groups.state.agg(lambda states, state=state: int((states == state).sum()))
    total = f"{len(files)} files, {files.MB.sum():.1f} MB"
    return f"{table.reset_index().to_string(index=False, float_format='%.1f')}\n{total} in {CACHE}"


def clean() -> str:
    """Remove what the store made and nothing else; says how much that was, and what is left."""
    files = contents()
    for path in files.path:
        path.unlink()
    for folder in files.folder.unique():
        for above in (folder, *folder.parents[:5]):  # up to the cache itself
            with suppress(OSError):  # not empty
                above.rmdir()
    left = [path for kind in KINDS for path in (CACHE / kind).rglob("*") if not path.is_dir()]
    others = f"; left {len(left)} that the cache did not make, such as {left[0]}" if left else ""
    return f"freed {files.MB.sum():.1f} MB: removed {len(files)} files in {CACHE}{others}"


def main(arguments: list[str]) -> int:
    """Print the size of the cache, or empty it; 2 and one sentence where that cannot be done."""
    if arguments not in ([], ["clean"]):
        print("usage: python -m lib.study.store [clean]", file=sys.stderr)
        return 2
    try:
        print(clean() if arguments else summary())
    except OSError as error:
        print(f"cannot read or remove {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
