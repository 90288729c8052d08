"""A corruption does what its name says, as strongly as its severity says, and by seed."""

import checksums
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import UserError
from lib.networks.perturbed import expected_logits, occluded_everywhere
from lib.networks.protocols import PROTOCOLS, initial
from lib.robustness.corruptions import CORRUPTIONS, SEVERITIES, amount, corrupt

NAMES = st.sampled_from(sorted(CORRUPTIONS))
SEEDS = st.integers(0, 2**32 - 1)


def images(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 784, generator=torch.Generator().manual_seed(seed))


def by_seed(clean: torch.Tensor, name: str, severity: int, seed: int) -> torch.Tensor:
    return corrupt(clean, name, severity, torch.Generator().manual_seed(seed))


def draws(name: str) -> bool:
    """Whether a corruption draws anything: whether it leaves its generator elsewhere."""
    generator = torch.Generator()
    begin = generator.get_state()
    corrupt(images(2), name, 3, generator)
    return not torch.equal(generator.get_state(), begin)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_the_identity(name):
    assert torch.equal(by_seed(images(5), name, 0, 1), images(5))
    assert amount(name, 0) == 0


@given(NAMES, st.sampled_from(SEVERITIES), SEEDS)
def test_the_same_seed_gives_the_same_corruption_within_0_and_1(name, severity, seed):
    clean = images(20, seed)
    one = by_seed(clean, name, severity, seed)
    assert torch.equal(one, by_seed(clean, name, severity, seed))
    assert torch.equal(one, by_seed(clean, name, severity, seed + 1)) != draws(name)
    assert torch.equal(clean, images(20, seed))
    assert one.shape == clean.shape
    assert one.dtype == clean.dtype
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


def test_the_checksums_of_twenty_digits_are_those_that_were_written_down():
    golden = pd.read_csv(checksums.PATH)
    found = checksums.checksums(golden.corruption.unique())
    pd.testing.assert_frame_equal(found, golden, check_exact=False, rtol=1e-5, atol=0.005)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_checksum_tells_one_draw_and_one_severity_from_another(name):
    drawn = {
        round(checksums.of(by_seed(checksums.digits(), name, severity, seed)), 2)
        for severity in (2, 3)
        for seed in (0, 1, 2)
    }
    assert len(drawn) == (6 if draws(name) else 2)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_takes_images_farther_from_the_clean_ones_on_average(name):
    clean = checksums.digits()
    now = [by_seed(clean, name, severity, 7) for severity in range(6)]
    distances = [float((each - clean).norm(dim=1).mean()) for each in now]
    assert distances[0] == 0
    assert sorted(distances) == distances
    assert len(set(distances)) == 6
    amounts = [amount(name, severity) for severity in range(6)]
    assert sorted(set(amounts)) == amounts


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if not draws(name)])
def test_what_draws_nothing_does_to_a_row_what_it_does_to_it_alone(name):
    clean = checksums.digits()
    alone = [by_seed(row[None], name, 3, 0) for row in clean]
    torch.testing.assert_close(torch.cat(alone), by_seed(clean, name, 3, 1), rtol=0, atol=1e-6)


def test_of_mnist_cs_kinds_one_severity_is_mnist_cs_own_setting():
    own = {name: amount(name, each.mnist_c) for name, each in CORRUPTIONS.items() if each.mnist_c}
    assert own == {
        **{"shot_noise": 1 / 3, "impulse_noise": 0.17, "glass_blur": 1, "motion_blur": 3},
        **{"shear": 0.4, "scale": 0.3, "rotate": 0.4, "brightness": 0.5, "translate": 3},
        **{"stripe": 7, "fog": 3, "spatter": 0.5, "dotted_line": 1, "zigzag": 1},
        "canny_edges": 1,
    }


@pytest.mark.parametrize(
    ("name", "amounts"),
    [("gaussian_noise", (0.1, 0.2, 0.3, 0.4, 0.5)), ("occlusion", (3, 5, 7, 9, 11))],
)
def test_the_amounts_are_those_of_the_study(name, amounts):
    assert tuple(amount(name, severity) for severity in range(1, 6)) == amounts


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_noise_has_its_standard_deviation_and_no_mean_before_clipping(severity):
    grey = torch.full((200, 784), 0.5)
    noise = by_seed(grey, "gaussian_noise", severity, 3) - 0.5
    inside = noise[noise.abs() < 0.5]
    sigma = amount("gaussian_noise", severity)
    rng = np.random.default_rng(0)
    expected = rng.normal(0, sigma, 156800)
    expected = expected[abs(expected) < 0.5]
    assert float(inside.std()) == pytest.approx(expected.std(), rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert len(inside) == pytest.approx(len(expected), rel=0.01)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_occlusion_blackens_one_square_that_lies_wholly_inside(severity):
    side = amount("occlusion", severity)
    black = by_seed(torch.ones(300, 784), "occlusion", severity, 4).reshape(-1, 28, 28) == 0
    assert bool((black.sum((1, 2)) == side**2).all())
    for one in black:
        rows, columns = (torch.nonzero(one.any(axis)).flatten() for axis in (1, 0))
        assert len(rows) == len(columns) == int(rows[-1] - rows[0]) + 1 == side
        assert int(columns[-1] - columns[0]) + 1 == side


@pytest.mark.parametrize("severity", [1, 5])
def test_occlusion_reaches_every_place_about_equally_often(severity):
    side = amount("occlusion", severity)
    black = by_seed(torch.ones(20000, 784), "occlusion", severity, 5) == 0
    corner = black.int().argmax(1)
    seen = torch.bincount(corner, minlength=784).reshape(28, 28)
    places = (29 - side) ** 2
    assert int((seen > 0).sum()) == places
    assert int((seen[: 29 - side, : 29 - side] > 0).sum()) == places
    assert float(seen.max()) < 3 * 20000 / places


def test_occlusion_leaves_all_other_pixels_as_they_were():
    clean = images(50).clamp(min=0.001)
    now = by_seed(clean, "occlusion", 3, 6)
    assert bool(((now == clean) | (now == 0)).all())


@pytest.mark.parametrize("side", [3, 7])
def test_occlusion_everywhere_is_that_of_each_place_in_turn(side):
    networks = initial(PROTOCOLS["converged"], "MNIST", "4-9", [3, 5], seed=1)
    clean = images(4)
    found = list(occluded_everywhere(networks, clean, side))
    assert len(found) == (29 - side) ** 2
    places = ((row, column) for row in range(29 - side) for column in range(29 - side))
    for (row, column), logits in zip(places, found, strict=True):
        black = clean.reshape(-1, 28, 28).clone()
        black[:, row : row + side, column : column + side] = 0
        torch.testing.assert_close(logits, networks.logits(black.flatten(1)), rtol=1e-5, atol=1e-5)


def test_expected_logits_are_the_mean_over_draws_of_noise_within_its_standard_error():
    networks = initial(PROTOCOLS["converged"], "MNIST", "4-9", [3, 5, 0], seed=1)
    clean, sigma, draws = images(6), 0.4, 4000
    noise = torch.randn(draws, 6, 784, generator=torch.Generator().manual_seed(2))
    drawn = networks.logits((clean + sigma * noise).flatten(0, 1)).reshape(3, draws, 6)
    error = drawn.std(1) / draws**0.5
    off = (drawn.mean(1) - expected_logits(networks, clean, sigma)) / error
    assert float(off.abs().max()) < 4
    assert 0.3 < float(off.square().mean()) < 2


def test_expected_logits_without_noise_are_the_logits():
    networks = initial(PROTOCOLS["converged"], "MNIST", "4-9", [3, 5], seed=1)
    torch.testing.assert_close(expected_logits(networks, images(4), 0), networks.logits(images(4)))


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_a_standard_deviation_that_is_none_is_refused_in_a_sentence(sigma):
    networks = initial(PROTOCOLS["converged"], "MNIST", "4-9", [3], seed=1)
    with pytest.raises(UserError, match=r"^sigma .* is not allowed: give a standard deviation"):
        expected_logits(networks, images(2), sigma)


@pytest.mark.parametrize("severity", [-1, 6, 2.5, 2.0, True, "2", None])
def test_a_severity_out_of_range_is_refused_in_a_sentence(severity):
    with pytest.raises(UserError, match=rf"^severity {severity!r} is not allowed: give 0 to 5$"):
        by_seed(images(2), "occlusion", severity, 0)


def test_an_unknown_corruption_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown corruption 'gausian_noise'.*'gaussian_noise'\?$"):
        by_seed(images(2), "gausian_noise", 1, 0)


def test_images_of_another_shape_are_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"images of shape \(2, 28, 28\): give \(rows, 784\)"):
        by_seed(images(2).reshape(2, 28, 28), "occlusion", 1, 0)


@pytest.mark.parametrize("value", [float("nan"), -0.01, 1.01, 255.0])
def test_images_outside_0_and_1_are_refused_in_a_sentence(value):
    wrong = images(2)
    wrong[1, 400] = value
    with pytest.raises(UserError, match=r"NaN or outside \[0, 1\]: scale them to \[0, 1\]$"):
        by_seed(wrong, "fog", 1, 0)
