"""How a network fares against whoever may move its images: exactly, as it is small enough.

`regions` says where an image may be moved, `bounds` certifies from below, `attacks` break from
above, `branching` decides what lies between, `robust` puts the three together, `exact` finds the
least change that is enough, and `lipschitz` how fast a logit can change.
"""

from lib.robustness.adversary.attacks import fgsm, pgd, withstood
from lib.robustness.adversary.bounds import SLACK, margin_bounds, problems
from lib.robustness.adversary.branching import BROKEN, ROBUST, UNDECIDED, decide
from lib.robustness.adversary.exact import Minimum, brackets, minimum
from lib.robustness.adversary.lipschitz import constants
from lib.robustness.adversary.regions import REGIONS, around, signs, wrong
from lib.robustness.adversary.robust import Outcomes, Unsound, outcomes
