"""Each kind of corruption is what its formula says; scikit-image and SciPy are the oracles."""

import math

import checksums
import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.feature import canny
from skimage.transform import AffineTransform, warp

from lib.robustness.corruptions import amount, corrupt
from lib.robustness.moved import RISE, shuffled, trail
from lib.robustness.overlaid import MUD, plasma, stroke, teeth

DIGITS = checksums.digits()
BLACK = torch.zeros(200, 784)
SEVERITIES = (1, 3, 5)


def made(clean: torch.Tensor, name: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupted images as (rows, 28, 28)."""
    generator = torch.Generator().manual_seed(seed)
    return corrupt(clean, name, severity, generator).reshape(-1, 28, 28).numpy()


def squares(clean: torch.Tensor) -> np.ndarray:
    return clean.reshape(-1, 28, 28).numpy()


def is_one_of(found: np.ndarray, expected: list[np.ndarray]) -> list[int]:
    """Which of the expected pictures each found one is."""
    off = np.abs(found[:, None] - np.stack(expected, 1)).max((2, 3))
    assert off.min(1).max() < 1e-5
    return off.argmin(1).tolist()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_counts_whole_photons_with_the_mean_of_the_pixel(severity):
    grey, photons = torch.full((100, 784), 0.3), 1 / amount("shot_noise", severity)
    counted = made(grey, "shot_noise", severity) * photons
    np.testing.assert_allclose(counted, counted.round(), atol=1e-4)
    inside = np.random.default_rng(0).poisson(0.3 * photons, 78400).clip(max=photons)
    assert counted.mean() == pytest.approx(inside.mean(), rel=0.02)
    assert counted.var() == pytest.approx(inside.var(), rel=0.05)
    assert not made(BLACK, "shot_noise", severity).any()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_makes_its_share_of_pixels_black_or_white_as_often(severity):
    grey, share = torch.full((100, 784), 0.5), amount("impulse_noise", severity)
    found = made(grey, "impulse_noise", severity)
    assert set(np.unique(found)) == {0, 0.5, 1}
    for value in (0, 1):
        assert (found == value).mean() == pytest.approx(share / 2, rel=0.05)


def test_brightness_adds_to_every_pixel_and_stripe_inverts_the_outer_columns():
    clean = squares(DIGITS)
    np.testing.assert_allclose(made(DIGITS, "brightness", 2), (clean + 0.2).clip(max=1), atol=1e-6)
    found = made(DIGITS, "stripe", 3)
    outer = np.r_[:7, 21:28]
    np.testing.assert_allclose(found[:, :, outer], 1 - clean[:, :, outer])
    np.testing.assert_array_equal(found[:, :, 7:21], clean[:, :, 7:21])


def about_the_centre(matrix: np.ndarray) -> AffineTransform:
    """The map of output to input places that keeps the centre of the image where it is."""
    centre = np.array([13.5, 13.5])
    whole = np.eye(3)
    whole[:2, :2], whole[:2, 2] = matrix, centre - matrix @ centre
    return AffineTransform(matrix=whole)


def of_shear(slope: float) -> np.ndarray:
    return np.array([[1, slope], [0, 1]])


def of_scale(share: float) -> np.ndarray:
    return np.eye(2) / (1 - share)


def of_rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    ("name", "matrix"), [("shear", of_shear), ("scale", of_scale), ("rotate", of_rotation)]
)
def test_shear_scale_and_rotate_are_scikit_images_warp_to_either_side(name, matrix, severity):
    own_unit = amount(name, severity)
    sides = [own_unit] if name == "scale" else [own_unit, -own_unit]
    maps = [about_the_centre(matrix(side)) for side in sides]
    expected = [np.stack([warp(each, m, order=1) for each in squares(DIGITS)]) for m in maps]
    chosen = is_one_of(made(DIGITS, name, severity), expected)
    assert len(set(chosen)) == len(sides)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_translate_moves_by_whole_pixels_into_one_of_four_corners(severity):
    steps = [(y * severity, x * severity) for y in (-1, 1) for x in (-1, 1)]
    expected = [ndimage.shift(squares(DIGITS), (0, *step), order=0) for step in steps]
    chosen = is_one_of(made(DIGITS, "translate", severity), expected)
    assert set(chosen) == {0, 1, 2, 3}


@pytest.mark.parametrize("reach", [1, 3, 5])
def test_a_shuffle_loses_no_pixel_and_moves_none_farther_than_its_reach(reach):
    order = shuffled(torch.Size([500, 28]), reach, torch.Generator().manual_seed(0))
    assert torch.equal(order.sort(-1).values, torch.arange(28).expand(500, 28))
    moved = (order - torch.arange(28)).abs()
    assert int(moved.max()) == reach
    assert float((moved > 0).float().mean()) > 0.2


def test_glass_blur_keeps_the_light_of_a_digit():
    ratio = made(DIGITS, "glass_blur", 3).sum((1, 2)) / squares(DIGITS).sum((1, 2))
    np.testing.assert_allclose(ratio, 1, atol=0.01)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_is_the_convolution_with_a_fading_trail(severity):
    sigma = amount("motion_blur", severity)
    generator = torch.Generator().manual_seed(0)
    angles = (torch.rand(len(DIGITS), generator=generator) - 0.5) * math.pi / 2
    kernels = trail(angles, sigma).numpy()
    np.testing.assert_allclose(kernels.sum((1, 2)), 1, rtol=1e-5)
    found = made(DIGITS, "motion_blur", severity)
    for image, kernel, blurred in zip(squares(DIGITS), kernels, found, strict=True):
        whole = np.zeros((2 * RISE + 1, 57))
        whole[:, 28:] = kernel
        expected = ndimage.convolve(image, whole, mode="constant")
        np.testing.assert_allclose(blurred, expected, atol=1e-5)


@pytest.mark.parametrize("angle", [-0.7, 0.0, 0.5])
def test_a_trail_goes_out_from_the_point_at_its_angle(angle):
    [kernel] = trail(torch.tensor([angle]), 5.0).numpy()
    down, right = np.indices(kernel.shape)
    down -= RISE
    weights = np.exp(-(np.arange(28) ** 2) / 50)
    mean = (weights * np.arange(28)).sum() / weights.sum()
    assert (kernel * right).sum() == pytest.approx(mean * math.cos(angle), abs=1e-4)
    assert (kernel * down).sum() == pytest.approx(mean * math.sin(angle), abs=1e-4)


def test_plasma_spans_0_to_1_without_edges_and_is_smoother_where_steps_shrink_faster():
    def roughness(decay: float) -> float:
        maps = plasma(50, decay, torch.Generator().manual_seed(0))
        assert maps.shape == (50, 32, 32)
        np.testing.assert_allclose([maps.amin((1, 2)), maps.amax((1, 2))], [[0] * 50, [1] * 50])
        across = (maps - maps.roll(1, 2)).abs().mean((0, 1))
        assert float(across[0]) < 2 * float(across[1:].mean())
        return float(across.mean())

    assert roughness(4.0) < roughness(1.96) < roughness(1.0)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_fog_brightens_black_pixels_and_takes_contrast_away(severity):
    strength = amount("fog", severity)
    white = made(torch.ones(20, 784), "fog", severity)
    assert white.min() >= 1 / (1 + strength) - 1e-6
    found, clean = made(DIGITS, "fog", severity), squares(DIGITS)
    cloud = (found * (1 + strength) - clean) / strength
    assert cloud.min() > -1e-5
    assert cloud.max() < 1 + 1e-5
    assert not made(BLACK, "fog", severity).any()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_spatter_is_grey_mud_and_covers_more_where_more_is_liquid(severity):
    found = made(BLACK, "spatter", severity)
    mud = found[found > 0]
    assert mud.min() >= 0.8 * MUD - 1e-6
    assert mud.max() <= MUD + 1e-6
    assert (found > 0).mean() < amount("spatter", severity)
    white = made(torch.ones(200, 784), "spatter", severity)
    np.testing.assert_allclose(white, 1 - found / MUD + found, atol=1e-5)


def test_a_stroke_is_white_in_its_middle_and_fades_over_less_than_two_pixels():
    brightness = stroke(torch.tensor([0.0, -1.0, 1.0, 1.4, 1.5, 3.0])).tolist()
    fading = [1 + math.log(1 - d / 2.3) for d in (1, 1, 1.4)]
    assert brightness == pytest.approx([1, *fading, 0, 0], abs=1e-6)


def test_a_dotted_line_leaves_out_two_columns_of_four_and_runs_from_left_to_right():
    found = made(BLACK, "dotted_line", 1)
    columns = found.max(1)
    assert not columns[:, np.arange(28) % 4 < 2].any()
    assert columns[:, np.arange(28) % 4 >= 2].min() > 0.7
    heights = found.argmax(1)[:, [2, 27]]
    assert heights.min() <= 2
    assert heights.max() >= 25


def test_a_zigzag_stays_within_two_pixels_of_a_nearly_straight_line():
    found = made(BLACK, "zigzag", 1)
    assert not found[:, :, 0].any()
    for one in found:
        rows, columns = np.nonzero(one > 0.9)
        line = np.polyfit(columns, rows, 1) if len(set(columns)) > 5 else None
        if line is not None:
            assert np.abs(rows - np.polyval(line, columns)).max() < 4
    wave = teeth(torch.tensor([0.0, 2.0, 4.0, 6.0, 8.0])).tolist()
    assert wave == pytest.approx([0, 2, 0, -2, 0], abs=1e-5)


def test_canny_edges_are_scikit_images_of_each_image_alone():
    expected = np.stack([canny(each) for each in squares(DIGITS)])
    np.testing.assert_array_equal(made(DIGITS, "canny_edges", 5), expected)
    half = made(DIGITS, "canny_edges", 2)
    np.testing.assert_allclose(half, 0.6 * squares(DIGITS) + 0.4 * expected, atol=1e-6)


def test_canny_edges_at_the_border_do_not_reach_the_next_image():
    lit = torch.zeros(3, 28, 28)
    lit[1, 22:, 5:20] = lit[0, :6, 5:20] = 1
    expected = np.stack([canny(each) for each in lit.numpy()])
    np.testing.assert_array_equal(made(lit.flatten(1), "canny_edges", 5), expected)
