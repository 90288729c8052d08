"""Whether any image of a region is an adversary: branch and bound on the bounds of `bounds`.

Only a unit that takes away from the margin and may have either sign keeps a bound from being exact.
A node is cut in two at the input 0 of the unit whose chord is farthest off; in either half the unit
is linear, and a multiplier keeps the half's constraint, which is one more free slope (Wang et al.
2021). Nodes of all rows are bounded together, as matrix products. What is asked is the question of
a mixed-integer programme (Tjeng, Xiao & Tedrake 2019), whose binary variables are these same units;
on the networks here this way takes about a hundredth of the time of the solver in `exact`, which
the tests hold it against.
"""

from dataclasses import replace

import torch
from torch import Tensor

from lib.networks.population import Population
from lib.robustness.adversary.bounds import SLACK, STEPS, Nodes, Problem, ascend, roots
from lib.robustness.adversary.regions import wrong
from lib.tasks import Rows

NODES = 2000
"""How many nodes a row may have before it is left undecided."""

AT_ONCE, STEPS_IN_A_NODE = 512, 3
"""Nodes that are bounded together, and the steps of their ascent; more of either is slower."""

ROBUST, BROKEN, UNDECIDED = 1, -1, 0


def decide(problem: Problem, network: Population, rows: Rows, nodes: int = NODES) -> Tensor:
    """`ROBUST`, `BROKEN` or `UNDECIDED` for each row's region: int8 (rows,).

    network: the one of `problem`, in its own precision: a row is broken only by an image that this
    network misclassifies. A node with nothing left to cut goes on with its ascent. A row is
    undecided after `nodes` nodes, however long they take: what is found depends on no clock.
    """
    status = torch.full((len(rows),), UNDECIDED, dtype=torch.int8)
    spent = torch.zeros(len(rows), dtype=torch.int64)
    waiting, steps = roots(problem), STEPS
    while len(waiting.row):
        batch, waiting = waiting.take(slice(-AT_ONCE, None)), waiting.take(slice(0, -AT_ONCE))
        found = ascend(problem, batch, steps)
        steps = STEPS_IN_A_NODE
        spent.index_add_(0, batch.row, torch.ones_like(batch.row))
        beaten = found.margin <= 0
        broken = broken_by(problem, network, rows, batch.row[beaten], found.found_at[beaten])
        status[broken] = BROKEN
        unsure = ~(found.bound > SLACK)  # so that NaN certifies nothing
        cut = (unsure & batch.bent.any(1)).nonzero().flatten()
        on = (unsure & ~batch.bent.any(1)).nonzero().flatten()
        halves = halved(problem, batch.take(cut), found.slopes[cut], found.inputs[cut])
        further = replace(batch.take(on), slopes=found.slopes[on])
        waiting = joined([waiting, further, *halves])
        left = (status == UNDECIDED) & (spent < nodes)
        closed = torch.ones_like(left).index_fill_(0, waiting.row, False)
        status[left & closed] = ROBUST
        waiting = waiting.take(left[waiting.row])
    return status


def broken_by(
    problem: Problem, network: Population, rows: Rows, row: Tensor, slopes: Tensor
) -> Tensor:
    """The rows among `row` whose image at these slopes is misclassified by the network itself."""
    images = problem.image(row, slopes).to(network.weight1.dtype)
    return row[wrong(network.logits(images)[0], rows.labels[row])] if len(row) else row


def halved(problem: Problem, nodes: Nodes, slopes: Tensor, inputs: Tensor) -> list[Nodes]:
    """Each node as two: with the unit whose chord is farthest off on, and with it off.

    slopes, inputs: those of the node's best bound.
    """
    weights = problem.weights[nodes.row]
    gap = weights * inputs.relu() - (slopes * inputs + nodes.offset)
    unit = gap.masked_fill(~nodes.bent, -1).argmax(1)[:, None]
    weight, nothing = weights.gather(1, unit), torch.zeros_like(slopes[:, :1])
    common = {
        "bent": nodes.bent.scatter(1, unit, False),
        "offset": nodes.offset.scatter(1, unit, 0.0),
    }
    endless = torch.full_like(nothing, torch.inf)
    ends = [(weight, -endless, weight), (nothing, nothing, endless)]
    return [
        replace(
            nodes,
            **common,
            slopes=slopes.scatter(1, unit, slope),
            low=nodes.low.scatter(1, unit, low),
            high=nodes.high.scatter(1, unit, high),
        )
        for slope, low, high in ends
    ]


def joined(parts: list[Nodes]) -> Nodes:
    """Nodes one after another."""
    names = Nodes.__dataclass_fields__
    return Nodes(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
