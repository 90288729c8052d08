"""Tables of notebook 05 on maps: how they look, how well they agree, and where they lie."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import pruning, saliency, study, tasks
from lib.measures.base import BOTH_READINGS, PIXELS, draws, frame, start, versions
from lib.population import Population
from lib.pruning import Criterion
from lib.study import Run


def saliency_maps(run: Run, method: str, sparsity: float, samples: int) -> pd.DataFrame:
    """Saliency of each network, dense and pruned by either reading, on rows chosen by rule.

    The rule: of each digit, the first `samples` scored rows that the dense network classifies
    rightly, and the first that it does not; fewer where there are fewer. method: "gradient"
    (signed) or "finite_difference". Columns network, digit, right, row, map ("image", "dense",
    "as_coded", "as_described"), probability (of the larger digit, from that network), and a
    column a pixel.
    """
    maps_of = {**saliency.METHODS, "gradient": saliency.gradient}[method]
    rows, digits, parts = run.shard.scored, tasks.digits(run.shard.task), []
    pruned_versions = versions(run.networks, sparsity)
    right = (run.networks.logits(rows.images) >= 0) == rows.labels.bool()
    for network, label, kind in itertools.product(range(len(right)), (0, 1), (True, False)):
        of_kind = (rows.labels == label) & (right[network] == kind)
        chosen = of_kind.nonzero().flatten()[:samples]
        images = rows.images[chosen]
        facts = {"network": network, "digit": digits[label], "right": kind, "row": chosen.numpy()}
        shown: dict[str, tuple[Tensor, object]] = {"image": (images, np.nan)}
        for name, version in pruned_versions.items():
            one = version.network(network)
            shown[name] = maps_of(one, images)[0], one.logits(images)[0].sigmoid().numpy()
        for name, (values, probability) in shown.items():
            table = pd.DataFrame({**facts, "map": name, "probability": probability})
            parts.append(table.join(pd.DataFrame(values.numpy(), columns=PIXELS)))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def agreement(run: Run, sparsity: float, rows: int, seeds: dict[str, list[int]]) -> pd.DataFrame:
    """Agreement of each dense network's saliency with that of another network, over lit pixels.

    comparison: its pruned self ("magnitude"); "random" masks of the same count per layer, the
    floor; and the dense network of the next seed that `seeds` names for the protocol ("seeds"), the
    ceiling, where it names another. The mean over those of the first `rows` scored rows that the
    dense network classifies rightly with a map that is not flat; n is their number, and flat the
    share of them at which the other map is: no unit that fires is left.
    """
    networks, scored, lit = run.networks, run.shard.scored, run.shard.split.lit
    images, labels = scored.images[:rows], scored.labels[:rows]
    right = (networks.logits(images) >= 0) == labels.bool()
    dense = {method: maps_of(networks, images) for method, maps_of in saliency.METHODS.items()}
    parts = []
    for facts, other in compared(run, sparsity, seeds):
        for method, maps in dense.items():
            others = saliency.METHODS[method](other, images)
            counted = right & ~saliency.flat(maps, lit)
            values = {name: f(maps, others, lit) for name, f in saliency.AGREEMENT.items()}
            values["flat"] = saliency.flat(others, lit).float()
            means = {k: torch.where(counted, v, torch.nan).nanmean(1) for k, v in values.items()}
            parts.append(frame(len(networks), method=method, **facts, **means, n=counted.sum(1)))
    return pd.concat(parts, ignore_index=True)


Compared = Iterator[tuple[dict[str, object], Population]]
"""What a dense network is compared with: comparison, reading and sparsity, and the networks."""


def compared(run: Run, sparsity: float, seeds: dict[str, list[int]]) -> Compared:
    """The networks that `agreement` sets the dense ones beside."""
    for criterion in (*BOTH_READINGS, Criterion("random")):
        pruned = pruning.prune(run.networks, sparsity, criterion, draws(run, criterion.method))
        facts = {"comparison": criterion.method, "reading": criterion.reading}
        yield {**facts, "sparsity": sparsity}, pruned
    shard, order = run.shard, seeds[run.shard.protocol.name]
    following = order[(order.index(shard.seed) + 1) % len(order)]
    if following != shard.seed:
        other = study.load_shard(replace(shard, seed=following)).networks
        yield {"comparison": "seeds", "reading": "", "sparsity": 0.0}, other


def strokes(run: Run, rows: int) -> pd.DataFrame:
    """How far maps concentrate on the strokes of each image, before training and after.

    Columns method, version ("trained"; "untrained", the same network's initial weights), ratio (the
    share of a map's mass on the image's lit pixels over their share of its area), ratio_inside (the
    same with the pixels that are ever lit for the whole), n. Means over those of the first `rows`
    scored rows whose map is not flat; n is their number.
    """
    images, lit = run.shard.scored.images[:rows], run.shard.split.lit
    ink, parts = images > 0, []
    versions = {"trained": run.networks, "untrained": start(run)}
    for (name, networks), (method, maps_of) in itertools.product(
        versions.items(), saliency.METHODS.items()
    ):
        maps = maps_of(networks, images)
        ratio = saliency.concentration(maps, ink)
        inside = saliency.concentration(maps[..., lit], ink[:, lit])
        parts.append(
            frame(
                len(networks),
                method=method,
                version=name,
                ratio=ratio.nanmean(1),
                ratio_inside=inside.nanmean(1),
                n=ratio.isfinite().sum(1),
            )
        )
    return pd.concat(parts, ignore_index=True)


def attention(run: Run) -> pd.DataFrame:
    """How much of a map lies on the pixels that tell the digits apart, in right and wrong rows.

    All scored rows that a network classifies wrongly, each beside the rightly classified row of the
    nearest confidence, the absolute logit (`saliency.matched`). Columns method, outcome ("right",
    "wrong"), share (of the map's mass on the tenth of all pixels at which the mean digits of the
    training rows differ most), confidence, both means over rows, and n, the number of rows. Share
    and confidence are NaN where a network has no wrong row, share also where all its maps are flat.
    """
    scored, parts = run.shard.scored, []
    pixels = saliency.discriminating(run.shard.split.train)
    logits = run.networks.logits(scored.images)
    right = (logits >= 0) == scored.labels.bool()
    for network, confidence in enumerate(logits.abs()):
        one = run.networks.select([network])
        wrong = (~right[network]).nonzero().flatten()
        alike = saliency.matched(confidence, wrong, right[network].nonzero().flatten())
        for outcome, chosen in {"right": alike, "wrong": wrong}.items():
            facts = {"network": network, "outcome": outcome, "n": len(chosen)}
            facts["confidence"] = float(confidence[chosen].mean())
            for method, maps_of in saliency.METHODS.items():
                shares = saliency.mass(maps_of(one, scored.images[chosen]), pixels)
                parts.append({**facts, "method": method, "share": float(shares.nanmean())})
    columns = ["network", "method", "outcome", "share", "confidence", "n"]
    return pd.DataFrame(parts, columns=columns)
