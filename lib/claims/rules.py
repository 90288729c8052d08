"""What the rules are made of: rows of a table, parts of a claim, and a verdict on the parts.

A *part* is one comparison that a claim is made of, such as a pair at a width. A claim about every
part is supported where every interval passes, which needs no correction: it gets harder with more
parts. Where only some pass, they are named after Holm's correction over all of them, and so is the
level at which a claim about some level holds.

An interval needs `FEWEST` seeds. The protocol `published` has three, for good: where its mean is on
the wrong side of a bound the rule fails, as an interval holds its mean, and else it cannot be
tested. For any other protocol too few seeds are a small profile: not measured, and no verdict.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from lib.statistics import FEWEST, Difference, holm, paired_difference

TOO_FEW = "too few seeds for an interval"
"""The note of what `published` cannot show."""

VERDICTS = ("supported", "partly", "not supported", "untestable")


class NotMeasured(LookupError):
    """The tables lack what a rule asks for; the message is a clause that says what."""


class Finding(NamedTuple):
    """What a claim comes to under one protocol and reading: one of `VERDICTS`, and what it is from.

    effect: as the rule has it, or of the part that decides; n: how many observations (networks, or
    pairs) it is taken over; note: which part decides, and what else the rule asks for.
    """

    verdict: str
    effect: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    note: str = ""


class Claim(NamedTuple):
    """The rule that decides a claim, and the tables that it takes, named "notebook/table".

    The notebook of the first table decides it.
    """

    rule: Callable[..., Finding]
    tables: tuple[str, ...]

    @property
    def notebook(self) -> str:
        """The notebook that decides it."""
        return self.tables[0].partition("/")[0]


CLAIMS: dict[str, Claim] = {}
"""Every claim by name, as `decides` registers it; its text is in claims.yaml."""

Rule = TypeVar("Rule", bound=Callable[..., Finding])


def decides(claim: str, *tables: str) -> Callable[[Rule], Rule]:
    """Make the function below the rule of a claim: of these tables, as they stand in the CSV files.

    A rule with the parameter `protocol` decides under each protocol of the study, with `reading`
    too under each reading of pruning.
    """

    def register(rule: Rule) -> Rule:
        CLAIMS[claim] = Claim(rule, tables)
        return rule

    return register


def untestable(reason: str) -> Finding:
    """The finding that a protocol cannot show a claim, and why."""
    return Finding("untestable", note=reason)


def supported_if(holds: bool) -> str:
    """The verdict of a rule that has no parts."""
    return "supported" if holds else "not supported"


def select(table: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    """The rows that have one of the wanted values in each of these columns.

    Raises `NotMeasured` where a column, or a wanted value among the rows so found, is not there.
    """
    values = {k: [v] if np.isscalar(v) else list(v) for k, v in wanted.items()}  # type: ignore[call-overload]
    for column, each in values.items():
        if column not in table:
            raise NotMeasured(f"there is no column {column}")
        table = table[table[column].isin(each)]
        check_values(table, column, each)
    for column, each in values.items():
        check_values(table, column, each)
    return table


def check_values(table: pd.DataFrame, column: str, wanted: Sequence[object]) -> None:
    """Raise `NotMeasured` where a column lacks a wanted value."""
    absent = [str(value) for value in wanted if not table[column].eq(value).any()]
    if absent:
        others = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        raise NotMeasured(f"there is no row with {column} {', '.join(absent[:3])}{others}")


def difference(one: pd.Series, other: pd.Series, bound: float = 0.0) -> Difference:
    """The mean of `one` less `other` over networks of the same seed; p tests it against `bound`.

    Indexed as `statistics.paired_difference` wants. Networks without a value on a side are left
    out. Raises `NotMeasured` where fewer than two are left.
    """
    sides = pd.concat([one, other], axis=1, keys=["one", "other"]).dropna()
    if len(sides) < 2:
        raise NotMeasured("there are not two networks with a value on both sides")
    found = paired_difference(sides.one, sides.other)
    against = paired_difference(sides.one, sides.other + bound) if bound else found
    return found._replace(p=against.p)


def both(*comparisons: Difference) -> Difference:
    """Comparisons of one part that must all hold: the least of them, with the largest p."""
    least = min(comparisons, key=lambda each: each.effect if np.isnan(each.low) else each.low)
    return least._replace(p=max(each.p for each in comparisons))


def passes(part: Difference, bound: float = 0.0) -> bool | None:
    """Whether the interval of a part lies above a bound; None where there is no interval to say."""
    if part.effect <= bound:
        return False
    return None if np.isnan(part.low) else part.low > bound


def passing(parts: Mapping[str, Difference], bound: float = 0.0) -> list[str]:
    """The names of the parts that pass, after Holm's correction over all of them."""
    adjusted = holm([part.p for part in parts.values()])
    return [
        name
        for (name, part), p in zip(parts.items(), adjusted, strict=True)
        if passes(part, bound) and p <= 0.05
    ]


def check_seeds(parts: Mapping[str, Difference], protocol: str) -> None:
    """Raise `NotMeasured` where a protocol whose seeds are free has too few for an interval."""
    short = [name for name, part in parts.items() if np.isnan(part.low)]
    if short and protocol != "published":
        raise NotMeasured(f"{short[0]} has fewer than {FEWEST} seeds, too few for an interval")


def every(
    parts: Mapping[str, Difference],
    protocol: str,
    bound: float = 0.0,
    within: Mapping[str, bool] | None = None,
) -> Finding:
    """The finding for a rule that asks every part's interval to lie above `bound`.

    The effect is that of the least part. `within` says of each part whether what else the rule asks
    for holds.
    """
    check_seeds(parts, protocol)
    ruled_out = {name for name, holds in (within or {}).items() if not holds}
    holds = [name not in ruled_out and passes(part, bound) for name, part in parts.items()]
    least = min(parts, key=lambda name: parts[name].effect)
    if all(holds):
        return finding("supported", parts, least)
    if some := [name for name in passing(parts, bound) if name not in ruled_out]:
        return finding("partly", parts, least, f"holds for {', '.join(some)}")
    if None in holds:
        return finding("untestable", parts, least, TOO_FEW)
    return finding("not supported", parts, least)


def finding(
    verdict: str, parts: Mapping[str, Difference], deciding: str, remark: str = ""
) -> Finding:
    """A finding whose effect is that of the part `deciding`."""
    part = parts[deciding]
    note = "; ".join(filter(None, [remark, f"the effect is that of {deciding}"]))
    return Finding(verdict, part.effect, part.low, part.high, part.n, note)


def named(parts: Mapping[str, bool]) -> tuple[str, str]:
    """The verdict for a rule without intervals that asks every part to hold, and those that do."""
    some = [name for name, holds in parts.items() if holds]
    if len(some) == len(parts):
        return "supported", ""
    return ("partly", f"holds for {', '.join(some)}") if some else ("not supported", "")
