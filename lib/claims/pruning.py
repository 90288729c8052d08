"""Claims decided by notebook 03.

All but `tickets` are about one-shot pruning by magnitude, layer by layer, in either reading.

networks: one row a network and condition, columns task, protocol, width, seed, method, reading,
scope, sparsity, f1, dead_units; and where other regimes and controls are in it, regime ("one_shot",
"fine_tuned", "rewound") and control ("none", "random", "shuffled", "fresh", "dense"). Sparsity 0
with control "none" is the dense network, under the regime whose others are compared with it.
"""

from itertools import product

import pandas as pd

from lib.claims.capacity import FIVE_ONLY, probe_error, rank_relation
from lib.claims.rules import (
    TOO_FEW,
    Finding,
    both,
    check_seeds,
    decides,
    difference,
    every,
    finding,
    named,
    passes,
    passing,
    select,
    untestable,
)
from lib.statistics import interval, qap
from lib.tasks import ALL_PAIRS, PUBLISHED_ORDER

SPARSITY = 0.95


def f1_by_sparsity(
    networks: pd.DataFrame, protocol: str, reading: str, **wanted: object
) -> pd.DataFrame:
    """F1 after one-shot pruning: a row a network (task, width, seed), a column a sparsity."""
    rows = one_shot(networks, protocol, reading, **wanted)
    return rows.set_index(["task", "width", "seed", "sparsity"]).f1.unstack("sparsity")


def one_shot(networks: pd.DataFrame, protocol: str, reading: str, **wanted: object) -> pd.DataFrame:
    """The rows of one-shot magnitude pruning by layer."""
    wanted |= {"regime": "one_shot", "control": "none"} if "regime" in networks else {}
    condition = {"protocol": protocol, "reading": reading, "method": "magnitude", "scope": "layer"}
    return select(networks, **condition, **wanted)


NOTICEABLE = 0.01


@decides("pruning.robust95", "03_pruning/networks")
def robust95(networks: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """pruning.robust95: the mean change of F1 at 95 % lies above -0.01, by pair and width."""
    f1 = f1_by_sparsity(
        networks,
        protocol,
        reading,
        sparsity=(0, SPARSITY),
        task=PUBLISHED_ORDER,
        width=(24, 64),
    )
    parts = {
        f"{task} at width {width}": difference(each[SPARSITY], each[0], -NOTICEABLE)
        for (task, width), each in f1.groupby(level=["task", "width"], sort=False)
    }
    return every(parts, protocol, -NOTICEABLE)


HARDER = ("3-8", "4-9")
MODERATE = (0.3, 0.5, 0.8)


@decides("pruning.regularises", "03_pruning/networks")
def regularises(networks: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """pruning.regularises: at 30, 50 or 80 % the mean F1 of 3-8 and 4-9 rises, after Holm.

    The mean of a level is over both pairs and all widths with hidden units, which weigh the same.
    Partly: on one of the pairs, after Holm over both pairs and three levels.
    """
    some = networks[networks.width > 0]
    f1 = f1_by_sparsity(some, protocol, reading, sparsity=(0, *MODERATE), task=HARDER)
    levels = {f"{100 * level:g} %": difference(f1[level], f1[0]) for level in MODERATE}
    by_pair = {
        f"{task} at {100 * level:g} %": difference(f1[level][task], f1[0][task])
        for task, level in product(HARDER, MODERATE)
    }
    check_seeds(levels, protocol)
    most = max(levels, key=lambda name: levels[name].effect)
    if found := passing(levels):
        return finding("supported", levels, most, f"holds at {', '.join(found)}")
    if found := passing(by_pair):
        return finding("partly", levels, most, f"holds for {', '.join(found)}")
    if None in map(passes, levels.values()):
        return finding("untestable", levels, most, TOO_FEW)
    return finding("not supported", levels, most)


@decides("pruning.essential_size", "03_pruning/essential_size", "01_tasks/difficulty")
def essential_size(
    sizes: pd.DataFrame, difficulty: pd.DataFrame, protocol: str, reading: str
) -> Finding:
    """pruning.essential_size: the weights that keep 95 % of F1 rise with difficulty, p < 0.01.

    sizes: one row a network of width 24 and reading, columns task, protocol, width, seed, reading,
    weights (the fewest that keep it); their mean over seeds is ranked. difficulty: as for capacity.
    """
    if protocol == "published":
        return untestable(FIVE_ONLY)
    rows = select(sizes, protocol=protocol, reading=reading, width=24, task=ALL_PAIRS)
    weights = rows.groupby("task").weights.mean()[list(ALL_PAIRS)]
    if weights.nunique() == 1:
        return untestable(f"all pairs keep their F1 with {weights.iloc[0]:.0f} weights, the fewest")
    return rank_relation(qap(probe_error(difficulty), weights), holds=True)


PUBLISHED_TABLE = {"0-1": 12, "3-8": 16, "4-9": 24}
"""The widths at which the study's Table 1 counts dead units."""


@decides("pruning.dead_units", "03_pruning/networks")
def dead_units(networks: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """pruning.dead_units: no network has a dead unit, dense or at 95 %.

    The effect is the largest mean share of dead units, over the three pairs, dense and pruned.
    """
    shares, n = {}, 0
    for task, width in PUBLISHED_TABLE.items():
        rows = one_shot(networks, protocol, reading, sparsity=(0, SPARSITY), task=task, width=width)
        for sparsity, each in rows.groupby("sparsity"):
            shares[task, sparsity] = each.dead_units / width
        n += rows.seed.nunique()
    alive = {t: all(shares[t, s].max() == 0 for s in (0, SPARSITY)) for t in PUBLISHED_TABLE}
    verdict, held = named(alive)
    means = {f"{task} {'pruned' if s else 'dense'}": e.mean() for (task, s), e in shares.items()}
    shown = ", ".join(f"{name} {share:.3f}" for name, share in means.items())
    note = "; ".join(filter(None, [held, f"shares: {shown}"]))
    return Finding(verdict, max(means.values()), n=n, note=note)


LEAST_CKA = 0.95
MOST_LOSS = 0.05


@decides("pruning.geometry", "03_pruning/geometry")
def geometry(hidden: pd.DataFrame, protocol: str, reading: str) -> Finding:
    """pruning.geometry: linear CKA of dense and pruned is 0.95, the silhouette falls by < 0.05.

    hidden: one row a network, columns task, protocol, width, seed, comparison ("pruned"; "seeds" is
    the CKA with the network of another seed), reading, sparsity, cka, silhouette (pruned),
    silhouette_dense. Means over seeds and widths; the effect is the CKA of the least pair.
    """
    rows = select(
        hidden, protocol=protocol, comparison="pruned", reading=reading, sparsity=SPARSITY
    )
    rows = rows.assign(loss=rows.silhouette_dense - rows.silhouette)
    means = rows.groupby("task", sort=False)[["cka", "loss"]].mean()
    verdict, held = named(((means.cka >= LEAST_CKA) & (means.loss < MOST_LOSS)).to_dict())
    least = means.cka.idxmin()
    values = rows[rows.task == least].groupby("seed").cka.mean()
    seeds = hidden[(hidden.protocol == protocol) & (hidden.comparison == "seeds")].cka
    shown = f"least on {least}; silhouette falls by {means.loss.max():.3f} at most"
    shown += f"; CKA of two seeds {seeds.mean():.2f}" if len(seeds) else ""
    note = "; ".join(filter(None, [held, shown]))
    return Finding(verdict, means.cka[least], *interval(values), len(values), note)


ONE_SHOT = "the study prunes in one shot, and three seeds give no interval"
"""The note of what needs networks that are trained on after pruning."""

CONTROLS = ("random", "shuffled", "fresh", "dense")


@decides("pruning.tickets", "03_pruning/networks")
def tickets(networks: pd.DataFrame, protocol: str) -> Finding:
    """pruning.tickets: iterative pruning to 95 % is within 0.01 of dense, above every control.

    By pair and width, layer by layer as the study prunes, with rewinding. The controls: a random
    mask of the same count per layer, the mask shuffled within layers, fresh initial weights on the
    mask, and a dense network with as many parameters; all stand at the width and sparsity of the
    network that they are compared with. The effect is the least lead over a control. (A mask
    shuffled over its whole layer is a random one; "shuffled" keeps each unit's number of weights
    too, which is the harder control.)
    """
    if protocol == "published":
        return untestable(ONE_SHOT)
    kind = {"regime": "rewound", "method": "magnitude", "scope": "layer"}
    rows = select(networks, protocol=protocol, **kind, sparsity=(0, SPARSITY))
    rows = select(rows, reading="as_described", control=("none", *CONTROLS), task=PUBLISHED_ORDER)
    parts, loss = {}, {}
    for (task, width), each in rows.groupby(["task", "width"], sort=False):
        f1 = each.set_index(["control", "sparsity", "seed"]).f1.sort_index()
        ticket, name = f1["none", SPARSITY], f"{task} at width {width}"
        parts[name] = both(*(difference(ticket, f1[control, SPARSITY]) for control in CONTROLS))
        loss[name] = (f1["none", 0] - ticket).mean()
    within = {name: value <= NOTICEABLE for name, value in loss.items()}
    found = every(parts, protocol, within=within)
    return found._replace(note=f"{found.note}; below dense by {max(loss.values()):.3f} at most")
