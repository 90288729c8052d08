"""Notebook 04's tables say what was done to the networks, and what its seeds could have seen."""

import numpy as np
import pandas as pd
import pytest
import torch

from lib import ROOT, measures, study
from lib.networks.scores import f1
from lib.output.figures.robustness import power_table
from lib.pruning import Criterion, prune
from lib.statistics import power
from lib.study import plan
from lib.study.parameters import read_profile


@pytest.fixture
def run(digits) -> study.Run:
    """Two briefly trained networks."""
    [shard] = study.shards("MNIST", ["4-9"], {"described": [0]}, [2, 8], limit=100)
    study.train([shard])
    return study.load_shard(shard)


def test_f1_behind_the_patch_is_the_mean_over_each_of_its_places(run):
    rows, networks = run.shard.scored, run.networks
    scores = []
    for row in range(22):
        for column in range(22):
            black = rows.images.reshape(-1, 28, 28).clone()
            black[:, row : row + 7, column : column + 7] = 0
            scores.append(f1(networks.logits(black.flatten(1)), rows.labels))
    found = study.asked(run, measures.occluded, severity=3)
    assert found.corruption.eq("occlusion_everywhere").all()
    clean, behind = (found[found.amount == amount].f1.to_numpy() for amount in (0, 7))
    np.testing.assert_allclose(behind, torch.stack(scores).mean(0), atol=1e-4)
    np.testing.assert_allclose(clean, f1(networks.logits(rows.images), rows.labels), atol=1e-6)


def test_a_change_by_pruning_is_that_of_the_same_network_in_either_reading(run):
    rows = run.shard.scored
    found = study.asked(run, measures.pruning_changes, sparsity=0.95).set_index(
        ["reading", "network"]
    )
    for reading in ("as_coded", "as_described"):
        pruned = prune(run.networks, 0.95, Criterion(reading=reading))
        sparse, dense = (
            f1(each.logits(rows.images), rows.labels) for each in (pruned, run.networks)
        )
        change = sparse - dense
        np.testing.assert_allclose(found.difference[reading], change, atol=1e-6)


def of_seeds(**values: list[float]) -> pd.DataFrame:
    """Differences under `described`, by comparison."""
    rows = [(name, "described", value) for name, each in values.items() for value in each]
    return pd.DataFrame(rows, columns=["comparison", "protocol", "difference"])


def test_what_can_be_seen_is_in_proportion_to_the_sd_of_the_differences():
    one = [0.2, 0.1, 0.4, 0.3, 0.7]
    found = measures.detectable(of_seeds(clean=one, noise=[2 * v for v in one]), [3, 10])
    assert found.n.eq(5).all()
    effects = found.pivot(index="comparison", columns="seeds", values="effect")
    np.testing.assert_allclose(effects.loc["noise"], 2 * effects.loc["clean"])
    np.testing.assert_allclose(effects.loc["clean"], np.std(one, ddof=1) * power([3, 10]).effect)
    assert effects.loc["clean", 3] > 3 * effects.loc["clean", 10]


def test_the_table_of_power_has_its_rows_in_the_papers_order():
    both = of_seeds(pruning=[0.1, 0.2], clean=[0.3, 0.5])
    shown = power_table(measures.detectable(both, [3, 10]))
    assert shown.Comparison.tolist() == ["lead, clean", "pruned"]
    assert list(shown.columns)[-2:] == ["3 seeds", "10 seeds"]


def test_the_length_of_training_is_all_that_differs_before_convergence():
    settings = read_profile(ROOT / "params" / "paper")["04_robustness"]
    trained = plan.named("04_robustness", settings)["by_training"]
    budgets = {f"{steps * rate:g}": (steps, rate) for steps, rate in settings["budgets"]}
    assert list(trained) == [*budgets, "converged"]
    for training, shards in trained.items():
        assert [shard.seed for shard in shards] == settings["budget_seeds"]
        assert {shard.widths for shard in shards} == {(0, *settings["compared_widths"])}
        protocol = "converged" if training == "converged" else "described"
        given = zip(("steps", "learning_rate"), budgets.get(training, ()), strict=False)
        assert {shard.protocol for shard in shards} == {study.changed(protocol, **dict(given))}


def test_a_budget_of_3_is_that_of_the_protocol_so_that_nothing_is_trained_twice():
    settings = read_profile(ROOT / "params" / "paper")["04_robustness"]
    [described] = {
        shard.protocol for shard in plan.named("04_robustness", settings)["by_training"]["3"]
    }
    assert described == study.changed("described")
