"""A longer full-batch training has the networks of the shorter ones on its way."""

import pytest
import torch

from lib import study
from lib.networks.population import FIELDS
from lib.study import Shard, costs, store, trained

WIDTHS = (0, 1, 2, 8)


def trained_for(steps: int, widths: tuple[int, ...] = WIDTHS, **changes: object) -> Shard:
    protocol = study.changed("described", steps=steps, **changes)
    return Shard("MNIST", "4-9", protocol, widths, 0)


@pytest.fixture
def steps_taken(monkeypatch) -> list[int]:
    """The steps of each training, as they are taken."""
    taken: list[int] = []
    train = trained.train_networks

    def counted(shard, stops):
        taken.append(shard.protocol.steps)
        return train(shard, stops)

    monkeypatch.setattr(trained, "train_networks", counted)
    return taken


def test_what_is_passed_has_the_bytes_of_its_own_training(
    digits, steps_taken, tmp_path, monkeypatch
):
    wanted = [trained_for(steps) for steps in (10, 25, 4)]
    study.train(wanted)
    passed = [study.load_shard(shard) for shard in wanted]
    monkeypatch.setattr(store, "CACHE", tmp_path / "another")
    for shard, run in zip(wanted, passed, strict=True):
        study.train([shard])
        alone = study.load_shard(shard)
        for name in FIELDS:
            assert torch.equal(getattr(run.networks, name), getattr(alone.networks, name))
        assert run.curves.keys() == alone.curves.keys()
        for name, values in alone.curves.items():
            assert len(values) == shard.protocol.steps + 1
            assert torch.equal(run.curves[name], values)
    assert steps_taken == [25, 10, 25, 4]


def test_what_is_there_is_not_trained_again_and_what_is_missing_is_trained_once(
    digits, steps_taken
):
    study.train([trained_for(4), trained_for(10, (2,))])
    study.train([trained_for(4), trained_for(10), trained_for(20)])
    assert steps_taken == [4, 10, 20]
    assert not any(study.missing_widths(trained_for(steps)) for steps in (4, 10, 20))


def test_of_a_group_only_what_no_other_run_has_trained_meanwhile_is_trained(digits, steps_taken):
    group = [trained_for(steps) for steps in (4, 10, 25)]
    study.train([group[2]])
    trained.train_shards(group[2], group)
    assert steps_taken == [25, 10]
    assert not any(map(study.missing_widths, group))


@pytest.mark.parametrize("changes", [{"learning_rate": 0.1}, {"scale": 0.036}])
def test_another_training_passes_nothing(digits, steps_taken, changes):
    study.train([trained_for(4), trained_for(10, **changes)])
    assert steps_taken == [4, 10]


@pytest.mark.parametrize("changes", [{"batch": 16}, {"schedule": "cycle"}])
def test_a_training_with_an_order_or_a_schedule_is_one_of_its_own(digits, steps_taken, changes):
    study.train([trained_for(4, **changes), trained_for(10, **changes)])
    assert steps_taken == [4, 10]


def test_the_plan_counts_what_is_passed_once(digits):
    fast = {"described": (0.0, 1.0)}
    wanted = [trained_for(25), trained_for(10), trained_for(40, (1, 2))]
    counted = costs.costs(wanted, fast)
    assert counted.shards.tolist() == [2, 1]
    assert counted.seconds.tolist() == [costs.flops(wanted[0]), costs.flops(wanted[2])]
