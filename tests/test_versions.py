"""Pruned networks are those of the tables, and what took training is found in the store again."""

import pandas as pd
import pytest
import torch

from lib import measures, pruning, study
from lib.errors import UserError
from lib.measures import audited, neurons, versions
from lib.networks.population import FIELDS
from lib.networks.scores import f1

SPARSITIES = [0.5, 0.9]
STEPS = 3


@pytest.fixture
def run(digits) -> study.Run:
    shard = study.shards("MNIST", ["4-9"], {"described": [0]}, [3, 8], steps=4)[0]
    study.train([shard])
    return study.load_shard(shard)


@pytest.mark.parametrize("regime", versions.REGIMES)
def test_pruned_networks_score_what_the_tables_of_notebook_03_say(run, regime):
    options = {"criterion": pruning.STUDIED, "sparsities": SPARSITIES}
    if regime == "rewound":
        table = study.asked(run, measures.rewound, **options)
    else:
        table = study.asked(run, measures.fine_tuned, steps=STEPS, **options)
    of_regime = table[(table.regime == regime) & (table.control == "none")]
    found = versions.pruned_networks(run, regime, SPARSITIES, STEPS)
    for sparsity, networks in zip(SPARSITIES, found, strict=True):
        scored = run.shard.scored
        expected = of_regime[of_regime.sparsity == sparsity].sort_values("network").f1
        assert f1(networks.logits(scored.images), scored.labels).tolist() == pytest.approx(
            expected.tolist()
        )
        assert (networks.weight1 == 0).float().mean() == pytest.approx(sparsity, abs=0.01)


@pytest.mark.parametrize("regime", ["fine_tuned", "rewound"])
def test_what_is_trained_on_is_trained_once(run, regime, monkeypatch):
    first = versions.pruned_networks(run, regime, SPARSITIES, STEPS)
    monkeypatch.setattr(audited.pruning, "rewind", None)
    monkeypatch.setattr(audited.pruning, "fine_tune", None)
    again = versions.pruned_networks(run, regime, SPARSITIES, STEPS)
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in FIELDS)


def test_an_unknown_regime_is_refused(run):
    with pytest.raises(UserError, match=r"pruning regime 'never'.*one_shot"):
        versions.pruned_networks(run, "never", SPARSITIES)


def test_units_of_networks_trained_again_are_those_of_the_networks_that_are_kept(run):
    options = {"sparsities": SPARSITIES, "steps": STEPS}
    found = study.asked(run, measures.ablation_again, 0.9, **options).set_index(
        ["version", "network"]
    )
    for regime in ("fine_tuned", "rewound"):
        networks = versions.pruned_networks(run, regime, **options)[1]
        of_units = pd.DataFrame(neurons.of_units(run, networks))
        pd.testing.assert_frame_equal(
            found.loc[regime][list(of_units)].reset_index(drop=True), of_units, check_dtype=False
        )
        assert (found.loc[regime].heard <= found.loc[regime].index.map([3, 8].__getitem__)).all()
