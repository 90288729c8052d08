"""Which notebook decides which claims, from which tables, and the verdicts that they come to."""

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from lib.claims import capacity, pruning, robustness, saliency, tasks
from lib.claims.rules import Finding, NotMeasured
from lib.networks.protocols import PROTOCOLS
from lib.pruning import READINGS

RULES: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("claims.yaml").read_text("utf-8")
)
"""What the study says, the effect, and the rule of each claim; the file says since when."""

COLUMNS = [
    *("claim", "protocol", "reading", "effect", "ci_low", "ci_high"),
    *("n", "rule", "verdict", "note"),
]

ONCE: list[dict[str, str]] = [{}]
BY_PROTOCOL = [{"protocol": name} for name in PROTOCOLS]
BY_READING = [{"protocol": p, "reading": r} for p, r in product(PROTOCOLS, sorted(READINGS))]
"""What a claim is decided under: nothing, each protocol, or each protocol and reading."""


class Claim(NamedTuple):
    """A rule as a function of tables, named "notebook/table", and what it is decided under.

    The notebook of the first table decides it.
    """

    rule: Callable[..., Finding]
    tables: tuple[str, ...]
    conditions: list[dict[str, str]]

    @property
    def notebook(self) -> str:
        """The notebook that decides it."""
        return self.tables[0].partition("/")[0]


WIDTHS, DIFFICULTY = "02_capacity/networks", "01_tasks/difficulty"
PRUNED, CORRUPTED = "03_pruning/networks", "04_robustness/networks"

CLAIMS = {
    "tasks.order": Claim(tasks.order, (DIFFICULTY,), ONCE),
    "capacity.scales": Claim(capacity.scales, (WIDTHS, DIFFICULTY), BY_PROTOCOL),
    "capacity.linear": Claim(capacity.linear, (WIDTHS, DIFFICULTY), BY_PROTOCOL),
    "capacity.relative": Claim(capacity.relative, (WIDTHS, DIFFICULTY), BY_PROTOCOL),
    "capacity.budget": Claim(capacity.budget, ("02_capacity/budgets",), BY_PROTOCOL),
    "capacity.instability": Claim(capacity.instability, (WIDTHS,), BY_PROTOCOL),
    "capacity.rate": Claim(capacity.rate, ("02_capacity/learning_rates",), BY_PROTOCOL),
    "pruning.robust95": Claim(pruning.robust95, (PRUNED,), BY_READING),
    "pruning.regularises": Claim(pruning.regularises, (PRUNED,), BY_READING),
    "pruning.essential_size": Claim(
        pruning.essential_size, ("03_pruning/essential_size", DIFFICULTY), BY_READING
    ),
    "pruning.dead_units": Claim(pruning.dead_units, (PRUNED,), BY_READING),
    "pruning.geometry": Claim(pruning.geometry, ("03_pruning/geometry",), BY_READING),
    "pruning.tickets": Claim(pruning.tickets, (PRUNED,), BY_PROTOCOL),
    "robustness.noise": Claim(robustness.noise, (CORRUPTED,), BY_PROTOCOL),
    "robustness.occlusion": Claim(robustness.occlusion, (CORRUPTED,), BY_PROTOCOL),
    "robustness.general": Claim(
        robustness.general, (CORRUPTED, "04_robustness/exact"), BY_PROTOCOL
    ),
    "saliency.strokes": Claim(saliency.strokes, ("05_saliency/strokes",), BY_PROTOCOL),
    "saliency.preserved": Claim(
        saliency.preserved, ("05_saliency/agreement_networks",), BY_READING
    ),
    "saliency.failure": Claim(saliency.failure, ("05_saliency/attention",), BY_PROTOCOL),
    "neurons.distributed": Claim(saliency.distributed, ("05_saliency/ablation",), BY_READING),
}


class Undecided(NamedTuple):
    """A claim under a condition that the tables cannot decide yet, and why."""

    claim: str
    protocol: str
    reading: str
    reason: str

    def __str__(self) -> str:
        """The same in a line."""
        under = " ".join(filter(None, [self.protocol, self.reading]))
        return f"no verdict on {self.claim} ({under}): {self.reason}"


def decide(notebook: str, figures: Path) -> tuple[pd.DataFrame, list[Undecided]]:
    """The verdicts of a notebook's claims from the tables under `figures`, and what stays open.

    Columns `COLUMNS`, one row a claim, protocol ("any" where none matters) and reading ("" where
    none matters). What this profile has not measured stays open.
    """
    tables = lru_cache(None)(lambda name: read(figures, name))
    rows: list[dict[str, Any]] = []
    undecided = []
    for name, claim in CLAIMS.items():
        for condition in claim.conditions if claim.notebook == notebook else []:
            try:
                found = claim.rule(*map(tables, claim.tables), **condition)
            except NotMeasured as reason:
                undecided.append(Undecided(**key(name, condition), reason=str(reason)))
                continue
            rows.append({**key(name, condition), "rule": rule(name), **values(found)})
    return pd.DataFrame(rows, columns=COLUMNS), undecided


def read(figures: Path, name: str) -> pd.DataFrame:
    """A table of results by its name. Raises `NotMeasured` where it is not there."""
    path = figures / f"{name}.csv"
    if path.is_file():
        return pd.read_csv(path)
    raise NotMeasured(f"there is no table {name}.csv")


def key(claim: str, condition: dict[str, str]) -> dict[str, str]:
    """The columns that name a verdict."""
    return {"claim": claim, "protocol": "any", "reading": ""} | condition


def values(found: Finding) -> dict[str, Any]:
    """The columns that a finding fills."""
    ends = {"effect": found.effect, "ci_low": found.low, "ci_high": found.high}
    return {**ends, "n": found.n, "verdict": found.verdict, "note": found.note}


def rule(claim: str) -> str:
    """The rule of a claim, as it was fixed."""
    facts = RULES[claim]
    return "; partly: ".join(facts[name] for name in ("supported", "partly") if name in facts)


def joined(figures: Path) -> pd.DataFrame:
    """The verdicts that notebooks left under `figures`, in the order in which claims are listed."""
    text = {"reading": str, "note": str}
    parts = [pd.read_csv(path, dtype=text) for path in sorted(figures.glob("*/claims.csv"))]
    rows = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)])
    rows = rows.fillna({"reading": "", "note": ""})
    places = {name: place for place, name in enumerate(conditions())}
    found = [places[name] for name in names(rows)]
    return (
        rows.assign(place=found).sort_values("place").drop(columns="place").reset_index(drop=True)
    )


Name = tuple[str, str, str]
"""A claim, protocol and reading."""


def names(rows: pd.DataFrame) -> list[Name]:
    """What each row is the verdict of."""
    return list(rows[["claim", "protocol", "reading"]].itertuples(index=False, name=None))


def conditions() -> list[Name]:
    """Every verdict that there is to give, in the order in which claims are listed."""
    return [(claim, *each) for claim in RULES for each in under(claim)]


def under(claim: str) -> list[tuple[str, str]]:
    """The protocols and readings that a claim is decided under."""
    named = (key(claim, condition) for condition in CLAIMS[claim].conditions)
    return [(each["protocol"], each["reading"]) for each in named]


def missing(rows: pd.DataFrame) -> list[Name]:
    """The verdicts that no notebook has given yet, of all that there are to give."""
    given = set(names(rows))
    return [name for name in conditions() if name not in given]
