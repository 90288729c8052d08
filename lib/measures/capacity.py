"""Tables of notebook 02: scores of the trained networks, and how they came to them."""

import pandas as pd

from lib.measures.base import frame
from lib.study import Run
from lib.training import auc, f1, logistic_loss


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
