"""The check of parameters against their contract, run before any kernel starts.

papermill takes a mistyped parameter with no more than a log line, and YAML reads 1e-3 as text. So
`python -m lib.study.parameters params/<profile>` holds a profile against `lib.study.contract`, and
says in one sentence what is wrong.
"""

import argparse
import ast
import json
import sys
from collections import ChainMap, Counter
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lib import ROOT
from lib.errors import UserError, told, unknown
from lib.study import store
from lib.study.contract import MODELS

NOTEBOOKS = tuple(MODELS)


def check(model: type[BaseModel], values: Mapping[str, Any], where: Callable[[str], str]) -> None:
    """Hold values against a model.

    Raises `UserError`, naming where a parameter stands, it, its value, and what is allowed.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name, steps = str(first["loc"][0]), first["loc"][1:]
        shown = f"{where(name)}: {name}"
        if first["type"] == "missing":
            raise UserError(f"{shown} is missing") from None
        place = "".join(f"[{step!r}]" for step in steps if is_place(step, values[name]))
        message = first["msg"].removeprefix("Value error, ")
        hint = yaml_hint(first["input"], model.model_fields[name].annotation)
        raise UserError(f"{shown}{place} = {first['input']!r}: {message}{hint}") from None


def is_place(step: int | str, value: Any) -> bool:
    """Whether a step of pydantic's location is an index or key of the value, not a type's name."""
    return isinstance(step, int) or (isinstance(value, Mapping) and step in value)


def yaml_hint(given: Any, kind: Any) -> str:
    """What to write where YAML has read a number, or nothing, as text; kind: of the parameter."""
    if not isinstance(given, str):
        return ""
    if given.lower() == "none" and NoneType in get_args(kind):
        return " (YAML reads this as text: write null)"
    try:
        number = float(given)
    except ValueError:
        return ""
    shown = int(number) if number.is_integer() else number
    return f" (YAML reads this as text: write {shown})" if isfinite(number) else ""


def cells(notebook: str, tag: str) -> list[str]:
    """The source of a notebook's cells with this tag."""
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    tagged = (
        cell
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if tag in cell["metadata"].get("tags", [])
    )
    return ["".join(cell["source"]) for cell in tagged]


def defaults(notebook: str) -> dict[str, Any]:
    """The literal defaults of a notebook's cell tagged `parameters`, by name."""
    [source] = cells(notebook, "parameters")
    assignments = (s for s in ast.parse(source).body if isinstance(s, ast.Assign))
    return {s.targets[0].id: ast.literal_eval(s.value) for s in assignments}  # type: ignore[attr-defined]


def check_notebook(notebook: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's parameters as they now stand among its variables, checked."""
    values = {name: variables[name] for name in MODELS[notebook].model_fields}
    check(MODELS[notebook], values, lambda _: f"notebook {notebook}")
    return values


class Loader(yaml.SafeLoader):
    """YAML that can run no code, and in which no key stands twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse keys of which the last would win."""
        node = super().compose_mapping_node(anchor)
        for key, count in Counter(str(key.value) for key, _ in node.value).most_common(1):
            if count > 1:
                raise UserError(f"{key} stands there {count} times: give it once")
        return node


def parsed(text: str, shown: str) -> dict[str, Any]:
    """The names and values of a YAML text; raises `UserError`, naming where it was `shown`."""
    try:
        values = yaml.load(text, Loader)
    except UserError as error:
        raise UserError(f"{shown}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{shown} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict | None):
        raise UserError(f"{shown}: give 'name: value' lines, not {type(values).__name__}")
    return values or {}


def read_yaml(path: Path) -> dict[str, Any]:
    """A parameter file as a mapping; nothing in it can run code."""
    shown = str(relative(path))
    try:
        return parsed(path.read_text("utf-8"), shown)
    except FileNotFoundError:
        raise UserError(
            f"{shown} is missing: a profile has common.yaml and one file a notebook"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{shown} is not YAML: {error}") from None


def relative(path: Path) -> Path:
    """A path as seen from the root, where it lies under it."""
    return path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path


def refuse_unknown(
    values: Mapping[str, Any], names: Mapping[str, Any], where: str, what: str
) -> None:
    """Raise `UserError` where values have a name that is not among those."""
    for key in values:
        if key not in names:
            raise UserError(f"{where}: {unknown(f'parameter of {what}', key, names)}")


def read_files(folder: Path) -> dict[str, dict[str, Any]]:
    """The files of a profile, by their stems; raises `UserError` where they are not these."""
    if not folder.is_dir():
        profiles = sorted(path.parent.name for path in (ROOT / "params").glob("*/common.yaml"))
        raise unknown("profile", folder.name, profiles)
    files = {stem: read_yaml(folder / f"{stem}.yaml") for stem in ("common", *NOTEBOOKS)}
    for path in sorted(folder.glob("[!.]*.y*ml")):
        if path.stem not in files or path.suffix != ".yaml":
            raise UserError(f"{relative(path)}: {unknown('file of a profile', path.stem, files)}")
    return files


def read_profile(profile: Path, given: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The parameters of each notebook under a profile, checked.

    profile: its folder, or name. What it leaves out is a notebook's default; common.yaml reaches
    the notebooks that have a key; `given` goes before all. Raises `UserError`.
    """
    named = ROOT / "params" / profile
    folder = named if named.is_dir() else profile
    files, given = read_files(folder), given or {}
    names = {notebook: defaults(notebook) for notebook in NOTEBOOKS}
    shown = {stem: str(relative(folder / f"{stem}.yaml")) for stem in files}
    for where, values in {"-y": given, shown["common"]: files["common"]}.items():
        refuse_unknown(values, ChainMap(*names.values()), where, "any notebook")
    found = {}
    for notebook, own in names.items():
        refuse_unknown(files[notebook], own, shown[notebook], notebook)
        layers = {"-y": given} | {shown[stem]: files[stem] for stem in (notebook, "common")}
        every = ChainMap(*layers.values(), own)
        found[notebook] = {name: every[name] for name in own}
        check(MODELS[notebook], found[notebook], partial(source, layers, shown[notebook]))
    if files["common"].get("profile") != (own_name := folder.resolve().name):
        raise UserError(f"{shown['common']}: profile must be {own_name!r}, its folder's name")
    return found


def source(layers: Mapping[str, Mapping[str, Any]], otherwise: str, name: str) -> str:
    """Where a parameter is given: the first of some places that has it."""
    return next((where for where, values in layers.items() if name in values), otherwise)


@told
def main(arguments: list[str]) -> None:
    """Check a profile, and values given beside it, each as papermill takes it with -y.

    Returns 0 where all is well, 2 after one sentence where it is not. With --write, what each
    notebook is given is written to a folder, a file a notebook, for papermill to read.
    """
    parser = argparse.ArgumentParser("python -m lib.study.parameters")
    parser.add_argument("profile", type=Path, metavar="params/<profile>")
    parser.add_argument("-y", action="append", default=[], metavar="'name: value'")
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    given: dict[str, Any] = {}
    for text in options.y:
        given |= parsed(text, f"-y {text!r}")
    for notebook, values in read_profile(options.profile, given).items():
        if options.write:
            text = yaml.safe_dump(values, sort_keys=False)
            store.write(options.write / f"{notebook}.yaml", text.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
