"""Tables of notebook 05 on maps: how they look, where they lie, and what they are worth."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import saliency, tasks
from lib.errors import UserError
from lib.measures.base import PIXELS, Frames, frame, versions
from lib.networks.scores import right
from lib.study import Run


def saliency_maps(
    run: Run, method: str, sparsity: float, samples: int, signed: bool = False
) -> Frames:
    """Saliency of each network, dense and pruned by either reading, on rows chosen by rule.

    The rule: of each digit, the first `samples` scored rows that the dense network classifies
    rightly, and the first that it does not; fewer where there are fewer. Columns network, digit,
    right, row, map ("image", "dense", "as_coded", "as_described"), probability (of the larger
    digit, from that network), and a column a pixel.
    """
    rows, digits = run.shard.scored, tasks.digits(run.shard.task)
    pruned_versions = versions(run.networks, sparsity)
    is_right = right(run.networks.logits(rows.images), rows.labels)
    for network, label, kind in itertools.product(range(len(is_right)), (0, 1), (True, False)):
        of_kind = (rows.labels == label) & (is_right[network] == kind)
        chosen = of_kind.nonzero().flatten()[:samples]
        images = rows.images[chosen]
        facts = {"network": network, "digit": digits[label], "right": kind, "row": chosen.numpy()}
        shown: dict[str, tuple[Tensor, object]] = {"image": (images, np.nan)}
        for name, version in pruned_versions.items():
            one = version.network(network)
            shown[name] = (
                saliency.maps(one, images, method, signed)[0],
                one.logits(images)[0].sigmoid().numpy(),
            )
        for name, (values, probability) in shown.items():
            table = pd.DataFrame({**facts, "map": name, "probability": probability})
            if len(table):
                yield table.join(pd.DataFrame(values.numpy(), columns=PIXELS))


def first(run: Run, rows: int) -> tuple[Tensor, Tensor]:
    """The first `rows` scored images and their labels; raises `UserError` for fewer than one."""
    if rows < 1:
        raise UserError(f"rows {rows} is not allowed: give 1 or more")
    return run.shard.scored.images[:rows], run.shard.scored.labels[:rows]


def strokes(run: Run, methods: Sequence[str], rows: int) -> Frames:
    """How far maps concentrate on the strokes of each image, before training and after.

    Columns method, version ("trained"; "untrained", the same network's initial weights), ratio (the
    share of a map's mass on the image's lit pixels over their share of its area), ratio_inside (the
    same with the pixels that are ever lit for the whole), n. Means over those of the first `rows`
    scored rows whose map is not flat; n is their number.
    """
    (images, _), lit = first(run, rows), run.shard.split.lit
    ink = images > 0
    versions = {"trained": run.networks, "untrained": run.shard.initial()}
    for (name, networks), method in itertools.product(versions.items(), methods):
        maps = saliency.maps(networks, images, method)
        ratio = saliency.concentration(maps, ink)
        inside = saliency.concentration(maps[..., lit], ink[:, lit])
        yield frame(
            len(networks),
            method=method,
            version=name,
            ratio=ratio.nanmean(1),
            ratio_inside=inside.nanmean(1),
            n=ratio.isfinite().sum(1),
        )


def attention(run: Run, methods: Sequence[str]) -> pd.DataFrame:
    """How much of a map lies on the pixels that tell the digits apart, in right and wrong rows.

    All scored rows that a network classifies wrongly, each beside the rightly classified row of the
    nearest confidence, the absolute logit (`saliency.matched`). Columns method, outcome ("right",
    "wrong"), share (of the map's mass on the tenth of all pixels at which the mean digits of the
    training rows differ most), confidence, both means over the rows whose map is not flat, and n,
    the number of those. Share and confidence are NaN where there is none, as where no row is wrong.
    """
    scored, parts = run.shard.scored, []
    pixels = saliency.discriminating(run.shard.split.train)
    logits = run.networks.logits(scored.images)
    is_right = right(logits, scored.labels)
    for network, confidence in enumerate(logits.abs()):
        one = run.networks.select([network])
        wrong = (~is_right[network]).nonzero().flatten()
        alike = saliency.matched(confidence, wrong, is_right[network].nonzero().flatten())
        for outcome, chosen in {"right": alike, "wrong": wrong}.items():
            facts = {"network": network, "outcome": outcome}
            for method in methods:
                maps = saliency.maps(one, scored.images[chosen], method)
                [shares] = saliency.mass(maps, pixels)
                counted = shares.isfinite()
                parts.append(
                    {
                        **facts,
                        "method": method,
                        "share": float(shares[counted].mean()),
                        "confidence": float(confidence[chosen][counted].mean()),
                        "n": int(counted.sum()),
                    }
                )
    columns = ["network", "method", "outcome", "share", "confidence", "n"]
    return pd.DataFrame(parts, columns=columns)


def faithfulness(run: Run, methods: Sequence[str], rows: int) -> Frames:
    """What ink that a map points at does to the logit, against ink taken in random order.

    Columns method ("random" beside `methods`), signed (whether ink goes first that speaks most for
    the network's answer, or that has the largest value of either sign), deletion and insertion (the
    area under the curves of `saliency.deletion_and_insertion`, of mean logits over that of whole
    images), n. Means over those of the first `rows` scored rows that are classified rightly, which
    n counts.
    """
    networks, (images, labels) = run.networks, first(run, rows)
    logits = networks.logits(images)
    is_right = right(logits, labels)
    sign = torch.where(logits >= 0, 1.0, -1.0)[..., None]
    shuffles = [
        torch.rand(images.shape, generator=draw) for draw in run.shard.draws("faithfulness")
    ]
    orders = {("random", False): torch.stack(shuffles)}
    for method in methods:
        maps = saliency.maps(networks, images, method, signed=True)
        orders |= {(method, True): maps * sign, (method, False): maps.abs()}
    for (method, signed), order_ in orders.items():
        curves = saliency.deletion_and_insertion(networks, images, order_)
        means = torch.where(is_right, curves, torch.nan).nanmean(-1)
        deletion, insertion = torch.trapezoid(means / means[0, 0], dim=1) / (means.shape[1] - 1)
        values = {"deletion": deletion, "insertion": insertion, "n": is_right.sum(1)}
        yield frame(len(networks), method=method, signed=signed, **values)
