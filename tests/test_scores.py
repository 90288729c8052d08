"""The scores and the loss are those of scikit-learn, and a table with one score has all four."""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from lib import measures, pruning, study
from lib.networks.scores import SCORES, auc, f1, logistic_loss, scores

LOGITS = st.one_of(st.floats(-30, 30, width=16), st.integers(-3, 3).map(float))
"""Such as occur, and few values, so that many rows are equal; none that differ in the last bit."""


@st.composite
def judged(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of some networks on some rows, and labels; of one class alone now and then.

    The last two networks say one class of every row.
    """
    rows = draw(st.integers(2, 40))
    values = st.lists(LOGITS, min_size=rows, max_size=rows)
    logits = torch.tensor(draw(st.lists(values, min_size=1, max_size=3)), dtype=torch.float32)
    one_sided = torch.stack([logits[0].abs(), -logits[0].abs().clamp(min=1)])
    alike = draw(st.sampled_from([None, 0.0, 1.0]))
    labels = draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))
    given_labels = torch.tensor(labels, dtype=torch.float32)
    if alike is not None:
        given_labels.fill_(alike)
    return torch.cat([logits, one_sided]), given_labels


@given(judged())
def test_f1_of_one_class_and_of_both_and_accuracy_are_those_of_scikit_learn(rows):
    logits, labels = rows
    found = scores(logits, labels)
    assert tuple(found) == SCORES
    assert torch.equal(found["f1"], f1(logits, labels))
    actual = labels.int().numpy()
    for place, said in enumerate((logits >= 0).int().numpy()):
        expected = {
            "f1": f1_score(actual, said, zero_division=0),
            "f1_macro": f1_score(actual, said, labels=[0, 1], average="macro", zero_division=0),
            "accuracy": accuracy_score(actual, said),
        }
        for name, value in expected.items():
            assert float(found[name][place]) == pytest.approx(value, abs=1e-6)


@given(judged())
def test_the_area_under_the_curve_is_that_of_scikit_learn_ties_included(rows):
    logits, labels = rows
    assume(0 < labels.sum() < len(labels))
    expected = [roc_auc_score(labels, row) for row in logits]
    assert scores(logits, labels)["auc"].tolist() == pytest.approx(expected, abs=1e-6)
    assert auc(-logits, labels).tolist() == pytest.approx([1 - each for each in expected])


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_of_one_class_alone_there_is_no_area_as_scikit_learn_says(label):
    logits, labels = torch.tensor([[0.5, -1.0, 2.0]]), torch.full((3,), label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(roc_auc_score(labels, logits[0]))
    assert scores(logits, labels)["auc"].isnan().all()


def test_the_area_of_many_rows_is_that_of_scikit_learn_and_of_equal_logits_a_half():
    g = torch.Generator().manual_seed(3)
    logits, labels = torch.randn(4, 20_000, generator=g), torch.rand(20_000, generator=g) < 0.3
    logits[2] *= 1e-30
    logits[3] = 0.7
    found = auc(logits, labels.float()).tolist()
    assert found == pytest.approx([roc_auc_score(labels, row) for row in logits], abs=1e-7)
    assert found[3] == 0.5


@given(judged())
def test_the_loss_is_that_of_scikit_learn(rows):
    logits, labels = rows
    for place, row in enumerate(logits.double().numpy()):
        chances = np.stack([1 / (1 + np.exp(row)), 1 / (1 + np.exp(-row))], axis=1)
        expected = log_loss(labels, chances, labels=[0, 1])
        found = float(logistic_loss(logits, labels)[place])
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(judged())
def test_a_class_taken_for_the_other_gives_the_scores_that_know_no_class_again(rows):
    """But for a logit of 0, which says class 1 both ways."""
    logits, labels = rows
    logits = logits + 0.5
    one, other = scores(logits, labels), scores(-logits, 1 - labels)
    for name in ("f1_macro", "accuracy", "auc"):
        torch.testing.assert_close(one[name], other[name], equal_nan=True)


SCORE = re.compile(r"(f1_macro|f1|accuracy|auc)(?!_(?:difference|change|mean|std)$)(|_\w+)")
"""A column with a score of networks, and its suffix; not what is computed of several scores."""


def lacking(columns: Iterable[str]) -> set[str]:
    """The scores that a table should have beside those that it has, with the same suffix."""
    met = (SCORE.fullmatch(column) for column in columns)
    suffixes = {found[2] for found in met if found}
    return {f"{score}{suffix}" for score in SCORES for suffix in suffixes} - set(columns)


def results(folder: Path) -> dict[str, list[str]]:
    """The columns of every table of results under a folder, by its path: a CSV without a figure.

    Compressed or not, by its plain name.
    """
    names = {
        path: str(path.relative_to(folder)).removesuffix(".gz") for path in folder.rglob("*.csv*")
    }
    return {
        name: list(pd.read_csv(path, nrows=0))
        for path, name in names.items()
        if not (folder / name).with_suffix(".pdf").is_file()
    }


def test_a_table_without_one_of_the_scores_is_noticed():
    assert lacking(["width", "f1_test", "auc_test", "f1_macro_test"]) == {"accuracy_test"}
    assert lacking(["f1", "f1_macro", "accuracy", "auc", "f1_change", "mean"]) == set()


def test_whatever_scores_networks_gives_all_four(digits):
    [shard] = study.shards("MNIST", ["4-9"], {"described": [0]}, [2, 4], limit=100)
    study.train([shard])
    run, cut = study.load_shard(shard), {"criterion": pruning.STUDIED, "sparsities": [0.5]}
    for found in (
        study.asked(run, measures.capacity),
        study.asked(run, measures.corrupted, ["stripe"]),
        study.asked(run, measures.occluded, 3),
        study.asked(run, measures.pruned, [0.5], [pruning.STUDIED]),
        study.asked(run, measures.fine_tuned, **cut, steps=2),
        study.asked(run, measures.rewound, **cut),
    ):
        assert {column.partition("_")[0] for column in found} >= {"f1", "accuracy", "auc"}
        assert lacking(found) == set()


@pytest.mark.slow
def test_every_table_of_a_run_that_has_a_score_has_all_four(executed):
    found = results(executed / "build" / "tiny" / "figures")
    assert {"02_capacity/networks.csv", "02_capacity/budgets.csv"} <= found.keys()
    assert {name: lacking(columns) for name, columns in found.items() if lacking(columns)} == {}
