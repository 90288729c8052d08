"""Tables of one run: what is asked of its networks, one row a network and condition.

Each function takes a run and returns a table whose column `network` is the network's place in it.
Scores are taken on the rows that the protocol names: the held-out 20 % or the official test file.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor

from lib import pruning, saliency, seeds
from lib.corruptions import AMOUNTS, amount, corrupt
from lib.neurons import count_by_network, dead
from lib.population import Population
from lib.study import Run
from lib.tasks import Rows
from lib.training import f1, logistic_loss


def auc(logits: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve of each network, (networks,), from logits (networks, rows).

    By ranks (Hanley & McNeil 1982), ties counted half.
    """
    ranks = torch.from_numpy(rankdata(logits.numpy(), axis=1))
    positive = labels.double()
    ones, zeros = positive.sum(), (1 - positive).sum()
    return (ranks @ positive - ones * (ones + 1) / 2) / (ones * zeros)


def frame(networks: int, **columns: object) -> pd.DataFrame:
    """A table with the column `network` and others; tensors become plain numbers."""
    values = {k: v.numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    return pd.DataFrame({"network": np.arange(networks), **values})


def capacity(run: Run) -> pd.DataFrame:
    """Scores of the trained networks on every part of their split.

    f1_train_best is the best F1 on the training rows over the epochs, as the published study
    scores: of the networks before each epoch's step, or, in mini-batches, as the batches were met.
    """
    split, networks = run.shard.split, run.networks
    logits = {p: networks.logits(getattr(split, p).images) for p in ("train", "held_out", "test")}
    history = run.curves["f1_train"]
    met = history[:-1] if run.shard.protocol.batch is None else history
    return frame(
        len(networks),
        f1_train_best=met.nan_to_num(0).amax(0),
        f1_train=f1(logits["train"], split.train.labels),
        f1_val=f1(logits["held_out"], split.held_out.labels),
        f1_test=f1(logits["test"], split.test.labels),
        auc_test=auc(logits["test"], split.test.labels),
        loss_train=logistic_loss(logits["train"], split.train.labels),
    )


def curves(run: Run, every: int = 1) -> pd.DataFrame:
    """The learning curves: columns network, epoch, curve, value."""
    parts = []
    for name, values in run.curves.items():
        epochs, networks = values.shape
        for epoch in range(0, epochs, every):
            parts.append(frame(networks, epoch=epoch, curve=name, value=values[epoch]))
    return pd.concat(parts, ignore_index=True).dropna()


def conditions(methods: Sequence[str]) -> list[tuple[str, str, str]]:
    """The pruning conditions (method, reading, scope): both readings of magnitude by layer, and
    as described the other methods, and magnitude over both layers together."""
    both = [("magnitude", reading, "layer") for reading in ("as_coded", "as_described")]
    return [
        *(both if "magnitude" in methods else []),
        *([("magnitude", "as_described", "global")] if "magnitude" in methods else []),
        *((method, "as_described", "layer") for method in methods if method != "magnitude"),
    ]


def scores(networks: Population, rows: Rows) -> dict[str, Tensor]:
    """F1, AUC and the number of dead units on some rows, each (networks,)."""
    hidden = networks.hidden(rows.images)
    logits = networks.read(hidden)
    return {
        "f1": f1(logits, rows.labels),
        "auc": auc(logits, rows.labels),
        "dead_units": count_by_network(networks, dead(hidden)),
    }


def pruned(run: Run, sparsities: Sequence[float], methods: Sequence[str]) -> pd.DataFrame:
    """One-shot pruning at each sparsity, sparsity 0 (dense) first, in every condition.

    Columns: method, reading, scope, sparsity (asked for), sparsity_actual (overall), f1, auc,
    dead_units, and sparsity_layer1, sparsity_layer2, sparsity_lit.
    """
    networks, rows, lit = run.networks, run.shard.scored, run.shard.split.lit
    parts = []
    for method, reading, scope in conditions(methods):
        draw = seeds.generator(run.shard.dataset, run.shard.task, method, run.shard.seed)
        ranks = pruning.rank(networks, method, scope, draw)
        for sparsity in (0.0, *sparsities):
            kept = pruning.masks(networks, ranks, sparsity, reading)
            actual = pruning.actual_sparsity(networks, kept, lit)
            parts.append(
                frame(
                    len(networks),
                    method=method,
                    reading=reading,
                    scope=scope,
                    sparsity=sparsity,
                    sparsity_actual=actual.pop("overall"),
                    **scores(pruning.apply(networks, kept), rows),
                    **{f"sparsity_{part}": share for part, share in actual.items()},
                )
            )
    return pd.concat(parts, ignore_index=True)


def corrupted(run: Run, corruptions: Sequence[str]) -> pd.DataFrame:
    """F1 by corruption and severity, 0 (clean) to 5; all widths see the same corrupted rows."""
    networks, rows, shard = run.networks, run.shard.scored, run.shard
    parts = []
    for name in corruptions:
        for severity in range(len(AMOUNTS[name]) + 1):
            draw = seeds.generator(shard.dataset, shard.task, name, severity, shard.seed)
            images = corrupt(rows.images, name, severity, draw)
            score = f1(networks.logits(images), rows.labels)
            unit = amount(name, severity)
            parts.append(
                frame(len(networks), corruption=name, severity=severity, amount=unit, f1=score)
            )
    return pd.concat(parts, ignore_index=True)


def agreement(run: Run, sparsity: float, rows: int) -> pd.DataFrame:
    """Agreement of each dense network's saliency with that of its pruned self.

    comparison: "magnitude" pruning, or "random" masks of the same count per layer as a floor. The
    mean over the first `rows` scored rows that the dense network classifies rightly, over lit
    pixels; n is their number.
    """
    networks, scored, lit = run.networks, run.shard.scored, run.shard.split.lit
    images, labels = scored.images[:rows], scored.labels[:rows]
    right = (networks.logits(images) >= 0) == labels.bool()
    draw = seeds.generator(run.shard.dataset, run.shard.task, "agreement", run.shard.seed)
    parts = []
    for comparison, reading, scope in conditions(["magnitude", "random"]):
        if scope == "global":
            continue
        other = pruning.prune(networks, sparsity, reading, comparison, scope, draw)
        for method, maps_of in saliency.METHODS.items():
            maps, others = maps_of(networks, images), maps_of(other, images)
            values = {
                name: torch.where(right, compare(maps, others, lit), torch.nan).nanmean(1)
                for name, compare in saliency.AGREEMENT.items()
            }
            parts.append(
                frame(
                    len(networks),
                    method=method,
                    comparison=comparison,
                    reading=reading,
                    sparsity=sparsity,
                    **values,
                    n=right.sum(1),
                )
            )
    return pd.concat(parts, ignore_index=True)
