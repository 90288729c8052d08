"""One more of each kind is one entry: added here, from outside `lib`, then measured and drawn."""

from dataclasses import replace

import made_up
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from test_claims import corrupted, general

from lib import claims, measures, pruning, saliency, study
from lib.claims import robustness
from lib.networks import protocols
from lib.output import figures
from lib.output.figures import agreement, capacity, corruptions
from lib.output.figures import pruning as pruned
from lib.output.figures import robustness as by_amount
from lib.pruning.scoring import Scores
from lib.robustness.corruptions import CORRUPTIONS, Corruption
from lib.study import costs, parameters
from lib.tasks import datasets

WIDTHS = [3, 8]


def shards(dataset: str = "MNIST", protocol: str = "described", **changes) -> list[study.Shard]:
    """Two networks of two seeds, trained for a few steps."""
    seeds, changes = {protocol: [0, 1]}, {"steps": 5} | changes
    return study.shards(dataset, ["4-9"], seeds, WIDTHS, limit=200, **changes)


def allowed(notebook: str, **given: object) -> None:
    """See that a notebook may be given this."""
    parameters.check_notebook(notebook, parameters.defaults(notebook) | given)


def words(figure: Figure) -> str:
    """All that is written in a figure, once it could be drawn."""
    assert figures.png(figure)
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return " ".join(text.get_text() for text in texts)


def curtain(images: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """A share of the rows of pixels at the top is black."""
    return images * (torch.arange(784) >= 784 * share)


@pytest.fixture
def _curtain(monkeypatch):
    entry = Corruption(curtain, (0.1, 0.2, 0.3, 0.4, 0.5), "height of the curtain")
    monkeypatch.setitem(CORRUPTIONS, "curtain", entry)


@pytest.mark.usefixtures("_curtain")
def test_a_corruption(digits):
    allowed("04_robustness", kinds=["curtain"])
    allowed("05_saliency", corruptions=["curtain"])
    table = study.table(shards(), measures.corrupted, corruptions=["curtain"])
    assert table.groupby("severity").amount.first().tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert table.f1.nunique() > 2
    examples = measures.corruption_examples("MNIST", ["4-9"], ["curtain"])
    leads = measures.leads(table, 8, 3)
    theirs = pd.DataFrame(columns=["task", "corruption", "width", "amount", "f1_mean"])
    for figure in (
        corruptions.contact_sheet(examples),
        corruptions.leads(leads, 8, 3),
        corruptions.by_severity(table, "f1"),
    ):
        assert "curtain" in words(figure)
    for figure in (
        by_amount.examples(examples),
        by_amount.f1_by_amount(table, ["described"], theirs),
    ):
        assert "height of the curtain" in words(figure)


@pytest.mark.usefixtures("_curtain")
def test_a_corruption_more_changes_no_verdict():
    networks, exact = general(12, 0.01)
    more = networks[networks.corruption == robustness.KINDS[0]].assign(corruption="curtain", f1=0)
    found = robustness.general(pd.concat([networks, more]), exact, "described")
    assert found == robustness.general(networks, exact, "described")


def ink(networks, images: torch.Tensor) -> torch.Tensor:
    """A map that shows the image, whatever the network."""
    return images.expand(len(networks), -1, -1)


def test_a_kind_of_map(digits, monkeypatch):
    monkeypatch.setitem(saliency.METHODS, "ink", saliency.MapKind(ink, "the image's ink"))
    some, methods = {"rows": 20}, ["gradient", "ink"]
    compared = {"sparsities": [0.5], "seeds": [0, 1], **some}
    table = study.table(shards(), measures.agreement, methods=methods, **compared)
    of_ink = table[(table.method == "ink") & (table.n > 0)]
    assert of_ink[[*saliency.AGREEMENT]].to_numpy() == pytest.approx(1, abs=1e-5)
    strokes = study.table(shards(), measures.strokes, methods=methods, **some)
    attention = study.table(shards(), measures.attention, methods=methods)
    assert {"gradient", "ink"} == set(strokes.method) == set(attention.method)
    beside = table.assign(beside=table.comparison.replace("magnitude", "one_shot"))
    worth = study.table(shards(), measures.faithfulness, methods=methods, **some)
    for figure in (
        agreement.controls(beside, ["described"], "spearman", "agreement"),
        agreement.faithfulness(worth, ["described"]),
    ):
        assert "the image's ink" in words(figure)


def by_output(networks) -> Scores:
    """A weight counts with the output weight of its unit."""
    size = networks.weight2.abs()
    return Scores(size.expand_as(networks.weight1), size)


def test_a_pruning_score(digits, monkeypatch):
    entry = pruning.PruningMethod(by_output, scopes=("layer", "global"))
    monkeypatch.setitem(pruning.METHODS, "output", entry)
    allowed("03_pruning", methods=["magnitude", "output"])
    criteria = measures.criteria(["magnitude", "output"])
    assert criteria[-2:] == [pruning.Criterion("output", scope) for scope in ("layer", "global")]
    options = {"sparsities": [0.5, 0.9]}
    table = study.table(shards(), measures.pruned, criteria=criteria, **options)
    rewound = study.table(shards(), measures.rewound, criterion=criteria[-1], **options)
    assert set(rewound.method) == {"output"}
    changes = table.assign(f1_change=measures.change(table, "f1"))
    by = ["dataset", "task", "protocol", "width", "regime", "method", "scope", "sparsity"]
    lines = pruned.plotted(changes[changes.width == 8], by, "f1_change")
    figure = pruned.by_score(lines, ["described"], "f1_change", "change of F1")
    assert "output, layer" in words(figure)


NOT_PUBLISHED = pd.DataFrame(columns=["task", "width", "best_f1_mean"])


def test_a_data_set(tmp_path, monkeypatch):
    there = made_up.dataset()
    for part in ("train", "test"):
        np.savez(tmp_path / part, images=there.images[part], labels=there.labels[part])

    def fetch(part: str, download: bool) -> datasets.Part:
        found = np.load(tmp_path / f"{part}.npz")
        return torch.from_numpy(found["images"]), torch.from_numpy(found["labels"])

    monkeypatch.setitem(datasets.SOURCES, "scribbles", datasets.Source(fetch))
    allowed("01_tasks", dataset="scribbles")
    assert costs.on_disk("scribbles")
    table = study.table(shards("scribbles"), measures.capacity)
    assert torch.equal(datasets.load("scribbles").images["test"], there.images["test"])
    assert set(table.dataset) == {"scribbles"}
    assert "4-9" in words(capacity.f1_by_width(table, {"described": "f1_test"}, NOT_PUBLISHED))


def test_a_protocol(digits, monkeypatch):
    to_give = claims.conditions()
    brief = replace(protocols.PROTOCOLS["converged"], name="brief", steps=30)
    monkeypatch.setitem(protocols.PROTOCOLS, "brief", brief)
    allowed("02_capacity", seeds={"described": [0], "converged": [0], "brief": [0]})
    wanted = shards(protocol="brief", steps=brief.steps)
    table = study.table(wanted, measures.capacity)
    needed = measures.minimum_widths({"networks": table}, {"brief": "f1_test"}, 0.5, 0.9)
    at_threshold = needed[~needed.relative]
    behind = study.table(wanted, measures.corrupted, corruptions=["occlusion"])
    leads = measures.leads(behind, 8, 3)
    for figure in (
        capacity.f1_by_width(table, {"brief": "f1_test"}, NOT_PUBLISHED),
        capacity.minimum_width(at_threshold, 8, 0.5),
        corruptions.leads(leads, 8, 3),
    ):
        assert "brief" in words(figure)
    assert claims.conditions() == to_give


def strongest(run: study.Run, sparsities: list[float]) -> pd.DataFrame:
    """The size of the largest output weight that is left, by reading and sparsity."""
    parts = []
    for criterion in measures.BOTH_READINGS:
        for sparsity in (0, *sparsities):
            kept = pruning.prune(run.networks, sparsity, criterion)
            sizes = [float(kept.network(place).weight2.abs().max()) for place in range(len(kept))]
            facts = {"reading": criterion.reading, "sparsity": sparsity}
            parts.append(pd.DataFrame({"network": range(len(kept)), **facts, "size": sizes}))
    return pd.concat(parts)


def test_a_measurement(digits):
    table = study.table(shards(), strongest, sparsities=[0.5, 0.9])
    assert list(table) == [*study.IDENTITY, "reading", "sparsity", "size"]
    by = ["dataset", "task", "protocol", "width", "reading", "sparsity"]
    lines = pruned.plotted(table, by, "size")
    rows = [("described", reading) for reading in pruning.READINGS]
    assert "largest" in words(pruned.change_by_sparsity(lines, rows, "size", "largest"))


def test_a_claim(tmp_path, monkeypatch):
    name = "robustness.wide_is_as_good"
    text = {"says": "Width costs nothing.", "effect": "the lead", "supported": "it is not below 0"}
    monkeypatch.setitem(claims.RULES, name, text)
    monkeypatch.setitem(claims.CLAIMS, name, None)

    @claims.decides(name, "04_robustness/networks")
    def wide_is_as_good(networks: pd.DataFrame, protocol: str) -> claims.Finding:
        means = networks[networks.protocol == protocol].groupby("width").f1.mean()
        if len(means) < 2:
            raise claims.NotMeasured("there are not two widths")
        lead = means[64] - means[24]
        return claims.Finding("supported" if lead >= 0 else "not supported", lead)

    folder = tmp_path / "04_robustness"
    folder.mkdir()
    corrupted(lambda *_: 0, {24: 0.8, 64: 0.9}).to_csv(folder / "networks.csv", index=False)
    rows, undecided = claims.decide("04_robustness", tmp_path)
    [row] = rows[rows.claim == name].itertuples()
    assert (row.protocol, row.verdict, row.rule) == ("described", "supported", text["supported"])
    reasons = [each.reason for each in undecided if each.claim == name]
    assert reasons == 2 * ["there are not two widths"]
    rows.to_csv(folder / "claims.csv", index=False)
    claims.publish(tmp_path, tmp_path)
    macro = f"\\defverdict{{{name}}}{{described}}{{supported}}"
    assert macro in (tmp_path / "verdicts.tex").read_text("utf-8")
    assert text["says"] in (tmp_path / "claims.tex").read_text("utf-8")
