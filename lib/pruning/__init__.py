"""Which weights go, when, against which controls, and how much is left.

`scoring` says how much each weight matters, `masking` turns scores into masks, `regimes` trains
around them, `controls` makes what a found mask is held against, and `sizes` counts what is left.
Everything works on a whole population at once.
"""

from lib.networks.layers import Masks
from lib.pruning.controls import dense_widths, fresh, random_like, shuffled
from lib.pruning.masking import (
    READINGS,
    SCOPES,
    STUDIED,
    Criterion,
    Ranks,
    apply,
    cut,
    cuts,
    masks,
    prune,
    rank,
    stacked,
    whole,
)
from lib.pruning.regimes import Round, fine_tune, rewind, schedule, through, train_masked
from lib.pruning.scoring import METHODS, PruningMethod
from lib.pruning.sizes import (
    actual_sparsity,
    counts,
    effective,
    effective_sparsity,
    essential_sizes,
    speed_up,
)
