"""Networks trained on permuted labels: what training leaves where nothing can be learned."""

from dataclasses import replace

import torch

from lib.networks import training
from lib.networks.population import Population
from lib.study import Run
from lib.tasks import Rows

RESTS_ON = ()


def permuted(run: Run) -> Population:
    """The networks of a run trained anew by its protocol, on labels that say nothing."""
    shard, split = run.shard, run.shard.split
    draw = shard.generator("permuted")
    train, held_out = (
        Rows(rows.images, rows.labels[torch.randperm(len(rows), generator=draw)])
        for rows in (split.train, split.held_out)
    )
    without = replace(split, train=train, held_out=held_out)
    return training.train(shard.initial(), without, shard.protocol, shard.order())[0]
