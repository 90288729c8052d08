"""How much of a network is left: counted, as far as it has an effect, and as little as suffices."""

from collections.abc import Callable

import torch
from torch import Tensor

from lib.networks.layers import Masks
from lib.networks.population import Population
from lib.networks.scores import f1
from lib.pruning.masking import Ranks, apply, beyond, competing
from lib.tasks import Rows

GRID = (*(step / 20 for step in range(1, 19)), 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0)
"""The sparsities at which `essential_sizes` looks before it bisects, no weight at all the last."""


def by_network(networks: Population, units: Tensor) -> Tensor:
    """The sum of some counts by unit, (units,), over the units of each network: (networks,)."""
    counts = torch.zeros(len(networks), dtype=torch.int64, device=units.device)
    return counts.index_add_(0, networks.owner, units.long())


def counts(networks: Population, kept: Masks) -> Tensor:
    """How many weights the masks keep, both layers together: int64 (networks,)."""
    return by_network(networks, kept.layer1.sum(0) + kept.layer2)


def dense_counts(networks: Population) -> Tensor:
    """How many weights the dense networks have, biases not counted: int64 (networks,)."""
    return (len(networks.weight1) + 1) * by_network(networks, torch.ones_like(networks.owner))


def actual_sparsity(networks: Population, kept: Masks, lit: Tensor) -> dict[str, Tensor]:
    """The share of weights that the masks leave out, per network (networks,), each in [0, 1].

    layer1, layer2: of a layer; overall: of both; lit: of both, counting in the first layer only
    the pixels that are lit, bool (features,), in some training row.
    """
    layer2 = by_network(networks, ~kept.layer2).double()
    layer1, layer1_lit = (
        by_network(networks, (~mask).sum(0)).double() for mask in (kept.layer1, kept.layer1[lit])
    )
    widths = by_network(networks, torch.ones_like(networks.owner))
    features, lit_features = len(networks.weight1), int(lit.sum())
    return {
        "layer1": layer1 / (features * widths),
        "layer2": layer2 / widths,
        "overall": (layer1 + layer2) / ((features + 1) * widths),
        "lit": (layer1_lit + layer2) / ((lit_features + 1) * widths),
    }


def effective(kept: Masks, lit: Tensor) -> Masks:
    """The kept weights on a path from a lit pixel, bool (features,), to the output.

    What is left out besides are dead ends: weights of a unit without an output, and the output of a
    unit without an input (Vysogorets & Kempe 2023).
    """
    layer1 = kept.layer1 & lit[:, None] & kept.layer2
    return Masks(layer1, layer1.any(0))


def effective_sparsity(networks: Population, kept: Masks, lit: Tensor) -> dict[str, Tensor]:
    """The share of weights on no path from input to output, per network (networks,).

    overall: of all weights, with paths from any pixel; lit: of the weights of the lit pixels and
    the second layer, with paths from lit pixels. `lit` is bool (features,).
    """
    anywhere = effective(kept, torch.ones_like(lit))
    return {
        "overall": actual_sparsity(networks, anywhere, lit)["overall"],
        "lit": actual_sparsity(networks, effective(kept, lit), lit)["lit"],
    }


def speed_up(networks: Population, kept: Masks) -> Tensor:
    """Multiplications for an image, dense over pruned: the theoretical speed-up, (networks,).

    One for each weight that the masks keep, dead ends included; infinite where they keep none.
    """
    return dense_counts(networks).double() / counts(networks, kept)


def without(networks: Population, ranks: Ranks, gone: Tensor) -> Masks:
    """The masks that leave out `gone` weights of each network, int64 (networks,), by its ranks.

    Where each layer is ranked by itself, both lose the same share, to whole weights.
    """
    features = len(networks.weight1)
    one, two = (gone * by_unit // (features + 1) for by_unit in competing(ranks.scope, features))
    return beyond(networks, ranks, one, two)


def essential_sizes(networks: Population, ranks: Ranks, rows: Rows, share: float = 0.95) -> Tensor:
    """The fewest weights that keep `share` of each network's dense F1 on `rows`: int64 (networks,).

    F1 need not fall steadily as weights go, so this is where it first falls below: beyond the
    highest sparsity of `GRID` at which, as at all lower ones, it does not, and from there to the
    next by bisection to the exact count. A dip between two sparsities of `GRID` is not seen. The
    size is 0 where networks without any weight keep as much.
    """
    bar = share * f1(networks.logits(rows.images), rows.labels)

    def enough(gone: Tensor) -> Tensor:
        """Whether each network without its `gone` lowest weights still reaches the bar."""
        pruned = apply(networks, without(networks, ranks, gone))
        return f1(pruned.logits(rows.images), rows.labels) >= bar

    gone = bisect(*bracket(dense_counts(networks), enough), enough)
    return counts(networks, without(networks, ranks, gone))


def bracket(sizes: Tensor, enough: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """How many of `sizes` weights may go by `GRID`, and the next number, which is too many."""
    fewer, more = torch.zeros_like(sizes), sizes
    reached = torch.ones_like(sizes, dtype=torch.bool)
    for sparsity in GRID:
        gone = (sparsity * sizes.double()).long()
        good = enough(gone)
        more = torch.where(reached & ~good, gone, more)
        reached = reached & good
        fewer = torch.where(reached, gone, fewer)
        if not reached.any():
            break
    return fewer, more


def bisect(fewer: Tensor, more: Tensor, enough: Callable[[Tensor], Tensor]) -> Tensor:
    """A number from `fewer`, which is enough, to below `more` that is enough, the next one not."""
    while bool((more - fewer > 1).any()):
        middle = (fewer + more) // 2
        good = enough(middle)
        fewer, more = torch.where(good, middle, fewer), torch.where(good, more, middle)
    return fewer
