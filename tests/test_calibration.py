"""The calibration prunes LeNet-300-100 by our ranks, rewinds it, and does so the same again."""

import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
import yaml
from test_store import content
from test_verdicts import typeset
from torch import nn
from torch.nn.utils import prune

from lib import ROOT
from lib.beyond import calibration, lenet
from lib.beyond.lenet import WEIGHTS, Recipe
from lib.output import report
from lib.study import parameters

TINY = Recipe("MNIST", epochs=2, batch=64, learning_rate=0.0012, held_out=100, limit=400)
VALUES = {
    **{"profile": "tiny", "dataset": "MNIST", "seeds": [0, 1], "rounds": 2, "controls": [2]},
    **{"epochs": 2, "batch": 64, "learning_rate": 0.0012, "held_out": 100, "limit": 400},
    "jobs": 1,
}


def left(step: int) -> list[int]:
    """How many weights of each layer a round leaves."""
    shares = (0.2, 0.2, 0.1)
    return [
        size - int(round(1 - (1 - share) ** step, 6) * size)
        for size, share in zip((235200, 30000, 1000), shares, strict=True)
    ]


def counts(kept: lenet.Masks) -> list[int]:
    return [int(mask.sum()) for mask in kept]


def test_a_round_leaves_exactly_as_many_weights_of_each_layer_and_takes_none_back():
    state, kept = lenet.initial("MNIST", 0), lenet.whole()
    for step in range(19):
        before, kept = kept, calibration.by_magnitude(state, kept, step)
        assert counts(kept) == left(step) == counts(calibration.at_random("MNIST", 0, step))
        assert all(bool((old | ~new).all()) for old, new in zip(before, kept, strict=True))


def test_in_one_shot_the_masks_are_those_of_torch_l1_unstructured():
    state = lenet.initial("MNIST", 0)
    masks = calibration.by_magnitude(state, lenet.whole(), 3)
    for name, mask, kept in zip(WEIGHTS, masks, left(3), strict=True):
        layer = nn.Linear(*state[name].shape[::-1])
        layer.weight.data = state[name]
        prune.l1_unstructured(layer, "weight", amount=mask.numel() - kept)
        assert torch.equal(mask, layer.weight_mask.bool())


def test_each_round_begins_from_the_initial_values_of_what_is_kept(digits, monkeypatch):
    begun = []
    train = lenet.train

    def watched(start, kept, *others):
        begun.append((start, kept))
        state, facts = train(start, kept, *others)
        for name, mask in zip(WEIGHTS, kept, strict=True):
            assert not state[name][~mask].any()
            assert not torch.equal(state[name][mask], start[name][mask])
        return state, facts

    monkeypatch.setattr(lenet, "train", watched)
    list(calibration.rewound(TINY, 0, [2]))
    assert [counts(kept) for _, kept in begun] == [left(0), left(1), left(2)]
    first = lenet.initial("MNIST", 0)
    for start, _ in begun:
        assert all(torch.equal(start[name], first[name]) for name in first)


def test_the_product_has_the_gradients_of_torch():
    ours = lenet.network(lenet.initial("MNIST", 0))
    plain = (nn.Linear(784, 300), nn.Linear(300, 100), nn.Linear(100, 10))
    theirs = nn.Sequential(plain[0], nn.ReLU(), plain[1], nn.ReLU(), plain[2])
    theirs.load_state_dict(ours.state_dict())
    draws = torch.Generator().manual_seed(0)
    images, labels = torch.rand(128, 784, generator=draws), torch.arange(128) % 10
    for model in (ours, theirs):
        nn.functional.cross_entropy(model(images), labels).backward()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_held_out_rows_are_not_trained_on_and_the_seed_draws_them(digits):
    one, other = lenet.rows(TINY, 0), lenet.rows(TINY, 1)
    assert sorted([*one.train.tolist(), *one.held_out.tolist()]) == list(range(400))
    assert len(one.held_out) == 100
    assert not torch.equal(one.held_out, other.held_out)
    assert len(one.of("test")[1]) == 300


def test_two_runs_from_nothing_give_the_same_table(digits, cache, monkeypatch):
    first = calibration.table(VALUES)
    monkeypatch.setattr("lib.study.store.CACHE", cache / "other")
    pd.testing.assert_frame_equal(calibration.table(VALUES), first, check_exact=True)
    assert first.groupby("regime").size().to_dict() == {
        **{"rewound": 6, "one_shot": 4, "fine_tuned": 2, "random": 2}
    }
    assert first.accuracy.between(0, 1).all()
    same = first[first["round"] == 2]
    assert same.weights.nunique() == 1


def test_what_was_trained_is_found_again_and_a_further_round_goes_on_from_there(
    digits, cache, monkeypatch
):
    short = calibration.table(VALUES | {"rounds": 1, "controls": [1]})
    before = content(cache)
    trained = []
    train = lenet.train
    monkeypatch.setattr(lenet, "train", lambda *given: trained.append(1) or train(*given))
    longer = calibration.table(VALUES | {"controls": [1]})
    assert len(trained) == 2  # the second round of each seed
    assert content(cache).items() >= before.items()
    pd.testing.assert_frame_equal(longer[longer["round"] < 2].reset_index(drop=True), short)
    list(calibration.rewound(replace(TINY, learning_rate=0.002), 0, [0]))
    assert len(trained) == 3


SENTENCE = r"""\documentclass{article}\usepackage{results}\begin{document}\noindent
They \ifatleast{accuracy}{floor}{reach}{miss} it. So \ifatleast{nothing}{floor}{is}{was} it.
\end{document}"""


@pytest.mark.tex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed")
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize(
    ("accuracy", "says"), [("0.9799", "miss"), ("0.9800", "reach"), ("1.0000", "reach")]
)
def test_a_sentence_of_the_paper_follows_the_number(tmp_path, accuracy, says):
    (tmp_path / "generated").mkdir()
    given = {"accuracy": accuracy, "floor": "0.98"}
    numbers = "".join(
        f"\\defresult{{{name}}}{{{value}}}{{}}{{}}{{}}\n" for name, value in given.items()
    )
    (tmp_path / "generated" / "calibration.tex").write_text(numbers, "utf-8")
    said, _ = typeset(SENTENCE, tmp_path)
    assert said.startswith(f"They {says} it. So n/a it.")


@pytest.fixture
def profile(tmp_path):
    """A folder of a profile `tiny` to change."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "calibration.yaml").write_text(yaml.safe_dump(VALUES), "utf-8")
    return folder


def test_as_a_program_it_leaves_a_figure_of_four_files_and_the_numbers(
    digits, profile, monkeypatch, capsys
):
    monkeypatch.setattr(report, "ROOT", profile)
    assert calibration.main([str(profile)]) == 0
    figures = profile / "build" / "tiny" / "figures" / "calibration"
    assert sorted(path.name for path in figures.iterdir()) == [
        *("lenet.csv", "lenet.json", "lenet.pdf", "lenet.png")
    ]
    plotted = pd.read_csv(figures / "lenet.csv")
    assert set(plotted.regime) == {*calibration.REGIMES, "han2015learning", "frankle2019lottery"}
    numbers = (profile / "build" / "tiny" / "generated" / "calibration.tex").read_text("utf-8")
    (dense,) = re.findall(r"\{calibration.accuracy.dense\}\{([\d.]+)\}", numbers)
    rewound = plotted[(plotted.regime == "rewound") & (plotted["round"] == 0)]
    assert float(dense) == pytest.approx(rewound.accuracy.mean(), abs=0.00005)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 0}, "epochs = 0: Input should be greater than or equal to 1"),
        ({"learning_rate": "1e-3"}, "YAML reads this as text: write 0.001"),
        ({"seeds": []}, "seeds = []: List should have at least 1 item"),
        ({"controls": [3]}, "controls = [3]: give at most 2, as rounds is 2"),
        ({"held_out": 400}, "held_out = 400: give at most 399, as limit is 400"),
        ({"dataset": "MNITS"}, "did you mean 'MNIST'?"),
        ({"profile": "other"}, "profile must be 'tiny', its folder's name"),
        ({"round": 2}, "unknown parameter of the calibration 'round'"),
        ({"jobs": None}, "jobs is missing"),
    ],
)
def test_bad_parameters_are_answered_with_one_sentence(profile, capsys, changes, said):
    values = {name: v for name, v in (VALUES | changes).items() if v is not None or name == "limit"}
    (profile / "calibration.yaml").write_text(yaml.safe_dump(values), "utf-8")
    assert calibration.main([str(profile)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\S+calibration\.yaml: .+\n", err)
    assert said in err


def test_a_folder_without_its_file_is_named_and_make_paper_refuses_its_profile(tmp_path, capsys):
    assert calibration.main([str(tmp_path)]) == 2
    assert "calibration.yaml is missing" in capsys.readouterr().err
    assert calibration.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: python -m lib.beyond.calibration")
    assert parameters.main([str(ROOT / "params" / "calibration")]) == 2
    assert "common.yaml is missing" in capsys.readouterr().err


def test_the_committed_profile_is_read():
    assert calibration.read(ROOT / "params" / "calibration")["profile"] == "calibration"
