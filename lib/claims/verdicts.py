"""Which notebook decides which claims, from which tables, and the verdicts that they come to."""

from functools import lru_cache
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from lib.claims.rules import CLAIMS, Finding, NotMeasured
from lib.pruning import READINGS
from lib.study import store

RULES: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("claims.yaml").read_text("utf-8")
)
"""What the study says, the effect, and the rule of each claim; the file says since when."""

COLUMNS = [
    *("claim", "protocol", "reading", "effect", "ci_low", "ci_high"),
    *("n", "rule", "verdict", "note"),
]

PROTOCOLS = ("published", "described", "converged")
"""The protocols that the claims are about."""


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
    tables = lru_cache(None)(lambda name: saved(figures, name))
    rows: list[dict[str, Any]] = []
    undecided = []
    for name in RULES:
        claim = CLAIMS[name]
        for condition in under(name) if claim.notebook == notebook else []:
            try:
                found = claim.rule(*map(tables, claim.tables), **condition)
            except NotMeasured as reason:
                undecided.append(Undecided(**key(name, condition), reason=str(reason)))
                continue
            rows.append({**key(name, condition), "rule": rule(name), **values(found)})
    return pd.DataFrame(rows, columns=COLUMNS), undecided


def under(claim: str) -> list[dict[str, str]]:
    """What a claim is decided under, as its rule takes it: protocols, and readings of pruning."""
    taken = signature(CLAIMS[claim].rule).parameters
    protocols = [{"protocol": each} for each in PROTOCOLS] if "protocol" in taken else [{}]
    readings = [{"reading": each} for each in sorted(READINGS)] if "reading" in taken else [{}]
    return [one | other for one, other in product(protocols, readings)]


def saved(figures: Path, name: str) -> pd.DataFrame:
    """A table of results by its name. Raises `NotMeasured` where it is not there."""
    try:
        return store.read_table(figures / f"{name}.csv")
    except FileNotFoundError:
        raise NotMeasured(f"there is no table {name}.csv") from None


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


def collected(figures: Path) -> pd.DataFrame:
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
    named = (key(claim, condition) for claim in RULES for condition in under(claim))
    return [(each["claim"], each["protocol"], each["reading"]) for each in named]


def missing(rows: pd.DataFrame) -> list[Name]:
    """The verdicts that no notebook has given yet, of all that there are to give."""
    given = set(names(rows))
    return [name for name in conditions() if name not in given]
