"""The subject: which images, which pair of digits, which rows.

`datasets` reads the images, `pairs` makes a task of two digits and divides its rows, `published`
has the values of the published figures.
"""

from lib.tasks.pairs import (
    ALL_PAIRS,
    PUBLISHED_ORDER,
    SPLITS,
    Rows,
    Split,
    balanced_split,
    by_digit,
    digits,
    full_split,
    pair_rows,
)
