"""What was computed, kept by what it is: an atomic, checked cache, tables, and provenance.

An entry is a safetensors file (tensors and text, never code) in a folder named after a hash of
everything that the result depends on. Its own name ends in the checksum of its content, so that a
torn or altered file is noticed, set aside, and computed again.
"""

import ast
import hashlib
import json
import os
import platform
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import torch
from safetensors.torch import load, save
from torch import Tensor

from lib import ROOT
from lib.errors import UserError

CACHE = Path(os.environ.get("LOW_CAPACITY_CACHE", ROOT / "build" / "cache"))
"""Where the cache lies; set the environment variable to share one between checkouts."""

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib", "pandas")


def digest(*parts: object) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of `parts` as JSON, keys in order."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_hash(files: Iterable[Path]) -> str:
    """A hash of what Python files do: their syntax trees without docstrings and comments."""
    return digest(*(ast.dump(bare(ast.parse(path.read_text()))) for path in files))


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
    """Write a file whole or not at all: aside, synced, renamed.

    Raises `UserError` where the disk is full or the folder cannot be written.
    """
    write_with(path, lambda file: file.write(content))


def write_with(path: Path, writer: Callable[[BinaryIO], object]) -> None:
    """As `write`, with a function that writes to the open file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                writer(file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; what was finished before is kept"
        ) from error


def put(folder: str, name: str, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Keep tensors and plain facts under `folder`/`name`; the same content gives the same bytes."""
    ordered = {key: tensors[key].detach().cpu().contiguous() for key in sorted(tensors)}
    content = save(ordered, metadata={"facts": json.dumps(facts, sort_keys=True)})
    check = hashlib.sha256(content).hexdigest()[:16]
    write(CACHE / folder / f"{name}.{check}.safetensors", content)


def get(folder: str) -> list[tuple[dict[str, Tensor], dict[str, Any]]]:
    """Everything kept under `folder`, in order of name: tensors and facts of each entry.

    A file that fails its checksum is renamed to *.corrupt, with a warning, and left out.
    """
    entries = []
    for path in sorted((CACHE / folder).glob("*.safetensors")):
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != path.name.split(".")[-2]:
            warnings.warn(f"{path} fails its checksum: set aside, and computed again", stacklevel=2)
            path.replace(path.with_suffix(".corrupt"))
            continue
        tensors = load(content)  # in an order that changes from run to run
        entries.append(({name: tensors[name] for name in sorted(tensors)}, facts_of(content)))
    return entries


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
