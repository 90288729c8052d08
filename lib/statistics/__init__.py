"""How the networks are judged: one observation is one network.

Intervals over seeds, paired comparisons, minimum widths with their intervals, and relations over
pairs of digits. Pairs share digits, so relations over pairs permute or leave out whole digits.
"""

from lib.statistics.intervals import FEWEST, interval, pooled_interval, power, summary
from lib.statistics.widths import minimum_width, minimum_width_interval, minimum_widths

__all__ = [
    "FEWEST",
    "interval",
    "minimum_width",
    "minimum_width_interval",
    "minimum_widths",
    "pooled_interval",
    "power",
    "summary",
]
