"""The check of a notebook's parameters, run before any kernel starts.

papermill takes a mistyped parameter with no more than a log line, and YAML reads 1e-3 as text. So
`python -m lib.study.parameters params/<profile>` holds every key against the notebooks' own
parameter cells and every value against the type of its name below; what is wrong is said in one
sentence.
"""

import argparse
import ast
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from lib import ROOT, pruning, saliency, tasks
from lib.errors import UserError, told, unknown
from lib.networks import protocols
from lib.robustness.corruptions import CORRUPTIONS
from lib.tasks import datasets

NOTEBOOKS = ("01_tasks", "02_capacity", "03_pruning", "04_robustness", "05_saliency")


def one_of(what: str, allowed: Any) -> Any:
    """The type of a name that must be among `allowed`."""

    def check(name: str) -> str:
        if name not in allowed:
            raise unknown(what, name, allowed)
        return name

    return Annotated[StrictStr, AfterValidator(check)]


def is_task(task: str) -> str:
    """A pair of digits, or an error that says how to write one."""
    tasks.digits(task)
    return task


def is_fraction(value: float) -> float:
    """A number from 0 to below 1; a percentage is an error that says so."""
    if 1 < value <= 100:
        raise UserError(f"give a fraction, not a percentage: {value:g} % is {value / 100:g}")
    if not 0 <= value < 1:
        raise UserError("give a fraction from 0 to below 1")
    return value


def is_enough(seeds: dict[str, list[int]]) -> dict[str, list[int]]:
    """Seeds for the two protocols that every notebook compares; `published` may be left out."""
    for name in ("described", "converged"):
        if name not in seeds:
            raise UserError(f"give seeds for protocol {name!r} too")
    return seeds


def is_jobs(value: int) -> int:
    """A number of processes, or -1 for one a core."""
    if value != -1 and value < 1:
        raise UserError("give a number of processes of at least 1, or -1 for one a core")
    return value


def is_scheduler(address: str) -> str:
    """The address of a Dask scheduler."""
    try:
        parts = urlsplit(address)
        right = parts.scheme in ("tcp", "tls") and parts.hostname and parts.port
    except ValueError:  # a port that is none
        right = False
    if not right or address != f"{parts.scheme}://{parts.netloc}":
        raise UserError("give a Dask scheduler as tcp://host:port or tls://host:port, or null")
    return address


Number = StrictInt | StrictFloat
Task = Annotated[StrictStr, AfterValidator(is_task)]
Fraction = Annotated[Number, AfterValidator(is_fraction)]
Positive = Annotated[Number, Field(gt=0)]
Epsilon = Annotated[Number, Field(gt=0, le=1)]
Count = Annotated[StrictInt, Field(ge=1)]
Width = Annotated[StrictInt, Field(ge=0)]
Seed = Annotated[StrictInt, Field(ge=0, lt=2**32)]
ProtocolName: Any = one_of("protocol", protocols.PROTOCOLS)
Seeds = Annotated[
    dict[ProtocolName, Annotated[list[Seed], Field(min_length=1)]], AfterValidator(is_enough)
]
Method: Any = one_of("pruning method", pruning.METHODS)
MapMethod: Any = one_of("kind of map", saliency.METHODS)
CorruptionName: Any = one_of("corruption", CORRUPTIONS)
ProfileName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$")]

TRAINED_ON = ("described", "converged")
"""The protocols whose pruned networks are trained on; the published draws have no more of them."""

TrainedOn: Any = one_of("protocol that is trained on", TRAINED_ON)
Budget = tuple[Count, Positive]
"""Full-batch steps and their learning rate."""

TrainedOnSeeds: Any = dict[TrainedOn, Annotated[list[Seed], Field(min_length=1)]]

TYPES: dict[str, Any] = {
    "profile": ProfileName,
    "dataset": one_of("dataset", datasets.SOURCES),
    "tasks": Annotated[list[Task], Field(min_length=1)],
    "seeds": Seeds,
    "widths": Annotated[list[Count], Field(min_length=1)],
    "limit": Annotated[StrictInt, Field(ge=20)] | None,
    "jobs": Annotated[StrictInt, AfterValidator(is_jobs)],
    "device": Literal["auto", "cpu", "cuda"],
    "scheduler": Annotated[StrictStr, AfterValidator(is_scheduler)] | None,
    "task": Task,
    "width": Count,
    "narrow": Count,
    "wide": Count,
    "compared_widths": Annotated[list[Count], Field(min_length=1)],
    "severity": Annotated[StrictInt, Field(ge=1, le=5)],
    "seed_counts": Annotated[list[Annotated[StrictInt, Field(ge=2)]], Field(min_length=1)],
    "seed": Seed,
    "rows": Count,
    "samples": Count,
    "pairs": Annotated[list[Task], Field(min_length=1)] | None,
    "subsample_rows": Annotated[StrictInt, Field(ge=4, multiple_of=2)],
    "repeats": Count,
    "pair_seeds": Seeds,
    "further_widths": list[Width],
    "budgets": Annotated[list[Budget], Field(min_length=1)],
    "equal_budgets": Annotated[list[Budget], Field(min_length=2)],
    "scales": Annotated[list[Positive], Field(min_length=1)],
    "row_counts": list[Annotated[StrictInt, Field(ge=20)]],
    "budget_seeds": Annotated[list[Seed], Field(min_length=1)],
    "learning_rates": Annotated[list[Positive], Field(min_length=1)],
    "threshold": Fraction,
    "share": Fraction,
    "curve_widths": Annotated[list[Count], Field(min_length=1)],
    "sparsities": Annotated[list[Fraction], Field(min_length=1)],
    "sparsity": Fraction,
    "tolerance": Fraction,
    "audited_widths": dict[TrainedOn, Annotated[list[Count], Field(min_length=1)]],
    "audited_sparsities": Annotated[list[Fraction], Field(min_length=1)],
    "audited_seeds": TrainedOnSeeds,
    "compared_seeds": TrainedOnSeeds,
    "tuning_steps": dict[TrainedOn, Count],
    "sized_seeds": TrainedOnSeeds,
    "tested_widths": Annotated[list[Count], Field(min_length=1)],
    "methods": list[Method],
    "corruptions": list[CorruptionName],
    "epsilons": Annotated[list[Epsilon], Field(min_length=1)],
    "map_epsilon": Epsilon,
    "map_seeds": TrainedOnSeeds,
    "map_widths": Annotated[list[Count], Field(min_length=1)],
    "map_sparsities": Annotated[list[Fraction], Field(min_length=1)],
    "map_regimes": list[Literal["one_shot", "fine_tuned", "rewound"]],
    "exact_rows": Count,
    "least_rows": Count,
    "solved_rows": Count,
    "solved_widths": Annotated[list[Count], Field(min_length=1)],
    "draws": Count,
    "kinds": Annotated[list[CorruptionName], Field(min_length=1)],
    "map_methods": Annotated[list[MapMethod], Field(min_length=1)],
}
"""What each parameter may be, by its name: a name means the same in every notebook."""


def defaults(notebook: str) -> dict[str, Any]:
    """The literal defaults of a notebook's cell tagged `parameters`, by name."""
    path = ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    (cell,) = (c for c in cells if "parameters" in c["metadata"].get("tags", []))
    assignments = (s for s in ast.parse("".join(cell["source"])).body if isinstance(s, ast.Assign))
    return {s.targets[0].id: ast.literal_eval(s.value) for s in assignments}  # type: ignore[attr-defined]


def check(values: Mapping[str, Any], where: str, types: Mapping[str, Any] = TYPES) -> None:
    """Hold values against the types of their names.

    Raises `UserError`, naming `where` they stand, the key, the value, and what is allowed.
    """
    for key, value in values.items():
        try:
            TypeAdapter(types[key]).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = "".join(f"[{step!r}]" for step in first["loc"] if is_place(step, value))
            message = first["msg"].removeprefix("Value error, ")
            hint = yaml_hint(first["input"])
            raise UserError(
                f"{where}: {key}{place} = {first['input']!r}: {message}{hint}"
            ) from None


def check_replay(values: Mapping[str, Any], where: str) -> None:
    """The protocol `published` replays draws that exist for its own pairs and widths only.

    Raises `UserError` where seeds are given for it beside a pair or width that it does not have.
    """
    known = {"tasks": protocols.PUBLISHED_ORDER, "widths": protocols.PUBLISHED_WIDTHS}
    for key, allowed in known.items():
        for value in values.get(key, []):
            if "published" in values.get("seeds", {}) and value not in allowed:
                raise UserError(
                    f"{where}: {key} has {value!r}, which protocol 'published' cannot replay: it"
                    f" has {', '.join(map(str, allowed))}; leave 'published' out of seeds to go on"
                )


def is_place(step: int | str, value: Any) -> bool:
    """Whether a step of pydantic's location is an index or key of the value, not a type's name."""
    return isinstance(step, int) or (isinstance(value, Mapping) and step in value)


def yaml_hint(given: Any) -> str:
    """What to write where YAML has read a number as text."""
    try:
        return f" (YAML reads this as text: write {float(given)})" if isinstance(given, str) else ""
    except ValueError:
        return ""


def check_notebook(notebook: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook's parameters as they now stand among its variables, checked."""
    values = {name: variables[name] for name in defaults(notebook)}
    check(values, f"notebook {notebook}")
    check_replay(values, f"notebook {notebook}")
    return values


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


def parsed(text: str, shown: str) -> dict[str, Any]:
    """The names and values of a YAML text; raises `UserError`, naming where it was `shown`."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{shown} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict | None):
        raise UserError(f"{shown}: give 'name: value' lines, not {type(values).__name__}")
    return values or {}


def relative(path: Path) -> Path:
    """A path as seen from the root, where it lies under it."""
    return path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path


def check_profile(folder: Path) -> None:
    """Check every file of a profile against the notebooks; raises `UserError`."""
    if not folder.is_dir():
        profiles = sorted(path.parent.name for path in (ROOT / "params").glob("*/common.yaml"))
        raise unknown("profile", folder.name, profiles)
    files = {"common": read_yaml(folder / "common.yaml")}
    files |= {notebook: read_yaml(folder / f"{notebook}.yaml") for notebook in NOTEBOOKS}
    for stem, values in files.items():
        readers = NOTEBOOKS if stem == "common" else (stem,)
        shown = str(relative(folder / f"{stem}.yaml"))
        for notebook in readers:
            names = defaults(notebook)
            for key in values:
                if key not in names:
                    raise UserError(f"{shown}: {unknown(f'parameter of {notebook}', key, names)}")
        check(values, shown)
        check_replay(files["common"] | values, shown)
    if files["common"].get("profile") != folder.name:
        raise UserError(
            f"{relative(folder)}/common.yaml: profile must be {folder.name!r}, its folder's name"
        )
    for path in sorted(folder.iterdir()):
        if path.stem not in files or path.suffix != ".yaml":
            raise UserError(f"{relative(path)}: {unknown('file of a profile', path.stem, files)}")


def read_profile(folder: Path) -> dict[str, dict[str, Any]]:
    """The parameters of each notebook under a profile that was checked, by its name."""
    common = read_yaml(folder / "common.yaml")
    return {n: defaults(n) | common | read_yaml(folder / f"{n}.yaml") for n in NOTEBOOKS}


def check_given(folder: Path, values: dict[str, Any]) -> None:
    """Check values that are given in the place of a profile's own; raises `UserError`."""
    for name, own in read_profile(folder).items():
        for key in values:
            if key not in own:
                raise UserError(f"-y: {unknown(f'parameter of {name}', key, own)}")
        check(values, "-y")
        check_replay(own | values, "-y")


@told
def main(arguments: list[str]) -> None:
    """Check a profile folder, and values given beside it, each as papermill takes it with -y.

    Returns 0 where all is well, 2 after one sentence where it is not.
    """
    parser = argparse.ArgumentParser("python -m lib.study.parameters")
    parser.add_argument("profile", type=Path, metavar="params/<profile>")
    parser.add_argument("-y", action="append", default=[], metavar="'name: value'")
    options = parser.parse_args(arguments)
    check_profile(options.profile)
    for text in options.y:
        check_given(options.profile, parsed(text, f"-y {text!r}"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
