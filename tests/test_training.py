"""A network trained among others is the network that a plain PyTorch loop trains alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstest
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.optim import lr_scheduler

from lib import measures, study
from lib.errors import UserError
from lib.networks import protocols, scores, training
from lib.networks.layers import Layers, stepped
from lib.networks.population import FIELDS, Population, stack
from lib.networks.protocols import PROTOCOLS, PUBLISHED_WIDTHS, REPLAY_ORDER, Protocol, initial
from lib.study import store
from lib.tasks import SPLITS, Rows, Split, datasets
from lib.tasks.datasets import Dataset

SHORT = {
    "published": replace(PROTOCOLS["published"], steps=12),
    "described": replace(PROTOCOLS["described"], steps=12),
    "converged": replace(PROTOCOLS["converged"], steps=40, batch=16),
}
"""The three protocols with fewer steps; those on mini-batches take some epochs and part of one."""

WIDTHS = {
    "published": st.sampled_from(PUBLISHED_WIDTHS),
    "described": st.integers(1, 24),
    "converged": st.integers(1, 24),
}
TASKS = st.sampled_from(REPLAY_ORDER)


def order_of(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exactly(split: Split) -> Split:
    """The rows in double precision, where rounding cannot hide a mistake."""
    parts = (split.train, split.held_out, split.test)
    return Split(*(Rows(rows.images.double(), rows.labels.double()) for rows in parts))


def doubled(networks: Population) -> Population:
    *weights, owner, linear = (getattr(networks, name) for name in FIELDS)
    return Population(*(tensor.double() for tensor in weights), owner, linear)


def batches(rows: Rows, protocol: Protocol, order: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """The rows of each step, in the order that the protocol meets them."""
    while protocol.batch is None:
        yield rows.images, rows.labels
    while True:
        for index in torch.randperm(len(rows), generator=order).split(protocol.batch):
            yield rows.images[index], rows.labels[index]


def rates(protocol: Protocol) -> list[float]:
    """The learning rate of each step by PyTorch's own schedulers.

    Those of a cycle step twice as often, so that every second rate is that of the middle of a step.
    """
    steps = protocol.steps
    if protocol.schedule == "constant":
        return [protocol.learning_rate] * steps
    assert steps % 2 == 0
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=protocol.learning_rate)
    up = lr_scheduler.LinearLR(optimiser, 1e-12, 1, total_iters=steps // 2)
    down = lr_scheduler.CosineAnnealingLR(optimiser, 3 * steps // 2)
    schedule = lr_scheduler.SequentialLR(optimiser, [up, down], [steps // 2])
    found = []
    for _ in range(2 * steps):
        optimiser.step()
        schedule.step()
        found += schedule.get_last_lr()
    return found[::2]


def trained_alone(
    model: nn.Sequential, split: Split, protocol: Protocol, seed: int, masks: Sequence[Tensor] = ()
) -> nn.Sequential:
    """A plain PyTorch training loop: the model as trained.

    Both weights are multiplied by the masks, where there are any, after every step.
    """
    loss_of = nn.BCEWithLogitsLoss()
    kind = torch.optim.Adam if protocol.optimiser == "adam" else torch.optim.SGD
    optimiser = kind(model.parameters(), lr=1.0)
    by_step = rates(protocol)
    schedule = lr_scheduler.LambdaLR(optimiser, lambda step: ([*by_step, 0.0])[step])
    drawn = batches(split.train, protocol, order_of(seed))
    for images, labels in islice(drawn, protocol.steps):
        optimiser.zero_grad()
        loss_of(model(images).squeeze(1), labels).backward()
        optimiser.step()
        schedule.step()
        multiply(model, masks)
    return model


def multiply(model: nn.Sequential, masks: Sequence[Tensor]) -> None:
    """Set what the masks leave out of both weights to 0."""
    with torch.no_grad():
        for layer, mask in zip(model[::2], masks, strict=False):
            layer.weight.mul_(mask)


def weights(model: nn.Sequential) -> list[Tensor]:
    return [parameter.detach() for parameter in model.parameters()]


def assert_equal_networks(model: nn.Sequential, other: nn.Sequential, tolerance: float) -> None:
    for one, two in zip(weights(model), weights(other), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", SHORT)
@settings(max_examples=12)
@given(data=st.data(), task=TASKS, seed=st.integers(0, 2**32 - 1))
def test_a_network_of_a_population_is_the_one_trained_alone(digits, name, data, task, seed):
    protocol = SHORT[name]
    widths = data.draw(st.lists(WIDTHS[name], min_size=1, max_size=4))
    split = exactly(SPLITS[protocol.split](digits, task, seed))
    begin = doubled(initial(protocol, "MNIST", task, widths, seed))
    end, _ = training.train(begin, split, protocol, order_of(seed))
    for place in range(len(widths)):
        alone = trained_alone(plain(begin, place), split, protocol, seed)
        assert_equal_networks(plain(end, place), alone, 1e-9)


def test_after_a_whole_cycle_a_network_is_the_one_trained_alone(digits):
    protocol = PROTOCOLS["converged"]
    split = exactly(SPLITS[protocol.split](digits, "4-9", 0, 40))
    begin = doubled(initial(protocol, "MNIST", "4-9", [1, 4], 0))
    end, _ = training.train(begin, split, protocol, order_of(0))
    alone = trained_alone(plain(begin, 1), split, protocol, 0)
    assert_equal_networks(plain(end, 1), alone, 1e-9)


@given(st.integers(1, 3000))
def test_a_cycle_rises_once_to_its_peak_and_falls_to_nothing_however_long_it_is(steps):
    protocol = replace(PROTOCOLS["converged"], steps=steps)
    found = protocol.learning_rates
    assert len(found) == steps
    assert min(found) > 0
    assert max(found) <= protocol.learning_rate
    rising = [one < other for one, other in pairwise(found)]
    assert rising == sorted(rising, reverse=True)
    assert sum(rising) == pytest.approx(steps / 4, abs=1)
    if steps > 100:
        assert max(found) > 0.99 * protocol.learning_rate
        assert found[-1] < 0.01 * protocol.learning_rate


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("limit", [20, 60, None])
def test_the_number_of_steps_does_not_depend_on_the_number_of_rows(
    digits, name, limit, monkeypatch
):
    taken, step = [], Layers.step

    def counted(layers: Layers, optimiser: torch.optim.Optimizer) -> None:
        taken.append(optimiser.param_groups[0]["lr"])
        step(layers, optimiser)

    monkeypatch.setattr(Layers, "step", counted)
    protocol = SHORT[name]
    split = SPLITS[protocol.split](digits, "4-9", 0, limit)
    begin = initial(protocol, "MNIST", "4-9", [4], 0)
    training.train(begin, split, protocol, order_of(0))
    assert taken == pytest.approx(rates(protocol))


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 40))
def test_the_rows_held_out_decide_nothing_about_the_weights(digits, seed, rows):
    protocol = SHORT["converged"]
    split = SPLITS[protocol.split](digits, "3-8", 0)
    drawn = order_of(seed)
    labels = torch.randint(2, (rows,), generator=drawn).float()
    other = replace(split, held_out=Rows(torch.rand(rows, 784, generator=drawn), labels))
    begin = initial(protocol, "MNIST", "3-8", [2, 4], 0)
    one, two = (training.train(begin, each, protocol, order_of(1))[0] for each in (split, other))
    assert all(torch.equal(getattr(one, field), getattr(two, field)) for field in FIELDS)


def plain(networks: Population, place: int) -> nn.Sequential:
    """One network as plain PyTorch in the population's own precision."""
    model = networks.sequential(place).to(networks.weight1.dtype)
    with torch.no_grad():
        one = networks.network(place)
        values = (one.weight1.T, one.bias1, one.weight2[None], one.bias2)
        for parameter, value in zip(model.parameters(), values, strict=True):
            parameter.copy_(value)
    return model


@pytest.mark.parametrize("name", SHORT)
def test_in_single_precision_it_is_the_same_network_within_rounding(digits, name):
    protocol, widths = SHORT[name], [2, 8, 24, 64]
    split = SPLITS[protocol.split](digits, "4-9", 42)
    begin = initial(protocol, "MNIST", "4-9", widths, 42)
    end, _ = training.train(begin, split, protocol, order_of(1))
    for place in range(len(widths)):
        alone = trained_alone(begin.sequential(place), split, protocol, 1)
        assert_equal_networks(end.sequential(place), alone, 1e-4)


@pytest.mark.parametrize(("name", "steps"), [("published", 10), ("converged", 100)])
def test_on_all_rows_of_real_digits_it_is_the_same_network_too(name, steps):
    protocol = replace(PROTOCOLS[name], steps=steps)
    split = SPLITS[protocol.split](datasets.load("MNIST"), "4-9", 42)
    assert len(split.train) > 9000
    begin = initial(protocol, "MNIST", "4-9", [4, 24], 42)
    end, _ = training.train(begin, split, protocol, order_of(1))
    for place in range(2):
        alone = trained_alone(begin.sequential(place), split, protocol, 1)
        assert_equal_networks(end.sequential(place), alone, 1e-4)


@pytest.mark.parametrize("name", SHORT)
def test_company_order_and_resuming_do_not_change_a_network(digits, name, tmp_path, monkeypatch):
    def trained(folder: str, *groups: tuple[int, ...]) -> study.Run:
        """The run of widths 2, 8, 24 where each group was trained by itself before."""
        monkeypatch.setattr(store, "CACHE", tmp_path / folder)
        for widths in groups:
            study.train([study.Shard("MNIST", "3-8", SHORT[name], widths, 42)])
        whole = study.Shard("MNIST", "3-8", SHORT[name], (2, 8, 24), 42)
        study.train([whole])
        return study.load_shard(whole)

    together = trained("together")
    for folder, groups in {
        "alone": [(2,), (8,), (24,)],
        "another order": [(24, 2, 8)],
        "resumed": [(8,)],
        "larger company": [(24, 48, 64), (2, 4, 8)],
    }.items():
        other = trained(folder, *groups)
        for field in FIELDS:
            one, two = getattr(other.networks, field), getattr(together.networks, field)
            torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
        for curve, values in together.curves.items():
            torch.testing.assert_close(other.curves[curve], values, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SHORT)
def test_weights_of_unlit_pixels_stay_and_all_others_move(digits, name):
    protocol = SHORT[name]
    split = SPLITS[protocol.split](digits, "1-7", 0)
    begin = initial(protocol, "MNIST", "1-7", [24, 64], 0)
    end, _ = training.train(begin, split, protocol, order_of(0))
    assert not split.lit.all()
    assert torch.equal(end.weight1[~split.lit], begin.weight1[~split.lit])
    assert float((end.weight1 != begin.weight1)[split.lit].double().mean()) > 0.9


def test_a_unit_that_is_not_read_has_its_gradient_all_the_same(digits):
    """The second layer's gradient comes from the first's, and by no division."""
    rows = exactly(SPLITS["full"](digits, "4-9", 0)).train
    networks = doubled(initial(PROTOCOLS["described"], "MNIST", "4-9", [5], 0))
    networks.weight2[2] = 0
    layers = Layers(networks, torch.ones(len(networks.weight1), dtype=torch.bool))
    for half in (slice(0, 40), slice(40, None)):
        layers.accumulate(layers.inputs(rows.images[half]), rows.labels[half], len(rows))
    first, second, last = layers.gradients()
    model = networks.sequential(0).double()
    nn.BCEWithLogitsLoss()(model(rows.images)[:, 0], rows.labels).backward()
    weight1, bias1, weight2, bias2 = (parameter.grad for parameter in model.parameters())
    torch.testing.assert_close(first, torch.cat([weight1, bias1[:, None]], dim=1))
    torch.testing.assert_close(second, weight2[0])
    torch.testing.assert_close(last, bias2)
    assert second[2] != 0
    assert not first[2].any()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_a_step_of_the_layers_is_the_optimisers_own_to_the_bit(kind):
    drawn = torch.Generator().manual_seed(0)
    begin = [torch.randn(size, generator=drawn) for size in ((7, 33), (7,), (2,))]
    ours, theirs = ([tensor.clone() for tensor in begin] for _ in range(2))
    first, second = (kind(tensors, lr=0.01, fused=True) for tensors in (ours, theirs))
    for _ in range(50):
        for one, two in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=drawn)
            two.grad = one.grad.clone()
        stepped(first)
        second.step()
    for one, two, before in zip(ours, theirs, begin, strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, before)
        for name, value in second.state[two].items():
            assert torch.equal(first.state[one][name], value)


def test_training_leaves_the_initial_population_as_it_was(digits):
    for protocol in SHORT.values():
        split = SPLITS[protocol.split](digits, "1-7", 0)
        begin = initial(protocol, "MNIST", "1-7", [2, 4], 0)
        copies = [getattr(begin, field).clone() for field in FIELDS]
        training.train(begin, split, protocol, order_of(0))
        assert all(torch.equal(getattr(begin, f), c) for f, c in zip(FIELDS, copies, strict=True))


def test_curves_begin_with_the_initial_and_end_with_the_trained_networks(digits):
    protocol = SHORT["published"]
    split = SPLITS["balanced"](digits, "5-6", 0)
    begin = initial(protocol, "MNIST", "5-6", [4, 8], 0)
    end, curves = training.train(begin, split, protocol, order_of(0))
    assert curves["f1_train"].shape == (protocol.steps + 1, 2)
    labels = split.train.labels.numpy()
    for point, networks in ((0, begin), (-1, end)):
        for place in range(2):
            with torch.no_grad():
                logits = networks.sequential(place)(split.train.images)[:, 0]
            expected = f1_score(labels, logits.numpy() >= 0, zero_division=0)
            assert float(curves["f1_train"][point, place]) == pytest.approx(expected, abs=0.02)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, split.train.labels)
            assert float(curves["loss_train"][point, place]) == pytest.approx(float(loss), abs=1e-5)


def steady(digits: Dataset) -> tuple[Population, Split, Protocol]:
    """Two networks, their rows, and mini-batches at one rate: of which the first steps are the
    whole of a shorter training."""
    protocol = replace(SHORT["converged"], schedule="constant")
    begin = initial(protocol, "MNIST", "5-6", [4, 8], 0)
    return begin, SPLITS["full"](digits, "5-6", 0), protocol


def test_curves_of_mini_batches_have_a_point_every_hundred_steps_and_after_the_last(digits):
    begin, split, protocol = steady(digits)
    longest = replace(protocol, steps=230)
    _, curves = training.train(begin, split, longest, order_of(0))
    assert training.points(longest) == [100, 200, 230]
    for point, steps in enumerate(training.points(longest)):
        end, _ = training.train(begin, split, replace(protocol, steps=steps), order_of(0))
        logits = end.logits(split.held_out.images)
        expected = scores.scores(logits, split.held_out.labels)
        expected["loss"] = scores.logistic_loss(logits, split.held_out.labels)
        for name, values in expected.items():
            torch.testing.assert_close(curves[f"{name}_val"][point], values)
            assert len(curves[f"{name}_train"]) == 3


def test_on_training_rows_they_are_of_the_batches_as_they_were_met(digits):
    begin, split, protocol = steady(digits)
    parts = [begin]
    for steps in (1, 2, 3):
        end, curves = training.train(begin, split, replace(protocol, steps=steps), order_of(0))
        parts.append(end)
    met = list(islice(batches(split.train, protocol, order_of(0)), 3))
    logits = torch.cat([one.logits(x) for one, (x, _) in zip(parts, met, strict=False)], dim=1)
    labels = torch.cat([y for _, y in met])
    for name, values in scores.scores(logits, labels).items():
        torch.testing.assert_close(curves[f"{name}_train"][0], values)


def test_the_best_published_score_is_of_the_networks_before_each_step(digits):
    shard = study.Shard("MNIST", "4-9", SHORT["published"], (4, 24), 42)
    study.train([shard])
    run = study.load_shard(shard)
    best = study.asked(run, measures.capacity).f1_train_best
    assert best.tolist() == pytest.approx(run.curves["f1_train"][:12].amax(0).tolist())


@pytest.mark.parametrize("seed", [0, 42, 78])
def test_the_published_draws_are_one_stream_by_width_then_pair(seed):
    pairs = ["0-1", "1-7", "4-9", "3-8", "5-6"]
    widths = [2, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64]
    stream = np.random.RandomState(seed).standard_normal(785 * len(pairs) * sum(widths)) * 0.1
    begins = np.cumsum([0] + [785 * width for width in widths for _ in pairs])
    names = [(pair, width) for width in widths for pair in pairs]
    for (pair, width), begin in zip(names, begins, strict=False):
        one = protocols.replayed(pair, width, seed)
        first = stream[begin : begin + 784 * width].reshape(784, width)
        second = stream[begin + 784 * width : begin + 785 * width]
        assert np.array_equal(one.weight1.numpy(), first.astype(np.float32))
        assert np.array_equal(one.weight2.numpy(), second.astype(np.float32))
        assert not one.bias1.any()
        assert not one.bias2.any()


@pytest.mark.parametrize(("task", "width"), [("0-2", 4), ("4-9", 5)])
def test_a_network_that_was_never_published_is_refused_in_a_sentence(task, width):
    with pytest.raises(UserError) as error:
        initial(PROTOCOLS["published"], "MNIST", task, [width], 0)
    assert str(error.value).startswith(f"protocol 'published' has no network of width {width}")
    assert "4-9" in str(error.value)
    assert "48" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_width_below_0_is_refused_in_a_sentence(name):
    with pytest.raises(UserError, match=r"^width -3 is not allowed: .* 0 for logistic regression$"):
        initial(PROTOCOLS[name], "MNIST", "4-9", [4, -3], 0)


@pytest.mark.parametrize("name", ["described", "converged"])
def test_width_0_is_logistic_regression_as_plain_pytorch_trains_it(digits, name):
    protocol = SHORT[name]
    split = exactly(SPLITS[protocol.split](digits, "4-9", 3))
    begin = doubled(initial(protocol, "MNIST", "4-9", [2, 0, 5, 0], 3))
    model = nn.Sequential(nn.Linear(784, 1)).double()
    with torch.no_grad():
        model[0].weight.copy_(begin.network(1).weight1[:, :1].T)
        model[0].bias.zero_()
    alone = trained_alone(model, split, protocol, 3)
    end, _ = training.train(begin, split, protocol, order_of(3))
    for place in (1, 3):
        logits = end.logits(split.test.images)[place]
        torch.testing.assert_close(logits, alone(split.test.images)[:, 0].detach())
    company = doubled(initial(protocol, "MNIST", "4-9", [2], 3))
    other, _ = training.train(company, split, protocol, order_of(3))
    torch.testing.assert_close(end.network(0).weight1, other.weight1)


def test_described_weights_are_normal_with_standard_deviation_a_tenth():
    networks = initial(PROTOCOLS["described"], "MNIST", "4-9", [64, 64], 5)
    for values in (networks.weight1.flatten()[:50000], networks.weight2):
        assert kstest(values.numpy() / 0.1, "norm").pvalue > 1e-3
    assert not networks.bias1.any()
    assert not networks.bias2.any()


def test_converged_weights_begin_as_those_of_a_pytorch_linear_layer():
    names = [("4-9", seed) for seed in range(40)]
    drawn = [initial(PROTOCOLS["converged"], "MNIST", task, [16], seed) for task, seed in names]
    ours = stack(drawn)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [(nn.Linear(784, 16), nn.Linear(16, 1)) for _ in names]
    theirs = [
        torch.cat([values.detach().flatten() for values in each])
        for each in zip(
            *((one.weight[:, ::50], one.bias, two.weight, two.bias) for one, two in layers),
            strict=True,
        )
    ]
    for mine, other in zip(
        (ours.weight1[::50], ours.bias1, ours.weight2, ours.bias2), theirs, strict=True
    ):
        assert ks_2samp(mine.flatten().numpy(), other.numpy()).pvalue > 1e-3
        assert float(mine.abs().max()) == pytest.approx(float(other.abs().max()), rel=0.15)
    assert float(ours.weight1.abs().max()) <= 784**-0.5


@pytest.mark.parametrize("name", ["described", "converged"])
@given(widths=st.lists(st.integers(1, 40), min_size=2, max_size=5))
def test_an_initial_network_depends_on_its_own_name_only(widths, name):
    networks = initial(PROTOCOLS[name], "MNIST", "4-9", widths, 7)
    for place, width in enumerate(widths):
        alone = initial(PROTOCOLS[name], "MNIST", "4-9", [width], 7)
        assert torch.equal(networks.network(place).weight1, alone.weight1)
        assert torch.equal(networks.network(place).weight2, alone.weight2)
    other = initial(PROTOCOLS[name], "MNIST", "4-9", widths, 8)
    assert not torch.equal(networks.weight1, other.weight1)


def test_an_unknown_protocol_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown protocol 'convergd'.*'converged'\?$"):
        study.changed("convergd")
