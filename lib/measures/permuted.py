"""Networks trained on permuted labels: what training leaves where nothing can be learned."""

from dataclasses import replace

import torch

from lib import seeds
from lib.measures.audited import order
from lib.measures.base import start
from lib.networks import training
from lib.networks.population import Population
from lib.study import Run
from lib.tasks import Rows


def permuted(run: Run) -> Population:
    """The networks of a run trained anew by its protocol, on labels that say nothing."""
    shard, split = run.shard, run.shard.split
    draw = seeds.generator(shard.dataset, shard.task, "permuted", shard.seed)
    train, held_out = (
        Rows(rows.images, rows.labels[torch.randperm(len(rows), generator=draw)])
        for rows in (split.train, split.held_out)
    )
    begin, without = start(run), replace(split, train=train, held_out=held_out)
    return training.train(begin, without, shard.protocol, order(run))[0]
