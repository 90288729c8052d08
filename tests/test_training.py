"""A network trained among others is the network that a plain PyTorch loop trains alone."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstest
from sklearn.metrics import f1_score, log_loss, roc_auc_score
from torch import Tensor, nn

from lib import datasets, measures, protocols, store, study, training
from lib.errors import UserError
from lib.layers import Layers, stepped
from lib.population import FIELDS, Population, stack
from lib.protocols import PROTOCOLS, PUBLISHED_WIDTHS, REPLAY_ORDER, Protocol, initial
from lib.tasks import SPLITS, Rows, Split

SHORT = {
    "published": replace(PROTOCOLS["published"], epochs=12),
    "described": replace(PROTOCOLS["described"], epochs=12),
    "converged": replace(
        PROTOCOLS["converged"], epochs=12, batch=16, learning_rate=0.01, patience=2
    ),
}
"""The three protocols with fewer and smaller steps; the patience is short enough to run out."""

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
    *weights, owner = (getattr(networks, name) for name in FIELDS)
    return Population(*(tensor.double() for tensor in weights), owner)


def batches(rows: Rows, protocol: Protocol, order: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """The rows of one epoch, in the order that the protocol meets them."""
    if protocol.batch is None:
        yield rows.images, rows.labels
        return
    for index in torch.randperm(len(rows), generator=order).split(protocol.batch):
        yield rows.images[index], rows.labels[index]


def trained_alone(
    model: nn.Sequential, split: Split, protocol: Protocol, seed: int, masks: Sequence[Tensor] = ()
) -> tuple[nn.Sequential, int]:
    """A plain PyTorch training loop: the model as trained, and how many epochs that took.

    Both weights are multiplied by the masks, where there are any, after every step.
    """
    order = order_of(seed)
    loss_of = nn.BCEWithLogitsLoss()
    kind = torch.optim.Adam if protocol.optimiser == "adam" else torch.optim.SGD
    optimiser = kind(model.parameters(), lr=protocol.learning_rate)
    best, waited, kept = float("inf"), 0, copy.deepcopy(model.state_dict())
    epochs = 0
    while epochs < protocol.epochs and waited != protocol.patience:
        epochs += 1
        for images, labels in batches(split.train, protocol, order):
            optimiser.zero_grad()
            loss_of(model(images).squeeze(1), labels).backward()
            optimiser.step()
            multiply(model, masks)
        if protocol.patience is None:
            continue
        with torch.no_grad():
            loss = float(loss_of(model(split.held_out.images).squeeze(1), split.held_out.labels))
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
    if protocol.patience is not None:
        model.load_state_dict(kept)
    return model, epochs


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
    end, curves = training.train(begin, split, protocol, order_of(seed))
    for place in range(len(widths)):
        alone, epochs = trained_alone(plain(begin, place), split, protocol, seed)
        assert_equal_networks(plain(end, place), alone, 1e-9)
        points = epochs + (protocol.batch is None)
        assert int((~curves["loss_train"][:, place].isnan()).sum()) == points


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
        alone, _ = trained_alone(begin.sequential(place), split, protocol, 1)
        assert_equal_networks(end.sequential(place), alone, 1e-4)


@pytest.mark.parametrize(("name", "epochs"), [("published", 10), ("converged", 1)])
def test_on_all_rows_of_real_digits_it_is_the_same_network_too(name, epochs):
    protocol = replace(PROTOCOLS[name], epochs=epochs)
    split = SPLITS[protocol.split](datasets.load("MNIST"), "4-9", 42)
    assert len(split.train) > 9000
    begin = initial(protocol, "MNIST", "4-9", [4, 24], 42)
    end, _ = training.train(begin, split, protocol, order_of(1))
    for place in range(2):
        alone, _ = trained_alone(begin.sequential(place), split, protocol, 1)
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
            torch.testing.assert_close(
                other.curves[curve], values, rtol=0, atol=1e-4, equal_nan=True
            )


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


def test_letting_go_of_networks_that_have_stopped_changes_nothing(digits, monkeypatch):
    protocol = replace(SHORT["converged"], epochs=40, patience=3, learning_rate=0.03)
    split = exactly(SPLITS["full"](digits, "0-1", 0))
    begin = doubled(initial(protocol, "MNIST", "0-1", [1, 2, 3, 8, 16, 32], 0))
    held = []

    class Watched(training.Plateau):
        def shrink(self, optimiser: torch.optim.Optimizer) -> None:
            super().shrink(optimiser)
            held.append(int(self.present.sum()))

    monkeypatch.setattr(training, "Plateau", Watched)
    shrunk, curves = training.train(begin, split, protocol, order_of(0))
    assert held
    assert held[-1] < 6
    monkeypatch.setattr(Watched, "worth_shrinking", lambda self: False)
    whole, expected = training.train(begin, split, protocol, order_of(0))
    for field in FIELDS:
        torch.testing.assert_close(getattr(shrunk, field), getattr(whole, field))
    for name, values in expected.items():
        torch.testing.assert_close(curves[name], values, equal_nan=True)


LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=40)


@given(LOGITS, st.data())
def test_f1_and_loss_are_those_of_scikit_learn(logits, data):
    labels = data.draw(
        st.lists(st.integers(0, 1), min_size=len(logits), max_size=len(logits)).filter(any)
    )
    given_logits, given_labels = torch.tensor([logits]), torch.tensor(labels, dtype=torch.float32)
    predicted = np.array(logits) >= 0
    expected = f1_score(labels, predicted, zero_division=0)
    assert float(training.f1(given_logits, given_labels)) == pytest.approx(expected, abs=1e-6)
    chances = 1 / (1 + np.exp(-np.array(logits, dtype=np.float64)))
    chances = np.stack([1 / (1 + np.exp(np.array(logits, dtype=np.float64))), chances], axis=1)
    expected = log_loss(labels, chances, labels=[0, 1])
    got = float(training.logistic_loss(given_logits, given_labels))
    assert got == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=2, max_size=40))
def test_auc_is_that_of_scikit_learn_ties_included(rows):
    logits, labels = zip(*rows, strict=True)
    assume(0 < sum(labels) < len(labels))
    both = torch.tensor([logits, [-x for x in logits]], dtype=torch.float32)
    found = training.auc(both, torch.tensor(labels, dtype=torch.float32))
    expected = roc_auc_score(labels, logits)
    assert found.tolist() == pytest.approx([expected, 1 - expected])


def test_auc_of_many_rows_is_that_of_scikit_learn_and_of_equal_logits_a_half():
    g = torch.Generator().manual_seed(3)
    logits, labels = torch.randn(4, 20_000, generator=g), torch.rand(20_000, generator=g) < 0.3
    logits[2] *= 1e-30
    logits[3] = 0.7
    found = training.auc(logits, labels.float()).tolist()
    assert found == pytest.approx([roc_auc_score(labels, row) for row in logits], abs=1e-7)
    assert found[3] == 0.5


def test_curves_begin_with_the_initial_and_end_with_the_trained_networks(digits):
    protocol = SHORT["published"]
    split = SPLITS["balanced"](digits, "5-6", 0)
    begin = initial(protocol, "MNIST", "5-6", [4, 8], 0)
    end, curves = training.train(begin, split, protocol, order_of(0))
    assert curves["f1_train"].shape == (protocol.epochs + 1, 2)
    labels = split.train.labels.numpy()
    for epoch, networks in ((0, begin), (-1, end)):
        for place in range(2):
            with torch.no_grad():
                logits = networks.sequential(place)(split.train.images)[:, 0]
            expected = f1_score(labels, logits.numpy() >= 0, zero_division=0)
            assert float(curves["f1_train"][epoch, place]) == pytest.approx(expected, abs=0.02)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, split.train.labels)
            assert float(curves["loss_train"][epoch, place]) == pytest.approx(float(loss), abs=1e-5)


def test_the_best_published_score_is_of_the_networks_before_each_step(digits):
    shard = study.Shard("MNIST", "4-9", SHORT["published"], (4, 24), 42)
    study.train([shard])
    run = study.load_shard(shard)
    best = measures.capacity(run).f1_train_best
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
    alone, epochs = trained_alone(model, split, protocol, 3)
    end, curves = training.train(begin, split, protocol, order_of(3))
    for place in (1, 3):
        logits = end.logits(split.test.images)[place]
        torch.testing.assert_close(logits, alone(split.test.images)[:, 0].detach())
    trained = int((~curves["loss_train"][:, 1].isnan()).sum())
    assert trained == epochs + (protocol.batch is None)
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
