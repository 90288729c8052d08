"""A longer full-batch training goes on from a shorter one, and is what it would be by itself."""

import pytest
import torch

from lib import study
from lib.networks.population import FIELDS
from lib.study import Shard, costs, store

WIDTHS = (0, 1, 2, 8)


def trained_for(steps: int, widths: tuple[int, ...] = WIDTHS, **changes: object) -> Shard:
    protocol = study.changed("described", steps=steps, **changes)
    return Shard("MNIST", "4-9", protocol, widths, 0)


@pytest.fixture
def steps_taken(monkeypatch) -> list[int]:
    """The steps of each training, as they are taken."""
    taken: list[int] = []
    train = study.training.train

    def counted(population, split, protocol, order):
        taken.append(protocol.steps)
        return train(population, split, protocol, order)

    monkeypatch.setattr(study.training, "train", counted)
    return taken


def test_going_on_gives_the_bytes_of_training_in_one_go(digits, steps_taken, tmp_path, monkeypatch):
    study.train([trained_for(steps) for steps in (4, 10, 25)])
    continued = study.load_shard(trained_for(25))
    monkeypatch.setattr(store, "CACHE", tmp_path / "another")
    study.train([trained_for(25)])
    alone = study.load_shard(trained_for(25))
    assert steps_taken == [4, 6, 15, 25]
    for name in FIELDS:
        assert torch.equal(getattr(continued.networks, name), getattr(alone.networks, name))
    assert continued.curves.keys() == alone.curves.keys()
    for name, values in alone.curves.items():
        assert len(values) == 25 + 1
        assert torch.equal(continued.curves[name], values)


def test_it_goes_on_from_the_longest_that_has_all_its_widths(digits, steps_taken):
    study.train([trained_for(4), trained_for(10, (2,)), trained_for(30)])
    study.train([trained_for(20, (1, 2)), trained_for(25, (2,)), trained_for(9, (2, 64))])
    assert steps_taken == [4, 10 - 4, 30 - 4, 20 - 4, 25 - 20, 9]


@pytest.mark.parametrize("changes", [{"learning_rate": 0.1}, {"scale": 0.036}])
def test_another_training_is_not_gone_on_from(digits, steps_taken, changes):
    study.train([trained_for(4), trained_for(10, **changes)])
    assert steps_taken == [4, 10]


@pytest.mark.parametrize("changes", [{"optimiser": "adam"}, {"batch": 16}, {"schedule": "cycle"}])
def test_a_training_with_a_state_an_order_or_a_schedule_begins_anew(digits, steps_taken, changes):
    study.train([trained_for(4, **changes), trained_for(10, **changes)])
    assert steps_taken == [4, 10]


def test_the_plan_counts_what_is_gone_on_from_once(digits):
    fast = {"described": (0.0, 1.0)}
    longer, shorter = trained_for(25), trained_for(10)
    narrow = trained_for(40, (1, 2))
    one, other, both = (
        costs.costs(wanted, fast).seconds.tolist()
        for wanted in ([shorter], [trained_for(15)], [longer, shorter, narrow])
    )
    assert both[:2] == pytest.approx([*other, *one])
    assert both[2] == pytest.approx(costs.flops(trained_for(15, (1, 2))))
    adam = {"optimiser": "adam"}
    assert costs.costs([trained_for(25, **adam), trained_for(10, **adam)], fast).seconds[0] == (
        pytest.approx(costs.flops(trained_for(25)))
    )
