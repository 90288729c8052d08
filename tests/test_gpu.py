"""What is trained on a GPU is what the processor trains, within rounding.

Nothing is imported that a machine with a GPU and no network may lack.
"""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lib import ROOT, pruning, seeds, study
from lib.errors import UserError
from lib.networks import protocols, training
from lib.networks.layers import Layers, optimiser_of
from lib.networks.population import Population
from lib.networks.scores import f1, logistic_loss
from lib.study import Shard, store, trained
from lib.study.backends import Machine
from lib.tasks import Split

WIDTHS = {"published": (2, 64), "described": (0, 1, 64), "converged": (0, 1, 64)}

on_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here"),
]


def shard_of(name: str, widths: tuple[int, ...] = ()) -> Shard:
    """All rows of 4-9 under a protocol."""
    return Shard("MNIST", "4-9", protocols.PROTOCOLS[name], widths or WIDTHS[name], 0)


def begin(shard: Shard) -> Population:
    """The initial networks of a shard."""
    facts = shard.dataset, shard.task, list(shard.widths), shard.seed
    return protocols.initial(shard.protocol, *facts)


def order(shard: Shard) -> torch.Generator:
    """The order in which a shard's networks meet their rows."""
    return seeds.generator(shard.dataset, shard.task, "order", shard.seed)


def sent(split: Split, device: str) -> Split:
    """The rows on a device."""
    return Split(*(part.to(device) for part in (split.train, split.held_out, split.test)))


class Operations(TorchDispatchMode):
    """Notes the names of all that PyTorch is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.names.add(str(function))
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("name", ["described", "converged"])
def test_a_step_takes_no_number_from_the_processor_into_a_tensor(name):
    """Which would stop the recording of a CUDA graph, and is seen here without a GPU."""
    shard = replace(shard_of(name), limit=300)
    layers = Layers(begin(shard), shard.split.lit)
    optimiser, rows = optimiser_of(shard.protocol, layers), shard.split.train
    inputs = layers.inputs(rows.images)
    for _ in range(2):  # the first step makes the moments
        operations = Operations()
        with operations:
            layers.accumulate(inputs, rows.labels, len(rows))
            layers.step(optimiser)
    assert {"aten.index_fill_.int_Scalar", "aten.sigmoid.default"} <= operations.names
    copies = ("lift_fresh", "_to_copy", "_local_scalar_dense", "scalar_tensor")
    assert not [name for name in operations.names if any(copy in name for copy in copies)]


@pytest.mark.parametrize("name", WIDTHS)
def test_networks_of_a_gpu_and_of_a_processor_are_kept_under_two_names(name):
    here, there = (study.placed([shard_of(name)], Machine(device=d))[0] for d in ("cpu", "cuda"))
    assert here.folder != there.folder


def test_networks_that_a_gpu_trained_can_be_had_without_one_and_no_others(monkeypatch, cache):
    shard = replace(shard_of("described", (2,)), limit=100)
    there = replace(shard, device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="finds no GPU here"):
        study.train([shard], Machine(device="cuda"))
    networks = begin(shard)
    monkeypatch.setattr(trained, "available", lambda device: "cpu")  # as if it were there
    trained.train_shards(there, [there])
    monkeypatch.undo()
    monkeypatch.setattr(store, "CACHE", cache)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert study.train([shard], Machine(device="cuda")) == [there]
    assert len(study.load_shard(there).networks) == len(networks)
    assert study.missing_widths(shard) == [2]


@pytest.mark.parametrize("name", [pytest.param(name, marks=on_gpu) for name in WIDTHS])
def test_a_gpu_trains_the_networks_of_the_processor(name, cache):
    runs = {}
    for device in ("cpu", "cuda"):
        [shard] = study.train([shard_of(name)], Machine(device=device))
        runs[device] = study.load_shard(shard)
    rows, curves = shard.scored, {device: run.curves for device, run in runs.items()}
    losses = [logistic_loss(r.networks.logits(rows.images), rows.labels) for r in runs.values()]
    scores = [f1(r.networks.logits(rows.images), rows.labels) for r in runs.values()]
    print(
        name, "loss", (losses[0] - losses[1]).abs().max(), "F1", (scores[0] - scores[1]).abs().max()
    )
    begins = [c["loss_train"][:2] for c in curves.values()]
    torch.testing.assert_close(*begins, atol=1e-5, rtol=1e-4)
    apart = 0.01 if shard.protocol.batch else 1e-5  # 2,000 steps of Adam carry rounding far
    torch.testing.assert_close(*losses, atol=apart, rtol=0)
    torch.testing.assert_close(*scores, atol=apart, rtol=0)


@pytest.mark.parametrize("name", [pytest.param(name, marks=on_gpu) for name in WIDTHS])
def test_a_gpu_trains_on_masks_as_the_processor_does_and_keeps_what_is_out_at_0(name):
    widths = {"published": (2, 64), "described": (1, 64), "converged": (1, 64)}[name]
    shard = shard_of(name, widths)
    protocol, networks = shard.protocol, begin(shard)
    kept = pruning.masks(networks, pruning.rank(networks, pruning.STUDIED), 0.8)
    ends = []
    for device in ("cpu", "cuda"):
        masks = pruning.Masks(kept.layer1.to(device), kept.layer2.to(device))
        split = sent(shard.split, device)
        end, _ = training.train(networks.to(device), split, protocol, order(shard), masks)
        ends.append(end.to("cpu"))
        assert not ends[-1].weight1[~kept.layer1].any()
        assert not ends[-1].weight2[~kept.layer2].any()
    rows = shard.scored
    losses = [logistic_loss(end.logits(rows.images), rows.labels) for end in ends]
    print(name, "masked loss", (losses[0] - losses[1]).abs().max())
    torch.testing.assert_close(*losses, atol=2e-3, rtol=0)


LACKING = ("dask", "distributed", "papermill", "pydantic", "IPython", "ipywidgets")


def test_neither_these_tests_nor_the_benchmark_import_what_a_bare_machine_lacks():
    code = f"import sys; sys.modules |= dict.fromkeys({LACKING}); import test_gpu, benchmarks.run"
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, check=True)
