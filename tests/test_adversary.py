"""Bounds never promise too much, attacks never too little, and what lies between is decided."""

from itertools import product

import foolbox
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from lib.errors import UserError
from lib.networks.population import Population, owners
from lib.robustness import adversary
from lib.robustness.adversary import lipschitz
from lib.seeds import generator
from lib.tasks import Rows

WIDTHS = [1, 3, 6]


def made(seed: int, widths: list[int] = WIDTHS, pixels: int = 4, rows: int = 6):
    """Random networks, and rows labelled as the last of them would, but for one in five."""
    draw = generator("adversary", seed)
    units = sum(widths)
    networks = Population(
        torch.randn(pixels, units, generator=draw),
        0.5 * torch.randn(units, generator=draw),
        torch.randn(units, generator=draw),
        0.2 * torch.randn(len(widths), generator=draw),
        owners(widths),
    )
    images = torch.rand(rows, pixels, generator=draw)
    labels = (networks.logits(images)[-1] >= 0).float()
    flipped = torch.rand(rows, generator=draw) < 0.2
    return networks, Rows(images, torch.where(flipped, 1 - labels, labels))


def by_patterns(network: Population, image: np.ndarray, label: float) -> float:
    """The least L-infinity change that makes the margin 0 or less: a programme for each pattern."""
    weight1, bias1, weight2, bias2 = (
        getattr(network, name).double().numpy() for name in ("weight1", "bias1", "weight2", "bias2")
    )
    side, (pixels, units) = 2 * label - 1, weight1.shape
    one, found = np.ones((pixels, 1)), [np.inf]
    for pattern in product([False, True], repeat=units):
        on = np.array(pattern)
        sign = np.where(on, -1, 1)  # on: input >= 0
        half = np.c_[sign[:, None] * weight1.T, np.zeros(units)]
        slope = side * weight1[:, on] @ weight2[on]
        least = -side * (bias2[0] + bias1[on] @ weight2[on])
        answer = linprog(
            np.r_[np.zeros(pixels), 1],
            A_ub=np.r_[
                np.c_[np.eye(pixels), -one], np.c_[-np.eye(pixels), -one], half, [[*slope, 0]]
            ],
            b_ub=np.r_[image, -image, -sign * bias1, least],
            bounds=[(0, 1)] * (pixels + 1),
        )
        if answer.status == 0:
            found.append(answer.fun)
    return min(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_programmes_least_change_is_that_of_all_patterns_and_lies_in_the_bracket(seed):
    networks, rows = made(seed)
    safe, unsafe = adversary.brackets(networks, rows)
    for place in range(len(networks)):
        network = networks.select([place])
        for row in range(len(rows)):
            one = rows.take(torch.tensor([row]))
            wanted = by_patterns(network, one.images[0].double().numpy(), float(one.labels))
            found = adversary.minimum(network, one, within=1.0)
            assert found.amount == pytest.approx(wanted, abs=1e-5)
            least, most = float(safe[place, row]), float(unsafe[place, row])
            assert least <= wanted + 1e-6
            assert wanted <= most + 1e-6
            if np.isfinite(wanted) and wanted > 0:
                assert (found.image - one.images[0]).abs().max() == pytest.approx(wanted, abs=1e-5)


def interval_bounds(problem) -> torch.Tensor:
    """The looser bound, that has each unit at its own worst."""
    least, most = ((problem.centre + side * problem.reach).relu() for side in (-1, 1))
    worst = torch.where(problem.weights > 0, least, most)
    return problem.bias + (problem.weights * worst).sum(1)


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0, 1), norm=st.sampled_from(["linf", "l2"]))
def test_no_image_of_a_region_has_a_margin_below_the_bound(seed, epsilon, norm):
    networks, rows = made(seed)
    region = adversary.around(rows.images.double(), epsilon, norm)
    bound = adversary.margin_bounds(networks, rows, region)
    looser = map(interval_bounds, adversary.problems(networks, rows, region))
    assert (bound >= torch.stack([*looser]) - 1e-9).all()
    draw = generator("inside", seed)
    for _ in range(20):
        noise = 2 * torch.rand(rows.images.shape, generator=draw).double() - 1
        images = region.inside(region.centre + region.radius * noise)
        margins = networks.logits(images.float()) * adversary.signs(rows.labels)
        assert (margins >= bound - 1e-4).all()


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0.01, 0.5))
def test_no_decision_contradicts_the_programme(seed, epsilon):
    networks, rows = made(seed, widths=[6], rows=3)
    region = adversary.around(rows.images.double(), epsilon)
    [problem] = adversary.problems(networks, rows, region)
    status = adversary.decide(problem, networks, rows)
    for row, found in enumerate(status.tolist()):
        least = adversary.minimum(networks, rows.take(torch.tensor([row])), within=1.0).amount
        if abs(least - epsilon) > 1e-3:
            wrong = adversary.BROKEN if least > epsilon else adversary.ROBUST
            assert found != wrong


@given(seed=st.integers(0, 10**6))
def test_certified_is_within_exact_and_exact_within_attacked(seed):
    networks, rows = made(seed, rows=20)
    found = adversary.outcomes(networks, rows, (0.01, 0.05, 0.2), generator("attack", seed))
    assert not (found.certified & ~found.robust).any()
    assert not (found.robust & found.undecided).any()
    assert not ((found.robust | found.undecided) & ~found.attacked).any()
    assert not (found.robust[:, 1:] & ~found.robust[:, :-1]).any()
    right = ~adversary.wrong(networks.logits(rows.images), rows.labels)
    assert not (found.attacked & ~right[:, None]).any()


def test_an_attack_that_beats_a_certificate_is_an_error(monkeypatch):
    networks, rows = made(0)
    promise = torch.ones(len(networks), len(rows)).double()
    monkeypatch.setattr("lib.robustness.adversary.robust.margin_bounds", lambda *_: promise)
    with pytest.raises(adversary.Unsound, match="certified rows were broken"):
        adversary.outcomes(networks, rows, (0.1, 0.9), generator("attack"))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_attacked_images_stay_in_the_region_and_among_images(norm):
    networks, rows = made(1, pixels=30, rows=12)
    found = adversary.pgd(networks, rows, 0.2, norm, restarts=3, generator=generator("attack"))
    away = found - rows.images
    size = away.abs().amax(-1) if norm == "linf" else away.norm(dim=-1)
    assert float(size.max()) <= 0.2 + 1e-6
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    start = networks.logits(rows.images) * adversary.signs(rows.labels)
    for place in range(len(networks)):
        after = networks.network(place).logits(found[place])[0] * adversary.signs(rows.labels)
        assert (after <= start[place] + 1e-6).all()


class TwoClasses(torch.nn.Module):
    """A network of one logit as one of two classes, as an attack library takes it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        logit = self.model(images)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


ATTACKS = {
    "linf": (foolbox.attacks.LinfProjectedGradientDescentAttack, 0.1),
    "l2": (foolbox.attacks.L2ProjectedGradientDescentAttack, 0.6),
}


@pytest.mark.parametrize("norm", list(ATTACKS))
def test_our_attack_breaks_as_many_rows_as_a_known_librarys(norm):
    networks, rows = made(3, widths=[24], pixels=50, rows=200)
    rows = Rows(rows.images, (networks.logits(rows.images)[0] >= 0).float())
    kind, epsilon = ATTACKS[norm]
    model = foolbox.PyTorchModel(TwoClasses(networks.sequential(0)).eval(), bounds=(0, 1))
    attack = kind(rel_stepsize=2.5 / 40, steps=40, random_start=False)
    _, _, theirs = attack(model, rows.images, rows.labels.long(), epsilons=epsilon)
    ours = adversary.pgd(networks, rows, epsilon, norm)
    broken = ~adversary.withstood(networks, ours, rows.labels)[0]
    assert 0.1 < float(theirs.float().mean()) < 0.9
    assert float((theirs & ~broken).float().mean()) <= 0.01
    assert 0 <= float(broken.float().mean() - theirs.float().mean()) <= 0.06  # ours keeps the best


def test_one_step_is_the_known_librarys():
    networks, rows = made(4, widths=[24], pixels=50, rows=50)
    model = foolbox.PyTorchModel(TwoClasses(networks.sequential(0)).eval(), bounds=(0, 1))
    attack = foolbox.attacks.LinfFastGradientAttack()
    _, theirs, _ = attack(model, rows.images, rows.labels.long(), epsilons=0.1)
    torch.testing.assert_close(adversary.fgsm(networks, rows, 0.1)[0], theirs)


@given(seed=st.integers(0, 10**6))
def test_the_constant_is_the_largest_gradient_over_all_patterns(seed):
    networks, _ = made(seed, widths=[2, 5], pixels=8)
    lower, upper = adversary.constants(networks, generator("search", seed))
    torch.testing.assert_close(lower, upper)
    for place, width in enumerate([2, 5]):
        one = networks.network(place)
        sums = [
            float((one.weight1 @ (one.weight2 * torch.tensor(on))).norm())
            for on in product([0.0, 1.0], repeat=width)
        ]
        assert float(lower[place]) == pytest.approx(max(sums), rel=1e-5)


@given(seed=st.integers(0, 10**6), width=st.integers(2, 12))
def test_the_bracket_of_the_constant_holds_what_enumeration_finds(seed, width):
    networks, _ = made(seed, widths=[width], pixels=20)
    products = lipschitz.gram(networks)
    exact = lipschitz.enumerated(products)
    least = lipschitz.searched(products, generator("search", seed))
    assert least <= exact * (1 + 1e-9)
    assert least >= 0.9 * exact
    bound = lipschitz.eigenvalue_bound(products, least)
    assert exact <= bound * (1 + 1e-9)
    assert exact <= lipschitz.product_bound(networks) * (1 + 1e-9)


def test_a_margin_changes_no_faster_than_the_constant_says():
    networks, rows = made(5, pixels=10, rows=30)
    _, upper = adversary.constants(networks, generator("search"))
    margins = networks.logits(rows.images).double() * adversary.signs(rows.labels)
    safe, unsafe = adversary.brackets(networks, rows, "l2")
    assert (unsafe >= (margins / upper[:, None]).clamp_min(0) - 1e-6).all()
    broken = adversary.pgd(networks, rows, 1.0, "l2")
    for place, network in enumerate(map(networks.network, range(len(networks)))):
        beaten = adversary.wrong(network.logits(broken[place])[0], rows.labels)
        distance = (broken[place] - rows.images).norm(dim=1).double()
        assert (safe[place][beaten] <= distance[beaten] + 1e-6).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epsilon": -0.1}, "epsilon -0.1 in the norm linf: give a number from 0 to 1"),
        ({"epsilon": 1.5}, "epsilon 1.5 in the norm linf: give a number from 0 to 1"),
        ({"epsilon": float("nan")}, "epsilon nan"),
        ({"epsilon": float("inf"), "norm": "l2"}, "epsilon inf in the norm l2: give a number"),
        ({"norm": "l1"}, "unknown norm 'l1': allowed are linf, l2"),
        ({"steps": 0}, "0 steps and 1 starts: give at least one of each"),
    ],
    ids=["negative", "above 1", "not a number", "endless", "another norm", "no steps"],
)
def test_what_an_attack_cannot_take_is_answered_with_one_sentence(change, says):
    networks, rows = made(0)
    with pytest.raises(UserError, match=says.replace("'", ".")):
        adversary.pgd(networks, rows, **({"epsilon": 0.1} | change))


def test_images_of_another_size_are_refused_by_all():
    networks, rows = made(0)
    other = Rows(torch.rand(3, 7), torch.ones(3))
    region = adversary.around(other.images, 0.1)
    for ask in (
        lambda: adversary.margin_bounds(networks, other, region),
        lambda: adversary.fgsm(networks, other, 0.1),
        lambda: adversary.brackets(networks, other),
        lambda: adversary.minimum(networks.network(0), other.take(torch.tensor([0])), 0.5),
    ):
        with pytest.raises(UserError, match=r"give \(rows, 4\)"):
            ask()
    with pytest.raises(UserError, match="3 networks and 6 rows: give one of each"):
        adversary.minimum(networks, rows, 0.5)
    with pytest.raises(UserError, match="give them rising"):
        adversary.outcomes(networks, rows, (0.2, 0.1), generator("attack"))
