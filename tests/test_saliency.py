"""The agreement of maps, and where they lie, are what other libraries and plain loops say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.feature import hog
from skimage.metrics import structural_similarity

from lib import measures, saliency, study
from lib.errors import UserError
from lib.measures.permuted import permuted
from lib.networks.scores import logistic_loss
from lib.saliency import AGREEMENT
from lib.tasks import Rows

SEEDS = st.integers(0, 2**32 - 1)
FINITE = "finite_difference"
LIT = torch.zeros(28, 28, dtype=torch.bool)
LIT[4:24, 4:24] = True
LIT = LIT.flatten()


def images(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 784, generator=torch.Generator().manual_seed(seed))


def maps(seed: int, grey: int | None = None) -> torch.Tensor:
    """Random maps of 2 networks and 3 rows; of few grey values, so that many are equal."""
    values = torch.rand(2, 3, 784, generator=torch.Generator().manual_seed(seed))
    return values if grey is None else (values * grey).round() / grey


@given(SEEDS, SEEDS, st.sampled_from([None, 5]))
def test_rank_correlation_is_that_of_scipy_on_lit_pixels(seed, other, grey):
    one, two = maps(seed, grey), maps(other + 1, grey)
    found = AGREEMENT["spearman"](one, two, LIT)
    for place in np.ndindex(2, 3):
        expected = spearmanr(one[place][LIT].numpy(), two[place][LIT].numpy()).statistic
        assert float(found[place]) == pytest.approx(expected, abs=1e-6)


def test_a_flat_map_orders_no_pixels_and_agrees_with_none_beyond_chance():
    flat = torch.zeros(2, 3, 784)
    assert not AGREEMENT["spearman"](flat, maps(0), LIT).any()
    assert not AGREEMENT["hog"](flat, maps(0), LIT).any()
    assert AGREEMENT["top_decile"](flat, maps(0), LIT).flatten().tolist() == pytest.approx(
        [0.1] * 6
    )


@given(SEEDS, SEEDS)
def test_similarity_is_that_of_scikit_image_on_lit_pixels(seed, other):
    one, two = maps(seed) * 3, (maps(seed) + maps(other + 1)) / 7
    found = AGREEMENT["ssim"](one, two, LIT)
    for place in np.ndindex(2, 3):
        x, y = (m[place].reshape(28, 28).double().numpy() for m in (one, two))
        _, full = structural_similarity(x / x.max(), y / y.max(), data_range=1.0, full=True)
        expected = full.flatten()[LIT.numpy()].mean()
        assert float(found[place]) == pytest.approx(expected, abs=1e-5)


@given(SEEDS, SEEDS)
def test_overlap_is_the_share_of_the_top_tenth_in_common(seed, other):
    one, two = maps(seed), maps(other + 1)
    found = AGREEMENT["top_decile"](one, two, LIT)
    for place in np.ndindex(2, 3):
        tops = [set(np.argsort(m[place][LIT].numpy())[-40:].tolist()) for m in (one, two)]
        assert float(found[place]) == pytest.approx(len(tops[0] & tops[1]) / 40)


def test_maps_with_no_top_pixel_in_common_do_not_overlap():
    one = torch.arange(784.0).expand(1, 1, 784)
    assert float(AGREEMENT["top_decile"](one, -one, LIT)) == 0


@given(SEEDS, SEEDS)
def test_histograms_of_gradients_are_those_of_scikit_image_on_blocks_wholly_lit(seed, other):
    one, two = maps(seed).double() ** 3, maps(seed).double() + maps(other + 1)
    found = AGREEMENT["hog"](one, two, LIT)
    inside = slice(1, 5)  # cells of 4 pixels, blocks of 2 cells: those from pixel 4 to 24
    for place in np.ndindex(2, 3):
        x, y = (m[place].reshape(28, 28).numpy() / float(m[place].max()) for m in (one, two))
        sides = [
            hog(image, 9, (4, 4), (2, 2), feature_vector=False)[inside, inside].ravel()
            for image in (x, y)
        ]
        expected = np.corrcoef(*sides)[0, 1]
        assert float(found[place]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", AGREEMENT)
@given(SEEDS)
def test_a_map_agrees_fully_with_itself_and_no_pair_agrees_more(name, seed):
    compare = AGREEMENT[name]
    one, two = maps(seed), maps(seed + 1)
    torch.testing.assert_close(compare(one, one, LIT).double(), torch.ones(2, 3).double())
    assert bool((compare(one, two, LIT) < 1).all())
    torch.testing.assert_close(compare(one, two, LIT), compare(two, one, LIT))


@pytest.mark.parametrize("name", AGREEMENT)
def test_agreement_ignores_pixels_that_are_never_lit_but_for_the_windows_edge(name):
    far = torch.ones(28, 28, dtype=torch.bool)
    far[1:27, 1:27] = False  # more than half a window from any lit pixel's centre is not needed
    one, two = maps(1), maps(2)
    changed = one.clone()
    changed[..., far.flatten()] = 0.5
    inner = torch.zeros(28, 28, dtype=torch.bool)
    inner[8:20, 8:20] = True
    compare = AGREEMENT[name]
    found, before = (compare(m, two, inner.flatten()) for m in (changed, one))
    torch.testing.assert_close(found, before, rtol=0, atol=1e-3)


@given(SEEDS, st.floats(0.01, 100))
def test_agreement_does_not_depend_on_how_strong_a_map_is(seed, factor):
    one, two = maps(seed), maps(seed + 1)
    for compare in AGREEMENT.values():
        torch.testing.assert_close(
            compare(one * factor, two, LIT), compare(one, two, LIT), rtol=0, atol=1e-3
        )


@given(SEEDS)
def test_concentration_is_the_share_of_mass_over_the_share_of_area_image_by_image(seed):
    found, ink = maps(seed), images(3, seed + 1) > 0.7
    by_row = saliency.concentration(found, ink)
    for network, row in np.ndindex(2, 3):
        inside = [float(v) for v, lit in zip(found[network, row], ink[row], strict=True) if lit]
        expected = sum(inside) / float(found[network, row].sum()) / (len(inside) / 784)
        assert float(by_row[network, row]) == pytest.approx(expected, rel=1e-4)


def test_an_even_map_concentrates_nowhere_and_a_map_of_zeros_has_no_place():
    ink = images(3) > 0.7
    even = saliency.concentration(torch.full((2, 3, 784), 0.3), ink)
    torch.testing.assert_close(even, torch.ones(2, 3))
    assert saliency.concentration(torch.zeros(2, 3, 784), ink).isnan().all()


def test_the_discriminating_tenth_is_where_the_mean_digits_differ_either_way():
    rows = Rows(torch.zeros(40, 784), (torch.arange(40) % 2).float())
    rows.images[1::2, 100:139] = 0.5
    rows.images[0::2, 300:339] = 0.4
    rows.images[:, 500:] = 1
    found = saliency.discriminating(rows)
    assert found.nonzero().flatten().tolist() == [*range(100, 139), *range(300, 339)]
    assert len(found) // 10 == int(found.sum()) == 78


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.data())
def test_a_row_is_matched_with_the_nearest_in_confidence(values, data):
    confidence = torch.tensor(values).float()
    cut = data.draw(st.integers(1, len(values) - 1))
    wanted, among = torch.arange(cut), torch.arange(cut, len(values))
    found = saliency.matched(confidence, wanted, among)
    for row, other in zip(wanted.tolist(), found.tolist(), strict=True):
        nearest = min(range(cut, len(values)), key=lambda k: abs(values[k] - values[row]))
        assert other == nearest


def test_where_a_side_has_no_row_none_is_matched():
    confidence, rows, none = torch.rand(5), torch.arange(5), torch.arange(0)
    assert len(saliency.matched(confidence, none, rows)) == 0
    assert len(saliency.matched(confidence, rows, none)) == 0


def shards(seeds: list[int]) -> list[study.Shard]:
    """Networks of a few steps on made-up digits."""
    return study.shards("MNIST", ["4-9"], {"described": seeds}, [3, 8], limit=200, steps=20)


def test_attention_compares_every_wrong_row_with_a_right_one_as_confident(digits):
    [shard] = shards([0])
    study.train([shard])
    run = study.load_shard(shard)
    found = study.asked(run, measures.attention, [FINITE])
    logits = run.networks.logits(shard.scored.images)
    wrong = (logits >= 0) != shard.scored.labels.bool()
    weights = saliency.discriminating(shard.split.train)
    for network, rows in found.groupby("network"):
        rows = rows.set_index("outcome")
        confidence, share = [], []
        for row in wrong[network].nonzero().flatten().tolist():
            gap = (logits[network].abs() - logits[network, row].abs()).abs()
            nearest = int(gap.masked_fill(wrong[network], torch.inf).argmin())
            confidence.append(float(logits[network, nearest].abs()))
            one = run.networks.network(network)
            map_ = saliency.maps(one, shard.scored.images[nearest : nearest + 1], FINITE)
            share.append(float((map_ * weights).sum() / map_.sum()))
        shown = np.isfinite(share)
        assert rows.n["right"] == shown.sum()
        assert rows.confidence["right"] == pytest.approx(np.array(confidence)[shown].mean(), 1e-3)
        assert rows.share["right"] == pytest.approx(np.array(share)[shown].mean(), rel=1e-3)


def test_a_network_without_a_wrong_row_has_no_share(digits):
    [shard] = shards([0])
    study.train([shard])
    run = study.load_shard(shard)
    answers = run.networks.logits(shard.scored.images) >= 0
    run.shard.scored.labels.copy_(answers[1])
    found = study.asked(run, measures.attention, ["gradient", "occlusion"]).query("network == 1")
    assert found.n.tolist() == [0] * 4
    assert found[["share", "confidence"]].isna().all(axis=None)


def test_before_training_strokes_are_those_of_untrained_networks(digits):
    [shard] = study.shards("MNIST", ["4-9"], {"described": [0]}, [3, 8], limit=200, steps=0)
    study.train([shard])
    run = study.load_shard(shard)
    found = study.asked(run, measures.strokes, ["gradient"], rows=10).set_index(
        ["version", "network"]
    )
    columns = ["ratio", "ratio_inside", "n"]
    assert found.loc["trained", columns].equals(found.loc["untrained", columns])
    assert found.ratio.notna().all()


def test_the_ceiling_compares_each_network_with_that_of_the_next_seed(digits):
    both = shards([0, 1])
    options = {"methods": ["gradient"], "sparsities": [0.5], "rows": 20}
    options["by_protocol"] = {"seeds": {"described": [0, 1]}}
    found = study.table(both, measures.agreement, **options)
    found = found.query("comparison == 'seeds' and width == 8")
    assert found.seed.tolist() == [0, 1]
    one, two = (study.load_shard(shard).networks.network(1) for shard in both)
    rows = both[0].scored.take(torch.arange(20))
    right = (one.logits(rows.images)[0] >= 0) == rows.labels.bool()
    pictures = rows.images[right]
    maps_of_both = (saliency.maps(networks, pictures, "gradient") for networks in (one, two))
    expected = AGREEMENT["spearman"](*maps_of_both, both[0].split.lit).mean()
    assert found.spearman.iloc[0] == pytest.approx(float(expected), abs=1e-6)
    assert found.regime.tolist() == ["", ""]
    alone = study.table(
        both[:1], measures.agreement, **options | {"by_protocol": {"seeds": {"described": [0]}}}
    )
    assert "seeds" not in set(alone.comparison)


OPTIONS = {"methods": ["gradient", "occlusion"], "rows": 20, "seeds": [0], "controlled": True}


def test_every_kind_of_map_is_set_beside_every_network_and_map_at_each_sparsity(digits):
    study.train(shards([0, 1]))
    runs = [study.load_shard(shard) for shard in shards([0, 1])]
    options = OPTIONS | {"sparsities": [0.5, 0.9], "seeds": [0, 1]}
    first, second = (
        study.asked(run, measures.agreement, **options, again=[0], steps=2) for run in runs
    )
    names = ["comparison", "regime", "reading"]
    pruned = [
        ("magnitude", "one_shot", "as_coded"),
        ("magnitude", "one_shot", "as_described"),
        ("random", "one_shot", "as_described"),
    ]
    tuned = [("magnitude", r, "as_described") for r in ("fine_tuned", "rewound")]
    once = [
        (name, "", "")
        for name in ("seeds", "untrained", "readout", "layers", "class_means", "edges")
    ]
    for found, expected in ((first, [*pruned, *tuned]), (second, pruned)):
        counts = found.groupby(names).size().to_dict()
        extra = [("permuted", "", "")] if found is first else []
        assert counts == dict.fromkeys(expected, 8) | dict.fromkeys([*once, *extra], 4)
        assert found[[*AGREEMENT, "flat"]].notna().all(axis=None)
        assert found.groupby(["method", "network"]).n.nunique().eq(1).all()


def test_what_is_not_pruned_keeps_its_map(digits):
    study.train(shards([0]))
    found = study.asked(
        study.load_shard(shards([0])[0]), measures.agreement, **OPTIONS, sparsities=[0.0]
    )
    kept = found[found.regime == "one_shot"]
    assert kept[list(AGREEMENT)].to_numpy() == pytest.approx(1, abs=1e-5)


def test_networks_on_permuted_labels_have_learned_less(digits):
    [shard] = shards([0])
    study.train([shard])
    run = study.load_shard(shard)
    train = shard.split.train
    learned, not_learned = (
        logistic_loss(networks.logits(train.images), train.labels)
        for networks in (run.networks, permuted(run))
    )
    assert bool((learned < not_learned).all())


def test_a_corrupted_image_has_less_of_its_map_the_more_severe_and_another_image_least(digits):
    study.train(shards([0]))
    run = study.load_shard(shards([0])[0])
    what = (["gradient"], ["gaussian_noise", "occlusion"], 40)
    found = study.asked(run, measures.corrupted_maps, *what).query("network == 1")
    assert found.corruption.value_counts().to_dict() == {
        "none": 1,
        "gaussian_noise": 5,
        "occlusion": 5,
    }
    agreed = found.set_index(["corruption", "severity"]).spearman
    assert agreed["gaussian_noise", 1] > agreed["gaussian_noise", 5]
    assert agreed["occlusion", 1] > agreed["occlusion", 5] > agreed["none", 0]
    assert found.same_answer.between(0, 1).all()


@pytest.mark.parametrize("measure", [measures.strokes, measures.faithfulness])
def test_no_rows_or_an_unknown_kind_of_map_is_an_error_that_says_so(measure, digits):
    study.train(shards([0]))
    run = study.load_shard(shards([0])[0])
    with pytest.raises(UserError, match="rows 0 is not allowed: give 1 or more"):
        study.asked(run, measure, ["gradient"], 0)
    with pytest.raises(UserError, match="unknown kind of map 'grad': allowed are gradient"):
        study.asked(run, measure, ["grad"], 10)
