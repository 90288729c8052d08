"""Tables of notebook 05 on how well two maps agree: of two networks, and of two images."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pandas as pd
import torch
from torch import Tensor

from lib import pruning, saliency, study
from lib.measures.base import BOTH_READINGS, Frames, frame, masks_at, of_next_seed
from lib.measures.maps import first
from lib.measures.permuted import permuted
from lib.measures.versions import pruned_networks
from lib.networks.population import Population
from lib.networks.scores import right
from lib.pruning import Criterion
from lib.robustness.corruptions import SEVERITIES, amount, corrupt
from lib.statistics import summary
from lib.study import Run, Shard

RESTS_ON = (
    *("measures/audited.py", "measures/base.py", "measures/maps.py", "measures/permuted.py"),
    *("measures/versions.py", "networks/neurons.py", "networks/perturbed.py"),
    *("pruning", "robustness/corruptions.py", "robustness/moved.py", "robustness/overlaid.py"),
    *("robustness/pixelwise.py", "saliency", "statistics"),
)


def agreement(
    run: Run,
    methods: Sequence[str],
    sparsities: Sequence[float],
    rows: int,
    seeds: Sequence[int],
    controlled: bool = False,
    again: Sequence[int] | None = None,
    steps: int | None = None,
) -> Frames:
    """Agreement of each dense network's saliency with that of another network, over lit pixels.

    comparison: its pruned self ("magnitude", by regime and reading); "random" masks of the same
    count per layer, a floor; and the dense network of the next of `seeds` ("seeds"), the ceiling,
    where there is another. With `controlled`, the comparisons of `controls` and `fixed` too; at the
    seeds of `again`, networks that are trained again, pruned ones for `steps`. The mean over those
    of the first `rows` scored rows that the dense network classifies rightly with a map that is not
    flat, none where the other network is not finite; n is their number, and flat the share of them
    at which the other map is: no unit that fires is left.
    """
    networks, lit = run.networks, run.shard.split.lit
    images, labels = first(run, rows)
    is_right = right(networks.logits(images), labels)
    others: list[Other] = list(compared(run, sparsities, seeds))
    if controlled:
        others += controls(run)
        others += fixed(run, images)
    if run.shard.seed in (again or []):
        others += trained_again(run, sparsities, steps)
    for method in methods:
        signed = saliency.maps(networks, images, method, signed=True)
        dense = Described(method, signed, lit)
        counted = is_right & ~dense.flat
        for facts, other in others:
            there = counted
            if isinstance(other, Population):
                there = counted & other.finite[:, None]
                other = saliency.maps(other, images, method, signed=True)
            means = dense.mean_agreement(Described(method, other, lit), there)
            yield frame(len(networks), method=method, **facts, **means)


class Described:
    """Maps as every measure of agreement needs them, and at which rows they are flat."""

    def __init__(self, method: str, signed: Tensor, lit: Tensor) -> None:
        unsigned = saliency.METHODS[method].unsigned(signed)
        self.flat = saliency.flat(unsigned, lit)
        self.parts = {
            name: measure.describe(signed if measure.signed else unsigned, lit)
            for name, measure in saliency.AGREEMENT.items()
        }

    def mean_agreement(self, other: "Described", counted: Tensor) -> dict[str, Tensor]:
        """Every measure of agreement, and how often the other map is flat, each (networks,).

        counted: bool (networks, rows), the rows that the means are taken over; n is their number.
        """
        values = {
            name: measure.compare(self.parts[name], other.parts[name])
            for name, measure in saliency.AGREEMENT.items()
        }
        values["flat"] = other.flat.float().expand_as(counted)
        means = {k: torch.where(counted, v, torch.nan).nanmean(1) for k, v in values.items()}
        return {**means, "n": counted.sum(1)}


Other = tuple[dict[str, object], Population | Tensor]
"""What a dense network is compared with: the columns that say what, and networks or signed maps."""


def named(
    comparison: str, regime: str = "", reading: str = "", sparsity: float = 0.0
) -> dict[str, object]:
    """The columns that say what a dense network is compared with."""
    facts = {"comparison": comparison, "regime": regime, "reading": reading}
    return {**facts, "sparsity": sparsity}


def compared(run: Run, sparsities: Sequence[float], seeds: Sequence[int]) -> Iterator[Other]:
    """The networks that `agreement` always sets the dense ones beside."""
    for criterion in (*BOTH_READINGS, Criterion("random")):
        masks = masks_at(run, sparsities, criterion)
        for sparsity, kept in zip(sparsities, masks, strict=True):
            facts = named(criterion.method, "one_shot", criterion.reading, sparsity)
            yield facts, pruning.apply(run.networks, kept)
    if (other := of_next_seed(run, seeds)) is not None:
        yield named("seeds"), other


def controls(run: Run) -> Iterator[Other]:
    """Networks that a map which explains its network should not agree with.

    "untrained": the same networks before training. Weights drawn anew from the output to the input
    (Adebayo et al. 2018): "readout", of the last layer, and "layers", of both.
    """
    shard, networks = run.shard, run.networks
    name = shard.protocol, shard.dataset, shard.task
    drawn = pruning.fresh(*name, list(shard.widths), shard.seed)
    yield named("untrained"), shard.initial()
    yield named("readout"), replace(networks, weight2=drawn.weight2, bias2=drawn.bias2)
    yield named("layers"), drawn


def fixed(run: Run, images: Tensor) -> Iterator[Other]:
    """Maps that know nothing of the network: the mean digits' difference, and the image's edges."""
    mean = saliency.mean_difference(run.shard.split.train)
    yield named("class_means"), mean.expand(1, len(images), -1)
    yield named("edges"), saliency.edges(images)[None]


def trained_again(run: Run, sparsities: Sequence[float], steps: int | None) -> Iterator[Other]:
    """Networks pruned as described and trained on, and those trained on permuted labels."""
    for regime in ("fine_tuned", "rewound"):
        found = pruned_networks(run, regime, sparsities, steps)
        for sparsity, networks in zip(sparsities, found, strict=True):
            yield named("magnitude", regime, "as_described", sparsity), networks
    yield named("permuted"), study.kept_networks(run, permuted)


COMPARED = ["method", "comparison", "regime", "reading", "sparsity"]
"""The columns of `agreement` that say what is compared with what."""


def agreement_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds, sd, interval of 95 % and n (networks) of every measure of `agreement`.

    table: of `agreement`, with the networks' identity. A row a pair, protocol, width, condition and
    measure; networks that had no row to compare are left out.
    """
    by = ["dataset", "task", "protocol", "width", *COMPARED]
    counted = table[table.n > 0]
    parts = {name: summary(counted, by, name) for name in (*saliency.AGREEMENT, "flat")}
    found = pd.concat(parts, names=["measure", None]).reset_index("measure")
    return found[[*by, "measure", "mean", "sd", "low", "high", "n"]].reset_index(drop=True)


def corrupted_maps(
    run: Run, methods: Sequence[str], corruptions: Sequence[str], rows: int
) -> Frames:
    """Agreement of a map of the corrupted image with that of the clean one, by severity.

    Columns method, corruption, severity, amount, same_answer (the share of rows that get the same
    answer corrupted as clean), the measures of agreement, flat, n. corruption "none" is the floor:
    the map of the next image beside that of the clean one. Means over those of the first `rows`
    scored rows that are classified rightly clean with a map that is not flat; n is their number.
    """
    networks, lit, shard = run.networks, run.shard.split.lit, run.shard
    images, labels = first(run, rows)
    logits = networks.logits(images)
    for method in methods:
        clean = Described(method, saliency.maps(networks, images, method, signed=True), lit)
        counted = right(logits, labels) & ~clean.flat
        for facts, changed in altered(shard, images, corruptions):
            maps = saliency.maps(networks, changed, method, signed=True)
            same = right(networks.logits(changed), labels) & counted
            means = clean.mean_agreement(Described(method, maps, lit), counted)
            facts["same_answer"] = same.sum(1) / counted.sum(1)
            yield frame(len(networks), method=method, **facts, **means)


def altered(
    shard: Shard, images: Tensor, corruptions: Sequence[str]
) -> Iterator[tuple[dict[str, object], Tensor]]:
    """Each image's successor, and the images under each corruption and severity."""
    yield {"corruption": "none", "severity": 0, "amount": 0.0}, images.roll(-1, 0)
    for name, severity in product(corruptions, SEVERITIES):
        draw = shard.generator("maps", name, severity)
        facts = {"corruption": name, "severity": severity, "amount": amount(name, severity)}
        yield facts, corrupt(images, name, severity, draw)
