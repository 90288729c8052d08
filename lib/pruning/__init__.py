"""Which weights go, when, against which controls, and how much is left.

`scoring` says how much each weight matters, `masking` turns scores into masks, `regimes` trains
around them, `controls` makes what a found mask is held against, and `sizes` counts what is left.
Everything works on a whole population at once.
"""

from lib.layers import Masks
from lib.pruning.controls import dense_widths, fresh, random_like, shuffled
from lib.pruning.masking import (
    READINGS,
    SCOPES,
    Ranks,
    apply,
    cut,
    joined,
    masks,
    prune,
    rank,
    synflow,
    whole,
)
from lib.pruning.regimes import Round, fine_tuned, rewound, schedule, trained
from lib.pruning.scoring import METHODS
from lib.pruning.sizes import (
    actual_sparsity,
    counts,
    effective,
    effective_sparsity,
    essential_sizes,
    speed_up,
)

__all__ = [
    "METHODS",
    "READINGS",
    "SCOPES",
    "Masks",
    "Ranks",
    "Round",
    "actual_sparsity",
    "apply",
    "counts",
    "cut",
    "dense_widths",
    "effective",
    "effective_sparsity",
    "essential_sizes",
    "fine_tuned",
    "fresh",
    "joined",
    "masks",
    "prune",
    "random_like",
    "rank",
    "rewound",
    "schedule",
    "shuffled",
    "speed_up",
    "synflow",
    "trained",
    "whole",
]
