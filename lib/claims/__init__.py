"""What the study claims, the rule that decides each claim, and the verdicts computed from tables.

claims.yaml has the claims and their rules, fixed before any run but for what it names itself. A
rule is one plain function of tables, as they stand in the CSV files, and of a protocol and a
reading where it depends on them. `CLAIMS` says which tables a rule takes, and so which notebook
decides it.
"""

from lib.claims.paper import COLOURS, SIGNS, publish, styled
from lib.claims.rules import VERDICTS, Finding, NotMeasured
from lib.claims.verdicts import CLAIMS, RULES, conditions, decide, joined, missing

__all__ = [
    "CLAIMS",
    "COLOURS",
    "RULES",
    "SIGNS",
    "VERDICTS",
    "Finding",
    "NotMeasured",
    "conditions",
    "decide",
    "joined",
    "missing",
    "publish",
    "styled",
]
