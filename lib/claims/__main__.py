"""Recompute every verdict from the tables of a profile: `python -m lib.claims paper`.

No notebook is run, and no network is trained. What cannot be decided is said, with the reason.
"""

import sys
from pathlib import Path

from lib.claims import decide, publish
from lib.errors import UserError, told
from lib.output.report import folders
from lib.study import store
from lib.study.parameters import NOTEBOOKS


def recompute(figures: Path, generated: Path) -> None:
    """Decide the claims of every notebook that left tables, and publish the verdicts.

    Raises `UserError` where there are no tables.
    """
    run = [notebook for notebook in NOTEBOOKS if (figures / notebook).is_dir()]
    if not run:
        raise UserError(f"{figures} has no tables of a notebook: run `make paper` for the profile")
    for notebook in run:
        rows, undecided = decide(notebook, figures)
        store.write_table(rows, figures / notebook / "claims.csv")
        for each in undecided:
            print(each)
    print(publish(figures, generated).verdict.value_counts().to_string())


@told
def main(arguments: list[str]) -> None:
    """Recompute the verdicts of the profile given; 2 and one sentence where that cannot be."""
    if len(arguments) != 1:
        raise UserError("usage: python -m lib.claims PROFILE")
    recompute(*folders(arguments[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
