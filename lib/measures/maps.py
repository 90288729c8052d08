"""Tables of notebook 05: saliency maps, and how well they agree."""

import itertools

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import pruning, saliency, tasks
from lib.measures.base import BOTH_READINGS, PIXELS, draws, frame, versions
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


def agreement(run: Run, sparsity: float, rows: int) -> pd.DataFrame:
    """Agreement of each dense network's saliency with that of its pruned self, over lit pixels.

    comparison: "magnitude" pruning, or "random" masks of the same count per layer as a floor. The
    mean over those of the first `rows` scored rows that the dense network classifies rightly with
    a map that is not flat; n is their number, and flat the share of them at which the pruned map
    is: no unit that fires is left.
    """
    networks, scored, lit = run.networks, run.shard.scored, run.shard.split.lit
    images, labels = scored.images[:rows], scored.labels[:rows]
    right = (networks.logits(images) >= 0) == labels.bool()
    dense = {method: maps_of(networks, images) for method, maps_of in saliency.METHODS.items()}
    parts = []
    for criterion in (*BOTH_READINGS, Criterion("random")):
        comparison, reading = criterion.method, criterion.reading
        other = pruning.prune(networks, sparsity, criterion, draws(run, comparison))
        for method, maps in dense.items():
            others = saliency.METHODS[method](other, images)
            counted = right & ~saliency.flat(maps, lit)
            values = {name: f(maps, others, lit) for name, f in saliency.AGREEMENT.items()}
            values["flat"] = saliency.flat(others, lit).float()
            means = {k: torch.where(counted, v, torch.nan).nanmean(1) for k, v in values.items()}
            parts.append(
                frame(
                    len(networks),
                    method=method,
                    comparison=comparison,
                    reading=reading,
                    sparsity=sparsity,
                    **means,
                    n=counted.sum(1),
                )
            )
    return pd.concat(parts, ignore_index=True)
