"""What was computed, kept by what it is: an atomic, checked cache, tables, and provenance.

An entry is a safetensors file (tensors and text, never code) in a folder named after a hash of
everything that the result depends on. Its own name ends in the checksum of its content, so that a
torn or altered file is noticed, set aside, and computed again. No time stamp is ever read.

`python -m lib.study.store` says how large the cache is, and with `clean` empties it.
"""

import ast
import errno
import glob
import hashlib
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
from typing import Any, BinaryIO

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from lib import ROOT
from lib.errors import UserError

CACHE = ROOT / Path(os.environ.get("LOW_CAPACITY_CACHE") or "build/cache").expanduser()
"""Where the cache lies; set the environment variable to share one between checkouts.

A relative path starts at the root, so that it is one folder wherever a program is started.
"""

Entry = tuple[dict[str, Tensor], dict[str, Any]]
"""What is kept in one file: tensors by name, and plain facts."""

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib", "pandas")


def digest(*parts: object) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of `parts` as JSON, keys in order."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_hash(files: Iterable[Path]) -> str:
    """A hash of what Python files do: their syntax trees without docstrings and comments."""
    return digest(*(ast.dump(bare(ast.parse(path.read_bytes()))) for path in files))


def bare(tree: ast.Module) -> ast.Module:
    """A syntax tree without its docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not is_text(line)]  # type: ignore[attr-defined]
    return tree


def is_text(statement: ast.AST) -> bool:
    """Whether a statement is a bare string, as a docstring is."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and for good: aside, synced, renamed, the folder synced.

    What killed runs left aside of this name is then removed. Raises `UserError` where the disk is
    full or the folder cannot be written.
    """
    write_with(path, lambda file: file.write(content))


def write_with(path: Path, writer: Callable[[BinaryIO], object]) -> None:
    """As `write`, with a function that writes to the open file."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        make_folder(path.parent)
        with aside.open("xb") as file:  # no process on any host has a file of this name
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync(path.parent)
        sweep(path)
    except OSError as error:
        if not swept(aside, path, error):
            raise UserError(
                f"cannot write {path}: {error.strerror or error}; what was finished before is kept"
            ) from error
    finally:
        with suppress(OSError):
            aside.unlink()


def sweep(path: Path) -> None:
    """Remove whatever is being written aside under the name of a file that is in place.

    Mostly a killed run has left it. A run that still writes it loses nothing: it finds the file
    in place, as if it had written first. So neither locks nor times are needed to tell which.
    """
    for aside in path.parent.glob(f".{glob.escape(path.name)}.{'?' * 16}.partial"):
        with suppress(OSError):  # it does no harm where it is
            aside.unlink()


def swept(aside: Path, path: Path, error: OSError) -> bool:
    """Whether writing failed as another run has finished the file meanwhile, and swept ours."""
    gone = error.errno in (errno.ENOENT, errno.ESTALE)  # the second where the folder is on NFS
    return gone and path.exists() and not aside.exists()


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


def put(folder: str, name: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Keep tensors and plain facts under `folder`/`name`; the same content gives the same bytes.

    Raises `UserError` where they cannot be written.
    """
    ordered = {key: tensors[key].detach().cpu().contiguous() for key in sorted(tensors)}
    content = save(ordered, metadata={"facts": json.dumps(facts, sort_keys=True)})
    write(CACHE / folder / f"{name}.{checksum(content)}.safetensors", content)


def checksum(content: bytes) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of what a file holds."""
    return hashlib.sha256(content).hexdigest()[:16]


def get(folder: str) -> list[Entry]:
    """Everything kept under `folder`, in order of name: tensors and facts of each entry.

    A damaged file is renamed to *.corrupt where that can be done, with a warning, and left out.
    Raises `UserError` where a file may not be read.
    """
    paths = sorted((CACHE / folder).glob("*.safetensors"))
    return [entry for path in paths if (entry := read(path)) is not None]


def read(path: Path) -> Entry | None:
    """One entry; None where it is damaged, or where another run has set it aside meanwhile."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; make it readable, or name another folder in"
            " LOW_CAPACITY_CACHE"
        ) from error
    if checksum(content) != path.name.split(".")[-2]:
        set_aside(path, "fails its checksum")
        return None
    try:
        tensors, facts = load(content), facts_of(content)
    except (SafetensorError, LookupError, ValueError):
        set_aside(path, "is not one of the store's files")
        return None
    sweep(path)  # a run may have been killed between putting it in place and doing so
    return {name: tensors[name] for name in sorted(tensors)}, facts  # loaded in a changing order


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


def facts_of(content: bytes) -> dict[str, Any]:
    """The plain facts in the header of a safetensors file (8 bytes of length, then JSON)."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["facts"])


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, six significant digits, the same bytes for the same numbers."""
    write(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())


def provenance(**facts: Any) -> dict[str, Any]:
    """Where a result came from: the given facts, versions of what computed it, threads used."""
    return {
        **facts,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "threads": torch.get_num_threads(),
    }


MADE = {
    "entries": re.compile(r"[^.].*\.[0-9a-f]{16}\.safetensors"),
    "corrupt": re.compile(r"[^.].*\.[0-9a-f]{16}\.corrupt"),
    "partial": re.compile(r"\..+\.[0-9a-f]{16}\.partial"),
}
"""The names of the files that the store makes: whole ones, damaged ones, leftovers of kills."""


KINDS = ("networks", "tables")
"""What the cache holds, each kind in a folder of that name."""


def folders() -> list[Path]:
    """The folders of the cache: networks/<dataset>/<protocol>/<task>/seed<seed>-<key>.

    Under tables/ in place of networks/, with a second key, what was measured of them.
    """
    named = re.compile(r"networks/.*/seed\d+-[0-9a-f]{16}|tables/.*/seed\d+(-[0-9a-f]{16}){2}")
    found = [path for kind in KINDS for path in (CACHE / kind).glob("*/*/*/*")]
    return [path for path in found if named.fullmatch(path.relative_to(CACHE).as_posix())]


def made(folder: Path) -> list[tuple[str, Path]]:
    """The files that the store made in one of its folders, each after its kind in `MADE`."""
    paths = list(folder.iterdir())
    return [(kind, p) for p in paths for kind, name in MADE.items() if name.fullmatch(p.name)]


def networks(entry: Path) -> int:
    """How many networks an entry says that it holds; 0 where its header is damaged."""
    try:
        with safe_open(entry, "pt") as file:
            return len(json.loads(file.metadata()["facts"])["widths"])
    except (SafetensorError, OSError, LookupError, TypeError, ValueError):
        return 0


def sizes() -> pd.DataFrame:
    """What the cache holds: shards, networks, tables, MB (10^6 bytes), and files by `MADE`.

    One row a data set and protocol. Headers are read and nothing is verified, as `get` does that.
    """
    files = [(folder, kind, path) for folder in folders() for kind, path in made(folder)]
    table = pd.DataFrame(
        {
            "dataset": folder.parts[-4],
            "protocol": folder.parts[-3],
            "shards": folder if folder.parts[-5] == "networks" else None,
            "networks": networks(path) if kind == "entries" else 0,
            "tables": int(folder.parts[-5] == "tables" and kind == "entries"),
            "MB": path.stat().st_size / 1e6,
            **{other: int(kind == other) for other in MADE},
        }
        for folder, kind, path in files
    )
    sums = {"shards": "nunique", **dict.fromkeys(["networks", "tables", "MB", *MADE], "sum")}
    return table if table.empty else table.groupby(["dataset", "protocol"]).agg(sums)


def summary() -> str:
    """The size of the cache in words: by data set and protocol, in all, and where it lies."""
    table = sizes()
    if table.empty:
        return f"no trained networks in {CACHE}"
    total = (
        f"{table.shards.sum()} shards, {table.networks.sum()} networks,"
        f" {table.tables.sum()} tables, {table.MB.sum():.1f} MB"
    )
    return f"{table.reset_index().to_string(index=False, float_format='%.1f')}\n{total} in {CACHE}"


def clean() -> str:
    """Remove what the store made and nothing else; says how much that was, and what is left."""
    removed = []
    for folder in folders():
        for _, path in made(folder):
            removed.append(path.stat().st_size)
            path.unlink()
        for above in (folder, *folder.parents[:5]):  # up to the cache itself
            with suppress(OSError):  # not empty
                above.rmdir()
    left = [path for kind in KINDS for path in (CACHE / kind).rglob("*") if not path.is_dir()]
    others = f"; left {len(left)} that the cache did not make, such as {left[0]}" if left else ""
    return f"freed {sum(removed) / 1e6:.1f} MB: removed {len(removed)} files in {CACHE}{others}"


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
