"""Which pixels a network looks at, how well two maps of it agree, and what a map is worth.

`maps` has the kinds of map, each in closed form; `agreement` compares two, `places` says where one
lies, and `faithfulness` what the pixels that it points at do to the logit. Maps are (networks,
rows, 784), signed or >= 0.
"""

from lib.saliency.agreement import AGREEMENT, flat
from lib.saliency.faithfulness import deletion_and_insertion
from lib.saliency.maps import METHODS, MapKind, maps
from lib.saliency.places import (
    concentration,
    discriminating,
    edges,
    mass,
    matched,
    mean_difference,
)
