"""A check of notebook 04: the mean logit under noise in closed form, beside one that is drawn."""

import pandas as pd
import torch

from lib.measures.base import frame
from lib.networks.perturbed import expected_logits
from lib.robustness.corruptions import amount
from lib.study import Run
from lib.tasks.datasets import SIDE

ROWS = 20
"""How many rows of a network the mean is taken for, each by itself."""


def expected(run: Run, severity: int, draws: int) -> pd.DataFrame:
    """How far the mean logit of drawn noise is from its closed form, in standard errors.

    The noise is that of `severity`, not clipped, drawn so many times for each of the first `ROWS`
    rows. Columns sigma, rows, draws; largest, the largest deviation over the rows, and
    mean_square, the mean over rows of its square, which is 1 on average where both agree.
    """
    shard, images = run.shard, run.shard.scored.images[:ROWS]
    sigma = amount("gaussian_noise", severity)
    draw = shard.generator("expected", severity)
    noise = torch.randn(draws, len(images), SIDE**2, generator=draw)
    logits = run.networks.logits((images + sigma * noise).flatten(0, 1)).double()
    drawn = logits.reshape(-1, draws, len(images))
    exact = expected_logits(run.networks, images, sigma)
    off = (drawn.mean(1) - exact) / (drawn.std(1) / draws**0.5)
    facts = {"sigma": sigma, "rows": len(images), "draws": draws}
    found = {"largest": off.abs().amax(1), "mean_square": off.square().mean(1)}
    return frame(len(run.networks), **facts, **found)
