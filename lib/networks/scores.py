"""How well networks tell a pair apart: four scores and the loss, from their logits.

Logits are (networks, rows), labels (rows,) of 0 and 1; a logit >= 0 says class 1. A score is
(networks,), a fraction, and NaN for a network with a logit that is not finite.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

SCORES = ("f1", "f1_macro", "accuracy", "auc")
"""The scores that every network gets, wherever it is scored."""


def known(values: Tensor, logits: Tensor) -> Tensor:
    """Values of each network, (networks,), NaN where one of its logits is not finite.

    A comparison with NaN is false, so that a score would make a network of it that always names
    the same class.
    """
    return values + (logits * 0).sum(1).to(values.dtype)


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """Which rows each network classifies rightly, bool (networks, rows); none by a logit of NaN."""
    return ((logits >= 0) == labels.bool()) & logits.isfinite()


def scores(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """All of `SCORES`: F1 of class 1, the mean F1 of both classes, accuracy, area under the ROC."""
    both, said, ones = counts(logits, labels)
    rows = len(labels)
    neither = rows - said - ones + both
    first = f1_of(both, said, ones)
    return {
        "f1": first,
        "f1_macro": (first + f1_of(neither, rows - said, rows - ones)) / 2,
        "accuracy": (both + neither) / rows,
        "auc": auc(logits, labels).to(logits.dtype),
    }


def f1(logits: Tensor, labels: Tensor) -> Tensor:
    """F1 of class 1; 0 where nothing is, or is said to be, of it, as in scikit-learn."""
    return f1_of(*counts(logits, labels))


def counts(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How many rows are of class 1 and said to be, are said to be, (networks,), and are of it."""
    said = (logits >= 0).to(logits.dtype)
    return said @ labels, known(said.sum(1), logits), labels.sum()


def f1_of(both: Tensor, said: Tensor, of_it: Tensor) -> Tensor:
    """F1 of a class from the numbers of rows that are both, are said to be and are of it."""
    return 2 * both / (said + of_it).clamp(min=1)


def logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean logistic loss.

    Exact to single precision however small or large, for nothing is taken from anything.
    """
    return known(softplus(logits * (1 - 2 * labels)).mean(1), logits)


def auc(logits: Tensor, labels: Tensor) -> Tensor:
    """Area under the ROC curve.

    By the rank sum of class 1 (Hanley & McNeil 1982), ties counted half: the mean of the sums with
    class 1 behind and before its equals. The class takes the place of a logit's last bit, so that
    logits which differ in nothing else are equal too.
    """
    bits = (logits.float() + 0.0).view(torch.int32)  # -0 becomes 0
    keys = bits.bitwise_xor((bits >> 31) & 0x7FFFFFFF) & -2  # in the order of the logits
    label = labels.to(torch.int32)
    places = (ascending(keys | label) & 1) + (~ascending(keys | 1 - label) & 1)
    ranks = torch.arange(1, len(labels) + 1, dtype=torch.float64, device=labels.device)
    ones = labels.sum(dtype=torch.float64)
    above = places.double() @ ranks / 2 - ones * (ones + 1) / 2
    return known(above / (ones * (len(labels) - ones)), logits)


def ascending(keys: Tensor) -> Tensor:
    """Each row sorted; by NumPy on a processor, whose sort is vectorised."""
    if keys.is_cuda:
        return keys.sort(1).values
    return torch.from_numpy(np.sort(keys.numpy(), axis=1))
