"""How the networks are judged: one observation is one network.

Intervals over seeds, paired comparisons, minimum widths with their intervals, and relations over
pairs of digits. Pairs share digits, so relations over pairs permute or leave out whole digits.
"""

from lib.statistics.comparisons import Difference, holm, paired_difference
from lib.statistics.intervals import FEWEST, interval, pooled_interval, power, summary
from lib.statistics.models import compare_models
from lib.statistics.pairs import Agreement, jackknife, qap
from lib.statistics.widths import minimum_width, minimum_width_interval, minimum_widths
