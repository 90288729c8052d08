"""The one kind of error that is the user's to mend, and the sentence that says how."""

import difflib
import sys
from collections.abc import Callable, Iterable
from functools import wraps


class UserError(ValueError):
    """Something given from outside is wrong; the message is one sentence for its reader."""


def unknown(what: str, given: object, allowed: Iterable[object]) -> UserError:
    """The error for a name that is not among `allowed`, with the nearest one that is."""
    names = [str(name) for name in allowed]
    nearest = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return UserError(f"unknown {what} {given!r}: allowed are {', '.join(names)}{hint}")


Program = Callable[[list[str]], int]
"""A program, given its arguments; returns its exit code."""


def told(main: Callable[[list[str]], int | None]) -> Program:
    """A program that ends with 2 after the one sentence of a `UserError`; None counts as 0."""

    @wraps(main)
    def program(arguments: list[str]) -> int:
        try:
            return main(arguments) or 0
        except UserError as error:
            print(error, file=sys.stderr)
            return 2

    return program
