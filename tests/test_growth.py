"""The benchmark of growth sees the memory of its own process, and not of the one that began it."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import growth
from lib import ROOT

MIB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own figure is taken")
def test_the_peak_of_a_process_does_not_begin_with_that_of_the_one_that_started_it():
    held = np.ones(800 * MIB, dtype=np.uint8)
    script = "from benchmarks import growth; print(growth.peak())"
    child = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    assert growth.peak() > held.nbytes / MIB
    assert 0 < float(child.stdout) < growth.peak() - 400
