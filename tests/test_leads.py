"""Corrupted networks beside one another: wide and narrow, and both beside logistic regression."""

import numpy as np
import pandas as pd
import pytest

from lib import ROOT, measures, study
from lib.claims import robustness
from lib.measures.expected import ROWS
from lib.statistics import holm
from lib.study import plan
from lib.study.parameters import read_profile
from lib.tasks import PUBLISHED_ORDER

KINDS = [f"kind {i}" for i in range(len(robustness.KINDS))]
SEEDS = range(6)


def made_up(**lead: float) -> pd.DataFrame:
    """F1 and accuracy of widths 0, 24, 64 by corruption: 64 lead 24 by what is given by its name.

    All have 0.9 clean and lose 0.1 a severity; logistic regression errs half as often as they do.
    """
    index = pd.MultiIndex.from_product(
        [["described"], PUBLISHED_ORDER, (0, 24, 64), SEEDS, KINDS, range(6)],
        names=["protocol", "task", "width", "seed", "corruption", "severity"],
    )
    table = index.to_frame(index=False)
    wide = table.corruption.str.replace("kind ", "k").map(lead).fillna(0)
    wobble = 0.001 * ((7 * table.seed + 3 * table.width + table.severity) % 5 - 2)
    table["f1"] = 0.9 - 0.1 * table.severity + wide * (table.width == 64) * (table.severity > 0)
    table["f1"] += wobble * (table.width > 0)
    table["accuracy"] = 1 - (1 - table.f1) / np.where(table.width, 1, 2)
    return table.assign(dataset="MNIST", amount=table.severity)


def test_leads_are_signed_after_holm_over_the_corruptions_and_clean_stands_apart():
    found = measures.leads(made_up(k0=0.05, k1=-0.05), 64, 24)
    assert found.corruption.nunique() == len(KINDS) + 1
    f1 = found[found.quantity == "f1"].set_index("corruption")
    assert f1.effect["kind 0"] - f1.effect["kind 2"] == pytest.approx(0.05)
    assert (f1.sign["kind 0"], f1.sign["kind 1"]) == (1, -1)
    others = f1.drop(index="clean")
    np.testing.assert_allclose(others.p_holm, holm(others.p.to_numpy()))
    assert f1.p_holm["clean"] == f1.p["clean"]
    assert "clean" not in set(found.corruption[found.quantity == "loss"])
    assert f1.n.eq(len(PUBLISHED_ORDER) * len(SEEDS)).all()


def test_a_network_without_a_score_counts_in_no_lead():
    table = made_up()
    lost = (table.task == "4-9") & (table.width == 64) & (table.seed == 3)
    table.loc[lost, ["f1", "accuracy"]] = np.nan
    assert measures.leads(table, 64, 24).n.eq(len(PUBLISHED_ORDER) * len(SEEDS) - 1).all()
    by_task = measures.leads_by_task(table, 64, 24)
    assert by_task.n.eq(len(SEEDS) - (by_task.task == "4-9")).all()
    beside = measures.beside_logistic(table).query("task == '4-9' and width == 64")
    assert beside[beside.seed == 3][["f1_difference", "mce"]].isna().all(axis=None)
    assert not beside.left_out.any()


def test_a_lead_is_the_one_that_the_rule_takes():
    table = made_up(k0=0.05, k1=-0.05)
    table["corruption"] = table.corruption.map(dict(zip(KINDS, robustness.KINDS, strict=True)))
    rule = robustness.corruption_leads(table, "described")
    found = measures.leads(table, 64, 24).query("quantity == 'f1'").set_index("corruption")
    for name, lead in rule.items():
        assert found.loc[name, ["effect", "low", "high"]].tolist() == pytest.approx(
            [lead.effect, lead.low, lead.high], abs=1e-9
        )


def test_what_is_lost_is_the_lead_less_that_on_clean_images():
    found = measures.leads(made_up(k0=0.05), 64, 24)
    effect = found.set_index(["quantity", "corruption"]).effect
    lost = effect["f1", "kind 0"] - effect["f1", "clean"]
    assert effect["loss", "kind 0"] == pytest.approx(lost)


def test_leads_by_task_average_to_the_leads():
    table = made_up(k0=0.05)
    by_task = measures.leads_by_task(table, 64, 24)
    assert by_task.n.eq(len(SEEDS)).all()
    means = by_task.groupby(["quantity", "corruption"])["mean"].mean()
    leads = measures.leads(table, 64, 24).set_index(["quantity", "corruption"]).effect
    pd.testing.assert_series_equal(means, leads.sort_index(), check_names=False)


def test_the_mean_corruption_error_is_the_mean_of_ratios_of_summed_errors():
    table = made_up()
    found = measures.beside_logistic(table)
    assert set(found.width) == {24, 64}
    one = table[(table.task == "4-9") & (table.seed == 2) & (table.severity > 0)]
    sums = (1 - one.accuracy).groupby([one.width, one.corruption]).sum()
    row = found.query("task == '4-9' and seed == 2 and width == 24").iloc[0]
    assert row.mce == pytest.approx((sums[24] / sums[0]).mean())
    assert row.reference_error == pytest.approx(sums[0].mean() / 5)
    f1 = one.groupby("width").f1.mean()
    assert row.f1_difference == pytest.approx(f1[24] - f1[0])
    assert row.left_out == 0


def test_a_corruption_under_which_the_reference_never_errs_has_no_ratio_and_is_counted():
    table = made_up()
    never = (table.width == 0) & (table.corruption == "kind 3")
    found = measures.beside_logistic(table.assign(accuracy=table.accuracy.where(~never, 1)))
    assert found.left_out.eq(1).all()
    whole = measures.beside_logistic(table[table.corruption != "kind 3"])
    np.testing.assert_allclose(found.mce, whole.mce)


def test_networks_without_a_reference_are_left_out():
    table = made_up()
    assert measures.beside_logistic(table[table.width > 0]).empty


def test_logistic_regression_stands_beside_all_protocols_but_the_published():
    settings = read_profile(ROOT / "params" / "paper")["04_robustness"]
    for shard in plan.named("04_robustness", settings)["compared"]:
        reference = () if shard.protocol.name == "published" else (0,)
        assert shard.widths == (*reference, *settings["widths"])


@pytest.fixture
def run(digits) -> study.Run:
    """Briefly trained networks of the widths 0, 2 and 8."""
    [shard] = study.shards("MNIST", ["4-9"], {"described": [0]}, [0, 2, 8], limit=100)
    study.train([shard])
    return study.load_shard(shard)


def test_the_accuracy_is_the_share_of_rows_on_the_right_side(run):
    found = study.asked(run, measures.corrupted, ["stripe"])
    assert found.severity.tolist() == [s for s in range(6) for _ in range(3)]
    clean = found[found.severity == 0]
    logits, labels = run.networks.logits(run.shard.scored.images), run.shard.scored.labels
    right = ((logits >= 0).numpy() == labels.bool().numpy()).mean(1)
    np.testing.assert_allclose(clean.accuracy, right, rtol=1e-6)


def test_a_mean_logit_that_was_drawn_is_within_its_standard_errors_of_the_exact_one(run):
    found = study.asked(run, measures.expected, severity=3, draws=500)
    assert found.rows.eq(min(ROWS, len(run.shard.scored))).all()
    assert found.sigma.eq(0.3).all()
    assert found.largest.max() < 4.5
    assert found.mean_square.mean() == pytest.approx(1, abs=0.6)
