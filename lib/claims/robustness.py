"""Claims decided by notebook 04.

networks: one row a network and condition, columns dataset, task, protocol, width, seed, corruption,
severity (0 is clean), amount (in the corruption's unit), f1.
"""

import pandas as pd

from lib.claims.rules import (
    TOO_FEW,
    Finding,
    NotMeasured,
    both,
    check_seeds,
    decides,
    difference,
    every,
    passes,
    passing,
    select,
)
from lib.measures import width_differences
from lib.robustness.corruptions import CORRUPTIONS, SEVERITIES
from lib.statistics import Difference
from lib.tasks import PUBLISHED_ORDER

TASK = "4-9"
SIGMAS = (0.1, 0.2, 0.3, 0.4, 0.5)
PATCH = 7


QUANTITIES = {"f1": "F1", "loss": "its loss"}


def lead(networks: pd.DataFrame, wide: int, narrow: int, amount: float) -> dict[str, Difference]:
    """The lead of `wide` over `narrow` networks at one amount, in F1 and in its loss."""
    found = width_differences(networks, wide, narrow)
    found = found[found.amount == amount].set_index("seed")
    by_quantity = {each: found[found.quantity == each].difference for each in QUANTITIES}
    return {each: difference(values, 0 * values) for each, values in by_quantity.items()}


def leads_in_both(leads: dict[str, dict[str, Difference]], protocol: str) -> Finding:
    """The finding for a rule that asks every lead to be above 0 in F1 and in its loss."""
    found = every({name: both(*each.values()) for name, each in leads.items()}, protocol)
    least = [
        f"in {shown} {min(each[quantity].effect for each in leads.values()):.3f}"
        for quantity, shown in QUANTITIES.items()
    ]
    return found._replace(note=f"{found.note}; least leads: {', '.join(least)}")


@decides("robustness.noise", "04_robustness/networks")
def noise(networks: pd.DataFrame, protocol: str) -> Finding:
    """robustness.noise: 64 units lead 24 on 4-9 in F1, and in its loss, at all five sigma.

    The effect is the lesser of both quantities at the sigma where that is least.
    """
    rows = select(
        networks,
        protocol=protocol,
        task=TASK,
        width=(24, 64),
        corruption="gaussian_noise",
        amount=(0, *SIGMAS),
    )
    leads = {f"sigma {sigma:g}": lead(rows, 64, 24, sigma) for sigma in SIGMAS}
    return leads_in_both(leads, protocol)


@decides("robustness.occlusion", "04_robustness/networks")
def occlusion(networks: pd.DataFrame, protocol: str) -> Finding:
    """robustness.occlusion: 48 and 64 units lead 24 on 4-9 behind a 7x7 patch, in F1 and its loss.

    Corruption "occlusion_everywhere" is the mean over all 484 positions of the patch; where it is
    not in the table, "occlusion" stands for it, one position a row, drawn at random.
    """
    exact = "occlusion_everywhere"
    name = exact if networks.corruption.eq(exact).any() else "occlusion"
    rows = select(
        networks,
        protocol=protocol,
        task=TASK,
        width=(24, 48, 64),
        corruption=name,
        amount=(0, PATCH),
    )
    leads = {f"{wide} over 24": lead(rows, wide, 24, PATCH) for wide in (48, 64)}
    found = leads_in_both(leads, protocol)
    if name == exact:
        return found
    return found._replace(note=f"{found.note}; one random position a row in place of all 484")


KINDS = tuple(name for name, each in CORRUPTIONS.items() if each.mnist_c)
"""The fifteen corruptions of MNIST-C's kinds."""

SHARE = 0.8
EPSILONS = (0.01, 0.02, 0.05, 0.1)


@decides("robustness.general", "04_robustness/networks", "04_robustness/exact")
def general(networks: pd.DataFrame, exact: pd.DataFrame, protocol: str) -> Finding:
    """robustness.general: 64 units lead 24 in F1 on 80 % of corruptions, and in exact accuracy.

    After Holm over the fifteen corruptions, and over the epsilons. exact: one row a dense network
    and epsilon, columns task, protocol, width, seed, sparsity, epsilon, exact (robust accuracy,
    L-infinity) and undecided. The effect is the share of the corruptions. A row that is undecided
    may be robust or not: the rule is asked with all of them in favour of the narrow networks, and
    with all in favour of the wide ones, and where that changes the verdict there is none.
    """
    leads = corruption_leads(networks, protocol)
    worst, best = (
        generally(leads, exact_leads(exact, protocol, favoured), protocol) for favoured in (24, 64)
    )
    if worst.verdict == best.verdict:
        return worst
    reason = f"{worst.verdict} or {best.verdict}, by rows that are undecided in exact accuracy"
    return best._replace(verdict="untestable", note=reason)


def generally(
    leads: dict[str, Difference], certain: dict[str, Difference], protocol: str
) -> Finding:
    """The finding of `general` from the leads under corruptions and in exact accuracy."""
    check_seeds(leads | certain, protocol)
    some, sure = passing(leads), passing(certain)
    possible = sum(passes(part) is not False for part in leads.values()) / len(leads)
    share, n = len(some) / len(leads), next(iter(leads.values())).n
    note = f"holds for {', '.join(some + sure) or 'none'}"
    if share >= SHARE and len(sure) == len(certain):
        return Finding("supported", share, n=n, note=note)
    if some or sure:
        return Finding("partly", share, n=n, note=note)
    if protocol == "published" and possible >= SHARE:
        return Finding("untestable", share, n=n, note=TOO_FEW)
    return Finding("not supported", share, n=n, note=note)


def corruption_leads(networks: pd.DataFrame, protocol: str) -> dict[str, Difference]:
    """The lead of 64 over 24 units in F1 by corruption, the mean over five severities and pairs."""
    others = networks[networks.corruption.isin(KINDS)]
    rows = select(
        others, protocol=protocol, task=PUBLISHED_ORDER, width=(24, 64), severity=SEVERITIES
    )
    names = list(rows.corruption.unique())
    if len(names) < len(KINDS):
        raise NotMeasured(
            f"there are {len(names)} corruptions besides the study's, not {len(KINDS)}"
        )
    return {name: lead_by_pair(rows[rows.corruption == name], "f1") for name in names}


def exact_leads(exact: pd.DataFrame, protocol: str, favoured: int) -> dict[str, Difference]:
    """The lead of 64 over 24 dense units in exact robust accuracy by epsilon, over the pairs.

    Rows that are undecided count as robust for the networks of the width `favoured` alone.
    """
    rows = select(
        exact,
        protocol=protocol,
        task=PUBLISHED_ORDER,
        width=(24, 64),
        sparsity=0,
        epsilon=EPSILONS,
    )
    rows = rows.assign(exact=rows.exact + rows.undecided * (rows.width == favoured))
    return {
        f"exact accuracy at {epsilon:g}": lead_by_pair(rows[rows.epsilon == epsilon], "exact")
        for epsilon in EPSILONS
    }


def lead_by_pair(rows: pd.DataFrame, value: str) -> Difference:
    """The lead of 64 over 24 units, the mean over the rows of a network, then over pairs."""
    means = rows.groupby(["width", "task", "seed"])[value].mean()
    return difference(means[64], means[24])
