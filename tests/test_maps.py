"""Every kind of map is what its definition says, by Captum or by a plain loop."""

import pytest
import torch
from captum.attr import (
    InputXGradient,
    IntegratedGradients,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_population import drawn
from torch import nn

from lib import saliency
from lib.errors import UserError
from lib.networks.protocols import PROTOCOLS, initial
from lib.saliency.maps import (
    gradient,
    gradient_times_input,
    integrated_gradients,
    occlusion,
    probability_change,
    smoothgrad,
)

WIDTHS = st.lists(st.integers(1, 12), min_size=1, max_size=3)
SEEDS = st.integers(0, 2**32 - 1)


def small(widths: list[int], seed: int):
    """Networks on 784 pixels whose probabilities are not all 0 or 1."""
    networks = drawn(widths, seed, features=784)
    networks.weight1.mul_(0.1)
    networks.weight2.mul_(0.3)
    return networks


def images(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, 784, generator=torch.Generator().manual_seed(seed))


def attributed(kind, networks, rows, **options) -> torch.Tensor:
    """Captum's maps of each network, in double precision."""
    models = [networks.sequential(place).double() for place in range(len(networks))]
    pixels = rows.double()
    return torch.stack([kind(model).attribute(pixels, **options).detach() for model in models])


def signed_gradient(model: nn.Module) -> Saliency:
    """Captum's gradient, with its sign."""
    kind = Saliency(model)
    attribute = kind.attribute
    kind.attribute = lambda pixels, **options: attribute(pixels, abs=False, **options)
    return kind


@given(WIDTHS, SEEDS)
def test_the_gradient_is_captums_with_and_without_its_sign(widths, seed):
    networks, rows = small(widths, seed), images(4, seed)
    found = gradient(networks, rows)
    assert found.shape == (len(widths), 4, 784)
    expected = attributed(signed_gradient, networks, rows)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)
    unsigned = saliency.maps(networks, rows, "gradient").double()
    torch.testing.assert_close(unsigned, attributed(Saliency, networks, rows), rtol=0, atol=1e-4)


@given(WIDTHS, SEEDS)
def test_gradient_times_input_is_captums(widths, seed):
    networks, rows = small(widths, seed), images(4, seed)
    expected = attributed(InputXGradient, networks, rows)
    found = gradient_times_input(networks, rows).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@settings(max_examples=8)
@given(WIDTHS, SEEDS)
def test_integrated_gradients_are_captums_of_many_steps(widths, seed):
    networks, rows = small(widths, seed), images(2, seed)
    steps = {"n_steps": 2000, "method": "riemann_middle", "internal_batch_size": 2000}
    expected = attributed(IntegratedGradients, networks, rows, **steps)
    found = integrated_gradients(networks, rows).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@given(WIDTHS, SEEDS)
def test_integrated_gradients_sum_to_the_logit_less_that_of_a_black_image(widths, seed):
    networks, rows = small(widths, seed), images(4, seed)
    total = integrated_gradients(networks, rows).sum(-1)
    black = networks.logits(torch.zeros(1, 784))
    torch.testing.assert_close(total, networks.logits(rows) - black, rtol=1e-4, atol=1e-4)


def test_a_unit_that_the_image_does_not_move_is_active_all_the_way_or_never():
    networks = small([2], 0)
    networks.bias1.copy_(torch.tensor([0.5, -0.5]))
    black = torch.zeros(1, 784)
    assert not integrated_gradients(networks, black).any()
    networks.weight1[0] = 0
    lit = black.clone()
    lit[0, 0] = 1  # a pixel that no unit sees
    assert not integrated_gradients(networks, lit).any()


def off_captums_mean(networks, rows, sigma: float, samples: int, seed: int):
    """How far SmoothGrad lies from Captum's mean over samples, and that mean's standard error."""

    def tunnel(model: nn.Module) -> NoiseTunnel:
        torch.manual_seed(seed)  # the same noise for the mean and for its variance
        return NoiseTunnel(Saliency(model))

    options = {"nt_samples": samples, "stdevs": sigma, "abs": False}
    mean, variance = (
        attributed(tunnel, networks, rows, nt_type=kind, **options)
        for kind in ("smoothgrad", "vargrad")
    )
    off = (smoothgrad(networks, rows, sigma).double() - mean).abs()
    return off, (variance.clamp_min(0) / samples).sqrt()


@settings(max_examples=5)
@given(WIDTHS, SEEDS, st.sampled_from([0.1, 0.5]))
def test_smoothgrad_is_what_captums_samples_come_to_at_every_pixel(widths, seed, sigma):
    networks, rows = small(widths, seed), images(1, seed)
    off, error = off_captums_mean(networks, rows, sigma, 2000, seed % 1000)
    assert bool((off <= 5 * error + 1e-4).all())


@pytest.mark.parametrize("sigma", [0.05, 0.15, 0.5])
def test_smoothgrad_is_captums_mean_within_its_standard_error_over_all_pixels(sigma):
    off, error = off_captums_mean(small([8, 24, 64], 1), images(8), sigma, 1000, 1)
    assert off.mean() <= error.mean()  # four fifths of it, where nothing but the sample is off
    assert off.max() <= 5 * error.max()


@given(WIDTHS, SEEDS)
def test_with_ever_less_noise_smoothgrad_becomes_the_gradient(widths, seed):
    networks, rows = small(widths, seed), images(2, seed)
    found = smoothgrad(networks, rows, 1e-9)
    torch.testing.assert_close(found, gradient(networks, rows))


@pytest.mark.parametrize("side", [4, 7])
def test_occlusion_is_captums_black_square_at_every_place(side):
    networks, rows = small([3, 8], side), images(1)
    pictures = rows.unflatten(1, (28, 28)).double()

    def occluded(model: nn.Module) -> Occlusion:
        return Occlusion(nn.Sequential(nn.Flatten(), model))

    square = {"sliding_window_shapes": (side, side), "perturbations_per_eval": 32}
    expected = attributed(occluded, networks, pictures, **square).flatten(-2).float()
    torch.testing.assert_close(occlusion(networks, rows, side), expected, rtol=0, atol=1e-4)


@settings(max_examples=8)
@given(WIDTHS, SEEDS, st.sampled_from([0.1, 0.01]))
def test_the_finite_difference_is_that_of_raising_one_pixel_after_another(widths, seed, step):
    networks, rows = small(widths, seed), images(2, seed)
    signed = probability_change(networks, rows, step)
    found = saliency.METHODS["finite_difference"].unsigned(signed)
    for place in range(len(widths)):
        model = networks.sequential(place).double()
        for row, image in enumerate(rows.double()):
            raised = image.repeat(784, 1) + step * torch.eye(784, dtype=torch.float64)
            with torch.no_grad():
                change = (model(raised).sigmoid() - model(image[None]).sigmoid()).squeeze(1)
            torch.testing.assert_close(signed[place, row].double(), change, rtol=1e-3, atol=1e-6)
            change = change.abs() - change.abs().min()
            expected = change / change.max() if change.any() else change
            torch.testing.assert_close(found[place, row].double(), expected, rtol=0, atol=1e-3)


def test_a_network_that_sees_nothing_has_a_map_of_zeros():
    networks = small([3], 0)
    networks.weight2.zero_()
    for method in saliency.METHODS:
        assert not saliency.maps(networks, images(2), method).any()


@pytest.mark.parametrize("method", saliency.METHODS)
def test_a_network_has_the_same_map_alone_and_among_others(method):
    networks, rows = small([3, 8], 1), images(3)
    together = saliency.maps(networks, rows, method, signed=True)
    alone = [saliency.maps(networks.network(k), rows, method, signed=True)[0] for k in (0, 1)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", saliency.METHODS)
def test_images_of_another_size_are_an_error_that_says_which_are_right(method):
    with pytest.raises(UserError, match=r"images of shape \(2, 100\): give \(rows, 784\)"):
        saliency.maps(small([3], 0), torch.rand(2, 100), method)


def test_an_unknown_kind_of_map_and_no_noise_are_errors_in_a_sentence():
    with pytest.raises(UserError, match="unknown kind of map 'gradcam': allowed are gradient, "):
        saliency.maps(small([3], 0), images(1), "gradcam")
    for sigma in (0.0, -0.1, float("nan")):
        with pytest.raises(UserError, match="is not allowed: give the noise a deviation above 0"):
            smoothgrad(small([3], 0), images(1), sigma)


def inked(rows: int) -> torch.Tensor:
    """Images with ink on a third of their pixels."""
    return images(rows, 1) * (images(rows, 2) < 1 / 3)


def test_deletion_takes_the_ink_in_order_and_insertion_gives_it_back():
    networks, rows = small([4], 3), inked(2)
    order = images(2, 5)[None]
    curves = saliency.deletion_and_insertion(networks, rows, order)
    steps = curves.shape[1] - 1
    for row, image in enumerate(rows):
        turn = [k for k in order[0, row].argsort(descending=True).tolist() if image[k] > 0]
        sign = 1 if float(networks.logits(image[None])) >= 0 else -1
        for step in range(steps + 1):
            first = turn[: -(-step * len(turn) // steps)]
            only = torch.zeros(784)
            only[first] = image[first]
            expected = [sign * float(networks.logits(i[None])) for i in (image - only, only)]
            assert curves[:, step, 0, row].tolist() == pytest.approx(expected, abs=1e-4)


@given(SEEDS)
def test_no_order_deletes_or_inserts_a_linear_logit_faster_than_gradient_times_input(seed):
    networks = initial(PROTOCOLS["converged"], "MNIST", "4-9", [0], seed % 1000)
    rows = inked(3)
    sign = torch.where(networks.logits(rows) >= 0, 1.0, -1.0)[..., None]
    best = gradient_times_input(networks, rows) * sign
    other = images(3, seed)[None]
    (out, back), (slow, late) = (
        saliency.deletion_and_insertion(networks, rows, order) for order in (best, other)
    )
    assert bool((out <= slow + 1e-5).all())
    assert bool((back >= late - 1e-5).all())
