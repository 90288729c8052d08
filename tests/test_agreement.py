"""The benchmark of agreement finds what lies apart, and claims nothing that was not measured."""

import pandas as pd
import pytest

from benchmarks import agreement
from lib.study import store

FOUND = pd.DataFrame(
    {
        "dataset": "MNIST",
        "task": "4-9",
        "protocol": ["published", "published", "converged"],
        "width": [2, 4, 2],
        "seed": 0,
        "f1_test": [0.9, 0.95, 0.99],
        "loss_train": [0.5, 0.4, 0.1],
    }
)
MEASURED = pd.DataFrame(
    {
        "variant": "two threads",
        "device": "a processor",
        "protocol": ["published", "described", "converged"],
        "networks": [11, 11, 11],
        "f1": [0.0, 0.0, 5e-4],
        "loss": [1e-6, 2.3e-6, 4e-5],
        "mean_f1": [0.0, 0.0, 4.6e-5],
        "mean_loss": 0.0,
    }
)
ON_GPU = MEASURED.assign(variant="GPU", device="a GPU")
SPEED = pd.DataFrame(
    {
        "device": ["a GPU", "a processor", "a GPU"],
        "setting": ["published grid", "published grid", "full-batch"],
        "contender": ["GPU, rows in its memory", "processor", "GPU, rows in its memory"],
        "networks": [165, 165, 11],
        "largest_loss_difference": [2.3e-6, 2.3e-6, 6e-8],
    }
)


def test_the_largest_difference_and_that_of_the_means_are_found_by_protocol():
    now = FOUND.assign(f1_test=[0.91, 0.94, 0.99], loss_train=[0.5, 0.4, 0.102])
    apart = agreement.apart(FOUND, now.iloc[::-1]).set_index("protocol")
    assert apart.networks.to_dict() == {"published": 2, "converged": 1}
    assert apart.f1.to_dict() == pytest.approx({"published": 0.01, "converged": 0})
    assert apart.mean_f1.to_dict() == pytest.approx({"published": 0, "converged": 0})
    assert apart.loss.to_dict() == pytest.approx({"published": 0, "converged": 0.002})


def test_another_set_of_networks_is_an_error():
    with pytest.raises(pd.errors.MergeError):
        agreement.apart(FOUND, pd.concat([FOUND, FOUND]))


def test_the_paper_has_the_larger_of_two_protocols_in_millionths():
    rows = agreement.typeset(MEASURED).to_numpy().tolist()
    assert rows[0] == ["two threads", "full-batch", 22, "0", "0", "2.3"]
    assert rows[1] == ["", r"\code{converged}", 11, "500", "46", "40"]


def test_without_a_measurement_on_a_gpu_the_paper_says_so(tmp_path):
    assert agreement.before(tmp_path).empty
    store.write_table(pd.DataFrame([{"device": "", "note": "no GPU"}]), tmp_path / "gpu.csv")
    assert agreement.before(tmp_path).empty
    assert agreement.typeset(MEASURED).iloc[-1].tolist() == ["GPU", "not measured", "", "", "", ""]


def test_an_earlier_measurement_on_a_gpu_stays_with_its_device(tmp_path):
    store.write_table(SPEED, tmp_path / "gpu.csv")
    grid = agreement.before(tmp_path)
    shown = agreement.typeset(pd.concat([MEASURED, grid])).iloc[-1].tolist()
    assert shown == ["published grid, GPU (a GPU)", "full-batch", 165, "--", "--", "2.3"]
    store.write_table(pd.concat([MEASURED, ON_GPU]), tmp_path / "agreement.csv")
    assert (agreement.before(tmp_path).device == "a GPU").all()
    assert len(agreement.before(tmp_path)) == len(ON_GPU)
