"""Randomness by name: a generator is a function of what it is for, and of nothing else."""

import hashlib

import numpy as np
import torch


def number(*name: object) -> int:
    """A 63-bit integer that depends on every part of `name`, on any machine the same."""
    text = "/".join(map(str, name))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*name: object) -> torch.Generator:
    """PyTorch's CPU generator, seeded by `name`."""
    return torch.Generator().manual_seed(number(*name))


def numpy_generator(*name: object) -> np.random.Generator:
    """NumPy's generator, seeded by `name`."""
    return np.random.default_rng(number(*name))
