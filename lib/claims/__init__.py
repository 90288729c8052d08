"""What the study claims, the rule that decides each claim, and the verdicts computed from tables.

claims.yaml has the claims and their rules, fixed before any run but for what it names itself. A
rule is one plain function of tables, as they stand in the CSV files, and of a protocol and a
reading where it depends on them. `decides` above it names the claim and its tables, the first of
which says which notebook decides it.
"""

from lib.claims import capacity, pruning, robustness, saliency, tasks  # their rules are registered
from lib.claims.paper import COLOURS, SIGNS, conclude, publish, styled
from lib.claims.rules import CLAIMS, VERDICTS, Claim, Finding, NotMeasured, decides
from lib.claims.verdicts import RULES, collected, conditions, decide, missing
