"""A corruption does what its name says, as strongly as its severity says, and by seed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib.corruptions import AMOUNTS, CORRUPTIONS, amount, corrupt, occluded_everywhere
from lib.errors import UserError
from lib.protocols import PROTOCOLS, initial

NAMES = st.sampled_from(sorted(CORRUPTIONS))
SEVERITIES = st.integers(1, 5)
SEEDS = st.integers(0, 2**32 - 1)


def images(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 784, generator=torch.Generator().manual_seed(seed))


def by_seed(clean: torch.Tensor, name: str, severity: int, seed: int) -> torch.Tensor:
    return corrupt(clean, name, severity, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_the_identity(name):
    assert torch.equal(by_seed(images(5), name, 0, 1), images(5))
    assert amount(name, 0) == 0


@given(NAMES, SEVERITIES, SEEDS)
def test_the_same_seed_gives_the_same_corruption_within_0_and_1(name, severity, seed):
    clean = images(20, seed)
    one = by_seed(clean, name, severity, seed)
    assert torch.equal(one, by_seed(clean, name, severity, seed))
    assert not torch.equal(one, by_seed(clean, name, severity, seed + 1))
    assert torch.equal(clean, images(20, seed))
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


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
    side = AMOUNTS["occlusion"][severity - 1]
    black = by_seed(torch.ones(300, 784), "occlusion", severity, 4).reshape(-1, 28, 28) == 0
    assert bool((black.sum((1, 2)) == side**2).all())
    for one in black:
        rows, columns = (torch.nonzero(one.any(axis)).flatten() for axis in (1, 0))
        assert len(rows) == len(columns) == int(rows[-1] - rows[0]) + 1 == side
        assert int(columns[-1] - columns[0]) + 1 == side


@pytest.mark.parametrize("severity", [1, 5])
def test_occlusion_reaches_every_place_about_equally_often(severity):
    side = AMOUNTS["occlusion"][severity - 1]
    black = by_seed(torch.ones(20000, 784), "occlusion", severity, 5) == 0
    corner = black.int().argmax(1)
    seen = torch.bincount(corner, minlength=784).reshape(28, 28)
    places = (29 - side) ** 2
    assert int((seen > 0).sum()) == places
    assert int((seen[: 29 - side, : 29 - side] > 0).sum()) == places
    assert float(seen.max()) < 3 * 20000 / places


def test_occlusion_leaves_all_other_pixels_as_they_were():
    clean = images(50) + 0.001
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


@pytest.mark.parametrize("severity", [-1, 6, 2.5])
def test_a_severity_out_of_range_is_refused_in_a_sentence(severity):
    with pytest.raises(UserError, match=rf"^severity {severity} is not allowed: give 0 to 5$"):
        by_seed(images(2), "occlusion", severity, 0)


def test_an_unknown_corruption_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown corruption 'gausian_noise'.*'gaussian_noise'\?$"):
        by_seed(images(2), "gausian_noise", 1, 0)


def test_images_of_another_shape_are_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"images of shape \(2, 28, 28\): give \(rows, 784\)"):
        by_seed(images(2).reshape(2, 28, 28), "occlusion", 1, 0)
