"""A verdict follows from the tables by the rule that was fixed."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from lib import ROOT, claims
from lib.claims import capacity, pruning, robustness, saliency, tasks
from lib.claims.rules import NotMeasured, check_values, select
from lib.claims.verdicts import under
from lib.study.parameters import NOTEBOOKS
from lib.tasks import ALL_PAIRS, PUBLISHED_ORDER

FIGURES = ROOT / "figures"
DESCRIBED, BOTH = ("described",), ("described", "as_described")

committed = pytest.mark.skipif(
    not (FIGURES / "claims.csv").is_file(), reason="the paper profile was not run"
)


def grid(**columns: object) -> pd.DataFrame:
    """A row for every combination of these columns' values, ten seeds unless others are named."""
    columns = {"protocol": "described", "seed": range(10)} | columns
    values = [[v] if np.isscalar(v) else list(v) for v in columns.values()]
    return pd.MultiIndex.from_product(values, names=list(columns)).to_frame(index=False)


def wobble(table: pd.DataFrame) -> pd.Series:
    """A number from -1 to 1 by seed, 0 on average over ten."""
    return (table.seed - 4.5) / 4.5


# --- What was fixed


def test_every_claim_has_a_text_a_function_and_a_notebook():
    assert set(claims.CLAIMS) == set(claims.RULES)
    assert {claim.notebook for claim in claims.CLAIMS.values()} == set(NOTEBOOKS)


def test_a_claim_that_asks_for_both_readings_of_pruning_is_decided_under_both():
    for claim, facts in claims.RULES.items():
        readings = {condition.get("reading") for condition in under(claim)}
        assert ("also" in facts) <= (readings == {"as_coded", "as_described"})


# --- Tasks


def difficulty_of_five(orders: dict[str, list[str]]) -> pd.DataFrame:
    """Five measures that put the five pairs in these orders, easiest first."""
    rows = [
        (task, measure, tasks.SIGNS[measure] * float(order.index(task)))
        for measure, order in orders.items()
        for task in order
    ]
    return pd.DataFrame(rows, columns=["task", "measure", "value"])


def with_swaps(*swaps: int) -> dict[str, list[str]]:
    """For each measure, the published order after so many swaps of neighbours."""
    orders = {}
    for measure, count in zip(tasks.SIGNS, swaps, strict=True):
        order = list(PUBLISHED_ORDER)
        for place in range(count):
            order[place % 4 : place % 4 + 2] = reversed(order[place % 4 : place % 4 + 2])
        orders[measure] = order
    return orders


@pytest.mark.parametrize(
    ("swaps", "tau", "verdict"),
    [
        ((0, 0, 0, 0, 0), 1.0, "supported"),
        ((1, 3, 1, 3, 1), 0.8, "supported"),
        ((0, 2, 0, 2, 2), 0.6, "not supported"),
    ],
    ids=["all agree", "three of five agree, by one swap", "two of five agree"],
)
def test_tasks_order_asks_a_tau_of_four_fifths_of_most_measures(swaps, tau, verdict):
    found = tasks.order(difficulty_of_five(with_swaps(*swaps)))
    assert (found.verdict, found.effect) == (verdict, pytest.approx(tau))


def test_tasks_order_waits_for_all_five_measures():
    table = difficulty_of_five(with_swaps(0, 0, 0, 0, 0))
    with pytest.raises(NotMeasured, match="measure n1"):
        tasks.order(table[table.measure != "n1"])


# --- Capacity

RISING = np.geomspace(0.0005, 0.05, 45)
OF_FIVE = (0, 10, 22, 33, 44)
"""The places of the five published pairs among all 45, from the easiest to the hardest."""


def errors() -> pd.Series:
    """A linear-probe error of each pair, in no order but for the five published ones."""
    others = [task for task in ALL_PAIRS if task not in PUBLISHED_ORDER]
    left = np.random.default_rng(3).permutation(np.delete(RISING, OF_FIVE))
    five = dict(zip(PUBLISHED_ORDER, RISING[list(OF_FIVE)], strict=True))
    return pd.Series(five | dict(zip(others, left, strict=True)))


ERROR = errors()
DIFFICULTY = pd.DataFrame(
    {"task": ERROR.index, "measure": "linear_probe_error", "value": ERROR.to_numpy()}
)


def scored(need: pd.Series, best: pd.Series | float = 0.95, **columns: object) -> pd.DataFrame:
    """Networks that score `best` from the needed width on, and a quarter less below."""
    table = grid(**{"task": need.index, "seed": range(2), "width": range(65)} | columns)
    top = table.task.map(best) if isinstance(best, pd.Series) else best
    f1 = top - 0.25 * (table.width < table.task.map(need)) + 0.001 * wobble(table)
    return table.assign(f1_test=f1, f1_train_best=f1)


LINEAR = (1.5 + 900 * ERROR).round()
POWER = (100 * ERROR**0.5).round()
CONSTANT = pd.Series(8, ERROR.index)
GENTLE = pd.Series(np.where(ERROR.index.isin(PUBLISHED_ORDER), 8, LINEAR), ERROR.index)


@pytest.mark.parametrize(
    ("need", "verdict"),
    [
        (LINEAR, "supported"),
        (LINEAR.where(LINEAR < 40, 65), "supported"),
        (GENTLE, "not supported"),
        (CONSTANT.mask(CONSTANT.index.isin(PUBLISHED_ORDER), LINEAR), "not supported"),
        (LINEAR.sample(frac=1, random_state=1).set_axis(LINEAR.index), "not supported"),
        (CONSTANT, "not supported"),
    ],
    ids=[
        "rises",
        "rises beyond the widest",
        "no doubling over the five",
        "a doubling over the five alone",
        "unrelated",
        "constant",
    ],
)
def test_capacity_scales_asks_for_a_relation_over_45_pairs_and_a_doubling_over_five(need, verdict):
    found = capacity.scales(scored(need), DIFFICULTY, "described")
    assert found.verdict == verdict
    assert (found.verdict == "supported") <= (0 < found.low < found.effect < found.high)


def test_a_threshold_that_follows_the_task_sees_a_need_that_a_fixed_one_does_not():
    """All widths of the easy pairs score above 0.9, and those of the hard pairs below."""
    best = 0.995 - 0.1 * ERROR.rank() / 45
    networks = scored(LINEAR, best).assign(f1_test=lambda t: t.f1_test.clip(lower=0.85))
    assert capacity.relative(networks, DIFFICULTY, "described").verdict == "supported"
    flat = scored(CONSTANT, best)
    assert capacity.relative(flat, DIFFICULTY, "described").verdict == "not supported"


@pytest.mark.parametrize(
    ("need", "verdict"),
    [(LINEAR, "supported"), (POWER, "not supported"), (CONSTANT, "not supported")],
    ids=["linear", "power", "constant"],
)
def test_capacity_linear_asks_that_the_linear_model_predicts_best(need, verdict):
    assert capacity.linear(scored(need), DIFFICULTY, "described").verdict == verdict


def test_where_no_pair_reaches_the_threshold_no_model_can_be_told_from_another():
    found = capacity.linear(scored(CONSTANT, best=0.6), DIFFICULTY, "described")
    assert (found.verdict, "fewer than 3" in found.note) == ("untestable", True)


@pytest.mark.parametrize("rule", [capacity.scales, capacity.relative, capacity.linear])
def test_the_published_protocol_has_five_pairs_and_cannot_show_a_relation_over_45(rule):
    assert rule(scored(LINEAR), DIFFICULTY, "published").verdict == "untestable"
    with pytest.raises(NotMeasured, match="task 0-2"):
        rule(scored(LINEAR[list(PUBLISHED_ORDER)]), DIFFICULTY, "described")


def at_budgets(*needs: int, widest: int = 64) -> pd.DataFrame:
    """Networks on 4-9 with these needs at the budgets of the rule."""
    return pd.concat(
        scored(pd.Series({"4-9": need}), width=range(widest + 1), budget=budget, scale=scale)
        for need, (budget, scale) in zip(needs, capacity.BUDGETS, strict=True)
    )


@pytest.mark.parametrize(
    ("needs", "verdict"),
    [
        ((10, 8, 8, 8, 12), "supported"),
        ((64, 24, 8, 4, 64), "not supported"),
        ((1, 1, 1, 0, 1), "supported"),
        ((65, 24, 24, 24, 24), "not supported"),
        ((65, 40, 40, 40, 40), "untestable"),
    ],
    ids=["same", "falls", "0 and 1 alike", "far beyond the widest", "just beyond the widest"],
)
def test_capacity_budget_asks_for_less_than_a_doubling_over_budgets(needs, verdict):
    found = capacity.budget(at_budgets(*needs), "described")
    assert found.verdict == verdict
    assert "at a budget of 90 from 0.1" in found.note


@pytest.mark.parametrize("protocol", ["published", "converged"])
def test_a_protocol_that_is_a_budget_cannot_be_given_another(protocol):
    assert capacity.budget(at_budgets(8, 8, 8, 8, 8), protocol).verdict == "untestable"


def unstable(spread_below: dict[str, float], seeds: int = 10, need: int = 8) -> pd.DataFrame:
    """The five pairs with normal scores, of these sds below width 8 and of 0.01 from there on."""
    table = grid(task=list(spread_below), seed=range(seeds), width=(2, 4, 8, 16))
    below = table.width < need
    sd = table.task.map(spread_below).where(below, 0.01)
    noise = np.random.default_rng(5).normal(size=len(table))
    scores = np.where(below, 0.6, 0.96) + sd * noise
    return table.assign(f1_test=scores, f1_train_best=scores)


ALL_UNSTABLE = dict.fromkeys(PUBLISHED_ORDER, 0.08)
NONE_UNSTABLE = dict.fromkeys(PUBLISHED_ORDER, 0.01)


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [
        (ALL_UNSTABLE, "supported"),
        (NONE_UNSTABLE | {"4-9": 0.2}, "partly"),
        (NONE_UNSTABLE, "not supported"),
    ],
    ids=["all", "one pair", "none"],
)
def test_capacity_instability_asks_for_twice_the_sd_below_the_minimum_width(spread, verdict):
    found = capacity.instability(unstable(spread), "described")
    assert found.verdict == verdict
    assert found.low < found.effect < found.high
    assert ("holds for 4-9" in found.note) == (verdict == "partly")


def test_pairs_that_every_width_solves_leave_instability_to_the_others_or_to_nobody():
    hard = unstable(ALL_UNSTABLE)
    easy = hard.assign(f1_test=0.96 + 0.01 * wobble(hard))
    some = pd.concat([hard[hard.task.isin(("3-8", "4-9"))], easy[~easy.task.isin(("3-8", "4-9"))]])
    assert capacity.instability(some, "described").verdict == "partly"
    assert capacity.instability(easy, "described").verdict == "untestable"


def learning_rates(best: Callable[[int, float], bool], **columns: object) -> pd.DataFrame:
    """Networks on 4-9 that score best at the rates for which `best(width, rate)` is true."""
    table = grid(
        task="4-9",
        seed=range(3),
        width=capacity.PUBLISHED_WIDTHS,
        learning_rate=(*capacity.PUBLISHED_RATES, *capacity.FURTHER_RATES),
    )
    is_best = [best(w, r) for w, r in zip(table.width, table.learning_rate, strict=True)]
    f1 = 0.5 + table.learning_rate * (table.learning_rate <= 0.03) + np.where(is_best, 0.3, 0)
    return table.assign(f1_test=f1, f1_train_best=f1, **columns)


@pytest.mark.parametrize(
    ("best", "effect", "verdict"),
    [
        (lambda width, rate: rate == 0.03, 11, "supported"),
        (lambda width, rate: rate == (0.03 if width > 2 else 0.3), 10, "supported"),
        (lambda width, rate: rate == 0.3, 0, "partly"),
        (lambda width, rate: rate == 0.01, 0, "not supported"),
    ],
    ids=["at every width", "at all but one", "only at the edge of the published grid", "nowhere"],
)
def test_capacity_rate_asks_for_10_of_11_widths_in_both_grids(best, effect, verdict):
    found = capacity.rate(learning_rates(best), "described")
    assert (found.verdict, found.effect, found.n) == (verdict, effect, 11)


def test_capacity_rate_waits_for_the_rates_beyond_the_published_ones():
    table = learning_rates(lambda width, rate: rate == 0.03)
    with pytest.raises(NotMeasured, match=r"learning_rate 0\.1"):
        capacity.rate(table[table.learning_rate <= 0.03], "described")


@committed
def test_in_the_published_grid_as_replayed_3_hundredths_is_best_at_all_11_widths():
    scatter = pd.read_csv(FIGURES / "02_capacity" / "learning_rate_scatter.csv")
    replayed = scatter[scatter.source == "reproduced"].assign(protocol="published", task="4-9")
    table = replayed.rename(columns={"f1": "f1_train_best"})
    assert capacity.best_widths(table, "published", capacity.PUBLISHED_RATES) == 11


# --- Pruning


def pruned(change: Callable[[str, int, float], float], **columns: object) -> pd.DataFrame:
    """One-shot pruning that changes F1 so, by task, width and sparsity, give or take 0.001."""
    table = grid(
        task=PUBLISHED_ORDER,
        width=(12, 16, 24, 64),
        sparsity=(0, 0.3, 0.5, 0.8, 0.95),
        **{"method": "magnitude", "reading": "as_described", "scope": "layer"} | columns,
    )
    changes = [change(*row) for row in zip(table.task, table.width, table.sparsity, strict=True)]
    f1 = 0.9 + 0.01 * wobble(table)
    f1 += np.where(table.sparsity > 0, np.array(changes) + 0.001 * wobble(table), 0)
    return table.assign(f1=f1, dead_units=0)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda task, width, sparsity: -0.005, "supported"),
        (lambda task, width, sparsity: -0.2 if task == "4-9" else -0.005, "partly"),
        (lambda task, width, sparsity: -0.2, "not supported"),
        (lambda task, width, sparsity: -0.0101, "not supported"),
    ],
    ids=["little lost", "all but one pair", "much lost", "just too much"],
)
def test_pruning_robust95_asks_that_no_pair_loses_a_hundredth(change, verdict):
    found = pruning.robust95(pruned(change), *BOTH)
    assert found.verdict == verdict
    assert found.effect == pytest.approx(min(change("4-9", 24, 0.95), -0.005))
    assert ("0-1 at width 24" in found.note and "holds" in found.note) == (verdict == "partly")


@pytest.mark.parametrize(
    ("change", "verdict"), [(-0.2, "not supported"), (-0.001, "untestable")], ids=["fails", "open"]
)
def test_three_published_seeds_can_refute_a_rule_with_an_interval_and_not_meet_it(change, verdict):
    networks = pruned(lambda *_: change, seed=(0, 42, 78), protocol="published")
    assert pruning.robust95(networks, "published", "as_described").verdict == verdict


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_too_few_seeds_of_a_protocol_that_could_have_more_give_no_verdict(seeds):
    with pytest.raises(NotMeasured, match=r"not two networks|too few for an interval"):
        pruning.robust95(pruned(lambda *_: -0.2, seed=range(seeds)), *BOTH)


def test_what_is_pruned_in_another_way_is_no_part_of_the_one_shot_claims():
    good, bad = pruned(lambda *_: 0.0), pruned(lambda *_: -0.5)
    other = [bad.assign(scope="global"), bad.assign(method="random")]
    assert pruning.robust95(pd.concat([good, *other]), *BOTH).verdict == "supported"
    shot = {"regime": "one_shot", "control": "none"}
    others = [bad.assign(**shot | {"control": "random"}), bad.assign(**shot | {"regime": "tuned"})]
    assert pruning.robust95(pd.concat([good.assign(**shot), *others]), *BOTH).verdict == "supported"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda task, width, sparsity: 0.01 if sparsity == 0.5 else -0.1, "supported"),
        (lambda task, width, sparsity: 0.01 if task == "3-8" else -0.1, "partly"),
        (lambda task, width, sparsity: -0.01, "not supported"),
        (lambda task, width, sparsity: 0.0, "not supported"),
    ],
    ids=["one level", "one pair", "no level", "neither"],
)
def test_pruning_regularises_asks_for_a_gain_at_some_level(change, verdict):
    found = pruning.regularises(pruned(change), *BOTH)
    assert found.verdict == verdict
    assert (found.verdict == "supported") <= (found.low > 0 and "50 %" in found.note)


def test_a_gain_that_one_level_of_three_shows_by_chance_does_not_pass_holm():
    """Its interval is above 0 and its own p below 5 %, and three times that is not."""
    gains = np.array([1.0, -0.1, 0.9, 1.6, -0.4, 0.7, 0.3, 1.3, -0.3, 0.8]) / 100
    networks = pruned(lambda *_: 0.0)
    networks = networks[(networks.width == 24) & networks.task.isin(("3-8", "4-9"))]
    improved = (networks.sparsity == 0.5) & (networks.task == "3-8")
    f1 = 0.9 + networks.seed.map(dict(enumerate(gains))).where(improved, 0.0)
    found = pruning.regularises(networks.assign(f1=f1), *BOTH)
    assert (found.verdict, "50 %" in found.note) == ("not supported", True)
    assert found.low > 0


def sized(weights: pd.Series) -> pd.DataFrame:
    """The essential size of networks of width 24 by pair, give or take 5 weights."""
    table = grid(task=weights.index, width=24, reading="as_described")
    return table.assign(weights=table.task.map(weights) + 5 * wobble(table))


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        (20_000 * ERROR, "supported"),
        (1000 - 20_000 * ERROR, "not supported"),
        ((20_000 * ERROR).sample(frac=1, random_state=1).set_axis(ERROR.index), "not supported"),
    ],
    ids=["rises", "falls", "unrelated"],
)
def test_pruning_essential_size_asks_for_a_relation_over_45_pairs(weights, verdict):
    found = pruning.essential_size(sized(weights), DIFFICULTY, *BOTH)
    assert (found.verdict, found.n) == (verdict, 45)


def test_the_essential_size_of_five_published_pairs_shows_no_relation():
    found = pruning.essential_size(sized(ERROR), DIFFICULTY, "published", "as_coded")
    assert found.verdict == "untestable"


def test_essential_sizes_that_are_all_the_same_tell_nothing():
    found = pruning.essential_size(sized(ERROR * 0 + 100), DIFFICULTY, *BOTH)
    assert (found.verdict, found.note[:25]) == ("untestable", "all pairs keep their F1 w")


@pytest.mark.parametrize(
    ("dead", "verdict"),
    [
        (lambda t: 0, "supported"),
        (lambda t: (t.task == "4-9") & (t.sparsity > 0) & (t.seed == 3), "partly"),
        (lambda t: (t.sparsity == 0) & (t.seed == 0), "not supported"),
        (lambda t: (t.task == "1-7") | (t.width == 64), "supported"),
    ],
    ids=["none", "in one network of one pair", "in one network of each pair", "elsewhere"],
)
def test_pruning_dead_units_asks_for_none_at_all_at_the_published_widths(dead, verdict):
    networks = pruned(lambda *_: 0.0).assign(dead_units=lambda t: 1 * dead(t))
    found = pruning.dead_units(networks, *BOTH)
    assert (found.verdict, found.n) == (verdict, 30)


def test_the_largest_share_of_dead_units_is_reported():
    networks = pruned(lambda *_: 0.0)
    networks["dead_units"] = np.where((networks.task == "0-1") & (networks.sparsity > 0), 6, 3)
    assert pruning.dead_units(networks, *BOTH).effect == 0.5


def hidden(cka: dict[str, float], loss: dict[str, float]) -> pd.DataFrame:
    """Geometry of the hidden layers by pair, beside a CKA of 0.6 with another seed."""
    table = grid(task=list(cka), width=24, comparison=("pruned", "seeds"), reading="as_described")
    values = table.task.map(cka).where(table.comparison == "pruned", 0.6) + 0.001 * wobble(table)
    silhouettes = {"silhouette_dense": 0.4, "silhouette": 0.4 - table.task.map(loss)}
    return table.assign(cka=values, sparsity=0.95, **silhouettes)


@pytest.mark.parametrize(
    ("cka", "loss", "verdict"),
    [
        ((0.97, 0.98), (0.01, 0.02), "supported"),
        ((0.97, 0.8), (0.01, 0.02), "partly"),
        ((0.97, 0.98), (0.01, 0.2), "partly"),
        ((0.8, 0.7), (0.01, 0.02), "not supported"),
    ],
    ids=["kept", "one pair's CKA", "one pair's clusters", "lost"],
)
def test_pruning_geometry_asks_for_cka_and_for_the_silhouette(cka, loss, verdict):
    pairs = ("3-8", "4-9")
    of_pairs = (dict(zip(pairs, each, strict=True)) for each in (cka, loss))
    found = pruning.geometry(hidden(*of_pairs), *BOTH)
    assert (found.verdict, found.effect) == (verdict, pytest.approx(min(cka)))
    assert "CKA of two seeds 0.60" in found.note


def ticketed(ticket: dict[int, float], controls: dict[str, float]) -> pd.DataFrame:
    """Iterative pruning with F1 by width where dense is 0.95, and that of the controls."""
    table = grid(
        task=PUBLISHED_ORDER,
        width=list(ticket),
        regime="rewound",
        method="magnitude",
        scope="layer",
        reading="as_described",
        sparsity=(0, 0.95),
        control=("none", *pruning.CONTROLS),
    )
    f1 = table.control.map(controls).fillna(table.width.map(ticket)).mask(table.sparsity == 0, 0.95)
    own = np.random.default_rng(2).normal(0, 0.001, len(table))
    return table.assign(f1=f1 + own)


WORSE = dict.fromkeys(pruning.CONTROLS, 0.8)


@pytest.mark.parametrize(
    ("ticket", "controls", "verdict"),
    [
        ({8: 0.948, 24: 0.948}, WORSE, "supported"),
        ({8: 0.9, 24: 0.948}, WORSE, "partly"),
        ({8: 0.9, 24: 0.9}, WORSE, "not supported"),
        ({8: 0.948, 24: 0.948}, WORSE | {"dense": 0.96}, "not supported"),
    ],
    ids=["winning", "at one width", "far below dense", "a small dense network does better"],
)
def test_pruning_tickets_asks_for_dense_f1_and_a_lead_over_every_control(ticket, controls, verdict):
    assert pruning.tickets(ticketed(ticket, controls), "described").verdict == verdict


def test_pruning_tickets_cannot_be_tested_where_nothing_is_trained_on():
    assert pruning.tickets(ticketed({24: 0.948}, WORSE), "published").verdict == "untestable"


@pytest.mark.parametrize("control", pruning.CONTROLS)
def test_pruning_tickets_waits_for_every_control(control):
    table = ticketed({24: 0.948}, WORSE)
    with pytest.raises(NotMeasured, match=control):
        pruning.tickets(table[table.control != control], "described")


# --- Robustness


def corrupted(loss: Callable[[int, float], float], clean: dict[int, float], **columns: object):
    """Networks on 4-9 by width, and what F1 they lose by width and amount, give or take 0.001."""
    facts = {"dataset": "MNIST", "task": "4-9", "corruption": "gaussian_noise"} | columns
    amounts = (0, *robustness.SIGMAS) if "severity" not in facts else (0, robustness.PATCH)
    table = grid(**facts | {"width": list(clean), "severity": range(len(amounts))})
    table["amount"] = table.severity.map(dict(enumerate(amounts)))
    lost = [loss(w, a) if a else 0 for w, a in zip(table.width, table.amount, strict=True)]
    own = 0.001 * wobble(table) * np.where((table.width == 64) & (table.amount > 0), 1, -1)
    return table.assign(f1=table.width.map(clean) - lost + own)


def noisy(loss: Callable[[int, float], float], **clean: float) -> pd.DataFrame:
    """As `corrupted`, by Gaussian noise, of networks of 24 and 64 units."""
    return corrupted(loss, {24: clean.get("narrow", 0.9), 64: clean.get("wide", 0.9)})


@pytest.mark.parametrize(
    ("networks", "verdict"),
    [
        (noisy(lambda width, sigma: 10 * sigma / width), "supported"),
        (noisy(lambda width, sigma: sigma / (64 if sigma < 0.4 else width)), "partly"),
        (noisy(lambda width, sigma: sigma, wide=0.95), "not supported"),
        (noisy(lambda width, sigma: sigma * width / 64), "not supported"),
    ],
    ids=["less lost", "at the larger sigma", "better to begin with", "more lost"],
)
def test_robustness_noise_asks_for_a_lead_in_f1_and_in_its_loss(networks, verdict):
    found = robustness.noise(networks, "described")
    assert found.verdict == verdict
    assert ("holds for sigma 0.4, sigma 0.5" in found.note) == (verdict == "partly")


def occluded(loss: dict[int, float], name: str = "occlusion") -> pd.DataFrame:
    """Networks on 4-9 that lose so much by width behind the patch."""
    clean = dict.fromkeys(loss, 0.9)
    return corrupted(lambda width, _: loss[width], clean, corruption=name, severity=2)


@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        ({24: 0.3, 48: 0.2, 64: 0.1}, "supported"),
        ({24: 0.3, 48: 0.4, 64: 0.1}, "partly"),
        ({24: 0.1, 48: 0.2, 64: 0.3}, "not supported"),
    ],
    ids=["both", "64 only", "neither"],
)
def test_robustness_occlusion_asks_that_48_and_64_units_lead_24(loss, verdict):
    found = robustness.occlusion(occluded(loss), "described")
    assert (found.verdict, "one random position" in found.note) == (verdict, True)


def test_the_mean_over_all_positions_is_taken_where_it_was_measured():
    sampled = occluded({24: 0.1, 48: 0.2, 64: 0.3})
    exact = occluded({24: 0.3, 48: 0.2, 64: 0.1}, "occlusion_everywhere")
    found = robustness.occlusion(pd.concat([sampled, exact]), "described")
    assert (found.verdict, "one random position" in found.note) == ("supported", False)


def general(better: int, exact: float, kinds: Sequence[str] = robustness.KINDS) -> tuple:
    """Fifteen corruptions, of which 64 units are better under so many, and exact accuracies."""
    table = grid(task=PUBLISHED_ORDER, width=(24, 64), corruption=kinds, severity=range(1, 6))
    lead = table.corruption.map(
        {name: 0.02 if i < better else -0.02 for i, name in enumerate(kinds)}
    )
    own = 0.001 * wobble(table)
    table["f1"] = 0.7 + (lead + own) * (table.width == 64)
    sure = grid(task=PUBLISHED_ORDER, width=(24, 64), sparsity=0, epsilon=robustness.EPSILONS)
    sure["exact"] = 0.5 + (exact + 0.001 * wobble(sure)) * (sure.width == 64)
    return table, sure.assign(undecided=0.0)


@pytest.mark.parametrize(
    ("better", "exact", "verdict"),
    [
        (12, 0.01, "supported"),
        (11, 0.01, "partly"),
        (15, -0.01, "partly"),
        (0, -0.01, "not supported"),
    ],
    ids=["four fifths", "one fewer", "not in exact accuracy", "nowhere"],
)
def test_robustness_general_asks_for_four_fifths_of_corruptions_and_exact_accuracy(
    better, exact, verdict
):
    found = robustness.general(*general(better, exact), "described")
    assert (found.verdict, found.effect) == (verdict, pytest.approx(better / 15))


@pytest.mark.parametrize(
    ("undecided", "verdict"), [(0.005, "supported"), (0.02, "untestable")], ids=["few", "too many"]
)
def test_rows_that_are_undecided_in_exact_accuracy_never_decide(undecided, verdict):
    networks, exact = general(12, 0.01)
    found = robustness.general(networks, exact.assign(undecided=undecided), "described")
    assert found.verdict == verdict
    assert ("undecided" in found.note) == (verdict == "untestable")


def test_robustness_general_waits_for_all_fifteen_corruptions():
    with pytest.raises(NotMeasured, match="14 corruptions"):
        robustness.general(*general(12, 0.01, robustness.KINDS[1:]), "described")


# --- Saliency and neurons


def maps(**columns: object) -> pd.DataFrame:
    """Networks of 48 units on the five pairs."""
    return grid(task=PUBLISHED_ORDER, width=48, method=saliency.MAP, **columns)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        (dict.fromkeys(PUBLISHED_ORDER, 2.0), "supported"),
        (dict.fromkeys(PUBLISHED_ORDER, 2.0) | {"0-1": 0.5}, "partly"),
        (dict.fromkeys(PUBLISHED_ORDER, 0.5), "not supported"),
    ],
    ids=["all pairs", "all but one", "none"],
)
def test_saliency_strokes_asks_for_more_than_untrained_networks_on_all_pairs(ratios, verdict):
    table = maps(version=("trained", "untrained"))
    trained = table.task.map(ratios) + 0.1 * wobble(table)
    table["ratio"] = trained.where(table.version == "trained", 1.0)
    assert saliency.strokes(table, "described").verdict == verdict


def agreed(pruned: float, floor: float = 0.02, seeds: float = 0.1, spread: float = 0.01):
    """Correlations of dense maps with pruned ones, random masks, and other seeds."""
    values = {"magnitude": pruned, "random": floor, "seeds": seeds}
    facts = {"regime": "one_shot", "reading": "as_described", "sparsity": 0.95}
    table = maps(comparison=list(values), **facts)
    own = spread * wobble(table).where(table.comparison == "magnitude", 0)
    return table.assign(spearman=table.comparison.map(values) + own, n=50)


@pytest.mark.parametrize(
    ("table", "verdict"),
    [
        (agreed(0.95), "supported"),
        (agreed(0.5), "partly"),
        (agreed(0.5, seeds=0.6), "not supported"),
        (agreed(0.02, seeds=0.0), "not supported"),
        (agreed(0.91, spread=0.9, seeds=0.95), "not supported"),
    ],
    ids=["kept", "more than two seeds agree", "less", "no more than the floor", "too uncertain"],
)
def test_saliency_preserved_asks_for_nine_tenths_or_at_least_what_two_seeds_share(table, verdict):
    assert saliency.preserved(table, *BOTH).verdict == verdict


def test_the_agreement_of_two_seeds_is_waited_for_only_where_it_decides():
    kept, lost, between = (
        table[table.comparison != "seeds"] for table in (agreed(0.95), agreed(0.0), agreed(0.5))
    )
    assert saliency.preserved(kept, *BOTH).verdict == "supported"
    assert saliency.preserved(lost, *BOTH).verdict == "not supported"
    with pytest.raises(NotMeasured, match="comparison seeds"):
        saliency.preserved(between, *BOTH)


def test_what_was_trained_on_after_pruning_is_not_what_the_claim_is_about():
    lost, regained = agreed(0.0), agreed(0.95).assign(regime="fine_tuned")
    both = pd.concat([lost, regained[regained.comparison == "magnitude"]])
    assert saliency.preserved(both, *BOTH).verdict == "not supported"


def test_networks_without_a_row_to_compare_are_left_out():
    table = agreed(0.95)
    table.loc[table.seed == 3, ["spearman", "n"]] = [np.nan, 0]
    assert saliency.preserved(table, *BOTH).n == 45


@pytest.mark.parametrize(
    ("lead", "verdict"),
    [
        ({"3-8": 0.1, "4-9": 0.1}, "supported"),
        ({"3-8": 0.1, "4-9": -0.1}, "partly"),
        ({"3-8": -0.1, "4-9": -0.1}, "not supported"),
    ],
    ids=["both pairs", "one", "neither"],
)
def test_saliency_failure_asks_that_right_rows_look_at_what_discriminates(lead, verdict):
    table = maps(outcome=("right", "wrong"))
    right = 0.3 + table.task.map(lead) + 0.01 * wobble(table)
    table["share"] = right.where(table.outcome == "right", 0.3)
    assert saliency.failure(table, "described").verdict == verdict


@pytest.mark.parametrize(
    ("dense", "pruned", "verdict"),
    [(0.4, 0.45, "supported"), (0.4, 0.7, "partly"), (0.6, 0.7, "not supported")],
)
def test_neurons_distributed_asks_for_under_half_dense_and_pruned(dense, pruned, verdict):
    table = grid(task=PUBLISHED_ORDER, width=(24, 64), version=("dense", "as_described"))
    share = np.where(table.version == "dense", dense, pruned) + 0.01 * wobble(table)
    found = saliency.distributed(table.assign(top_quarter=share), *BOTH)
    assert (found.verdict, found.effect) == (verdict, pytest.approx(max(dense, pruned)))


# --- What is not there


def test_a_missing_column_or_value_is_named():
    table = pd.DataFrame({"task": ["0-1", "4-9"], "width": [24, 64]})
    with pytest.raises(NotMeasured, match="no column sparsity"):
        select(table, sparsity=0.95)
    with pytest.raises(NotMeasured, match="width 8"):
        select(table, task="0-1", width=(8, 24))
    with pytest.raises(NotMeasured, match="no row with width 24"):
        select(table, task="4-9", width=24)
    with pytest.raises(NotMeasured, match="0-1, 0-2, 0-3 and 42 more"):
        check_values(table.iloc[:0], "task", ALL_PAIRS)
