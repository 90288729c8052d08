"""Pruned networks are trained on in every regime beside their controls, and that is kept."""

import pandas as pd
import pytest
import torch

from lib import measures, pruning, seeds, study
from lib.measures import audited, base
from lib.networks import protocols, training
from lib.networks.scores import f1
from lib.study import measuring

WIDTHS = [3, 8]
SPARSITIES = [0.5, 0.9]
STEPS = {"described": 3, "converged": 20}
REGIMES = ["one_shot", "fine_tuned"]


def shard(protocol: str = "described", seed: int = 0) -> study.Shard:
    return study.shards("MNIST", ["4-9"], {protocol: [seed]}, WIDTHS, steps=4)[0]


def tuned(protocol: str, method: str = "magnitude", scope: str = "layer") -> pd.DataFrame:
    criterion = pruning.Criterion(method, scope)
    options = {"criterion": criterion, "sparsities": SPARSITIES, "by_protocol": {"steps": STEPS}}
    return study.table([shard(protocol)], measures.fine_tuned, **options)


def count(table: pd.DataFrame) -> set[int]:
    """How often each network is in each condition."""
    return set(table.groupby(["width", "regime", "control", "sparsity"]).size())


@pytest.mark.parametrize("criterion", measures.criteria(pruning.METHODS))
@pytest.mark.parametrize("protocol", ["described", "converged"])
def test_every_criterion_stands_beside_every_control_in_every_regime(digits, protocol, criterion):
    found = tuned(protocol, criterion.method, criterion.scope)
    again = study.table(
        [shard(protocol)], measures.rewound, criterion=criterion, sparsities=SPARSITIES
    )
    both = pd.concat([found, again])
    assert list(found) == list(again)
    assert count(both) == {1}
    for regime in (*REGIMES, "rewound"):
        here = both[both.regime == regime]
        assert set(here[here.control == "none"].sparsity) == {0, *SPARSITIES}
        for control in ("random", "shuffled", "fresh", "dense"):
            assert set(here[here.control == control].sparsity) == set(SPARSITIES)


@pytest.mark.parametrize("method", [n for n, each in pruning.METHODS.items() if each.at_start])
def test_what_is_cut_at_the_start_is_trained_once_on_its_mask(digits, method):
    criterion = measures.criteria([method])[0]
    run = study.load_shard(trained_shard())
    found = study.asked(run, measures.rewound, criterion, [0.9]).query(
        "control == 'none' and sparsity == 0.9"
    )
    begin, rows = protocols.initial(run.shard.protocol, "MNIST", "4-9", WIDTHS, 0), run.shard.scored
    [kept] = base.masks_at(run, [0.9], criterion)
    order = seeds.generator("MNIST", "4-9", "order", 0)
    end, _ = training.train(begin, run.shard.split, run.shard.protocol, order, kept)
    expected = f1(end.logits(rows.images), rows.labels)
    assert found.f1.tolist() == pytest.approx(expected.tolist())


def test_a_control_under_a_mask_has_as_many_weights_of_each_layer(digits):
    found = tuned("described").set_index(["width", "regime", "sparsity", "control"]).sort_index()
    shares = found[["sparsity_actual", "layer1", "layer2"]].unstack("control")
    for control in ("random", "shuffled", "fresh"):
        of_control = shares.xs(control, axis=1, level=1).dropna()
        found_mask = shares.xs("none", axis=1, level=1).loc[of_control.index]
        pd.testing.assert_frame_equal(of_control, found_mask)


def test_pruning_in_one_shot_is_the_same_in_either_table(digits):
    criteria = [pruning.STUDIED]
    alone = study.table(
        [shard()], measures.pruned, sparsities=SPARSITIES, criteria=criteria
    ).set_index(["width", "sparsity"])
    found = tuned("described").query("regime == 'one_shot' and control == 'none'")
    found = found.set_index(["width", "sparsity"])[alone.columns]
    pd.testing.assert_frame_equal(found, alone)


def test_a_dense_control_has_about_as_many_weights(digits):
    run = study.load_shard(trained_shard())
    kept = pruning.cut(run.networks, 0.5)
    _, dense = audited.other_weights(run, 0.5, kept)
    weights = pruning.counts(run.networks, kept)
    found = pruning.counts(dense.networks, dense.kept)
    assert ((weights - found).abs() <= 785 / 2).all()


def trained_shard() -> study.Shard:
    study.train([shard()])
    return shard()


def test_what_took_long_is_kept_and_not_done_again(digits, monkeypatch):
    wanted = [shard(seed=seed) for seed in (0, 1, 2)]
    options = {"criterion": pruning.STUDIED, "sparsities": SPARSITIES}
    begun: list[int] = []
    rewinds = audited.pruning.rewind

    def stopped(*arguments):
        begun.append(len(begun))
        if len(begun) == 3:
            raise KeyboardInterrupt
        return rewinds(*arguments)

    monkeypatch.setattr(audited.pruning, "rewind", stopped)
    with pytest.raises(KeyboardInterrupt):
        study.table(wanted, measures.rewound, keep=True, **options)
    found = study.table(wanted, measures.rewound, keep=True, **options)
    assert len(begun) == 4
    again = study.table(wanted, measures.rewound, keep=True, **options)
    assert len(begun) == 4
    pd.testing.assert_frame_equal(found, again)
    fresh = study.table(wanted, measures.rewound, **options)
    pd.testing.assert_frame_equal(found, fresh, check_dtype=False)


def test_what_is_kept_is_found_by_what_it_was_asked_for(digits, cache, monkeypatch):
    def kept(**options):
        study.table([shard()], measures.rewound, keep=True, criterion=pruning.STUDIED, **options)
        return len(list((cache / "tables").rglob("*.csv")))

    assert kept(sparsities=[0.5]) == 1
    assert kept(sparsities=[0.5]) == 1
    assert kept(sparsities=[0.6]) == 2
    monkeypatch.setattr(measuring, "code", lambda _: "other code")
    assert kept(sparsities=[0.5]) == 3


def test_boundaries_tell_what_the_mean_shows_from_what_its_interval_shows():
    changes = pd.DataFrame(
        {
            "task": ["4-9"] * 3 + ["0-1"] * 3,
            "sparsity": [0, 0.5, 0.9] * 2,
            "mean": [0, -0.005, -0.009, 0, -0.02, 0],
            "low": [0, -0.008, -0.02] + [float("nan")] * 3,
            "high": [0, -0.002, 0.001] + [float("nan")] * 3,
        }
    )
    found = measures.boundaries(changes, ["task"], 0.01).set_index("task")
    assert found.loc["4-9"].tolist() == [0.9, 0.5, 0.9]
    assert found.loc["0-1"].fillna(-1).tolist() == [0, -1, -1]


def test_the_essential_size_is_the_text_s_and_as_coded_hardly_less_than_all(digits):
    found = study.table([shard()], measures.essential).set_index(["width", "reading"])
    for width in WIDTHS:
        coded, described = (found.loc[(width, f"as_{r}")] for r in ("coded", "described"))
        assert coded.dense == described.dense == 785 * width
        assert 0.98 * coded.dense < coded.weights < coded.dense
        assert described.weights <= coded.weights


def test_geometry_compares_with_the_pruned_and_with_the_next_seed(digits):
    shards = [shard(seed=seed) for seed in (0, 1)]
    found = study.table(
        shards,
        measures.geometry,
        sparsity=0.5,
        rows=20,
        by_protocol={"seeds": {"described": [0, 1]}},
    )
    assert found.groupby(["comparison", "reading"]).size().tolist() == [4, 4, 4]
    assert found.cka.dropna().between(0, 1 + 1e-9).all()
    both = found[found.comparison == "seeds"].set_index(["seed", "width"]).sort_index()
    there, back = both.loc[0], both.loc[1]
    assert there.cka.tolist() == pytest.approx(back.cka.tolist())
    assert torch.equal(
        torch.tensor(there.silhouette.to_numpy()), torch.tensor(back.silhouette_dense.to_numpy())
    )
