"""Tables of one run: what is asked of its networks, one row a network and condition.

A measure takes a run and yields tables whose column `network` is the network's place in it; others
here take such a table and sum it up. A module whose tables are kept names in `RESTS_ON` the files
that they rest on. Scores are taken on the rows that the protocol names: the held-out 20 % or the
official test file.
"""

from lib.measures.agreement import COMPARED, agreement, agreement_summary, corrupted_maps
from lib.measures.audited import fine_tuned, rewound
from lib.measures.base import BOTH_READINGS, LEFT, PIXELS, criteria
from lib.measures.capacity import (
    ablation_table,
    capacity,
    curves,
    minimum_widths,
    models,
    printed,
    relations,
    under_budget,
)
from lib.measures.corrupted import corrupted, corruption_examples, occluded, width_differences
from lib.measures.exact import exact_accuracy, least_changes
from lib.measures.expected import expected
from lib.measures.leads import beside_logistic, leads, leads_by_task
from lib.measures.maps import attention, faithfulness, saliency_maps, strokes
from lib.measures.neurons import ablation, ablation_again
from lib.measures.power import detectable, pruning_changes
from lib.measures.pruned import (
    CONDITION,
    boundaries,
    change,
    clusters,
    dead_units,
    embedded,
    essential,
    geometry,
    highest_sparsities,
    of_seeds,
    pruned,
    removed,
)
