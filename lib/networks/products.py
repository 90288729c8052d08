"""The large matrix product, by the fastest routine that PyTorch has for it where it runs."""

import torch
from torch import Tensor

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether oneDNN's product can be called: the one that `torch.compile` puts in place of `mm`."""

SMALL = 2**20
"""Multiplications below which calling oneDNN costs more than it saves."""


def product(left: Tensor, right: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """left @ right.T + bias, (m, n), of left (m, k), right (n, k) and bias (n,).

    relu: put 0 in place of what is negative, in the same pass. On a processor in float32 this is
    oneDNN's product, which takes the widest instructions of any maker's processor; `torch.mm` is
    MKL's, at half that speed on a recent AMD. Elsewhere it is `torch.mm`, and where there is little
    to multiply.
    """
    if ONEDNN and left.numel() * len(right) > SMALL and is_float32_here(left):
        kind = "relu" if relu else "none"
        return torch.ops.mkldnn._linear_pointwise(left, right, bias, kind, [], "")
    out = torch.mm(left, right.T) if bias is None else torch.addmm(bias, left, right.T)
    return out.relu_() if relu else out


def is_float32_here(tensor: Tensor) -> bool:
    """Whether a tensor is in single precision and in the processor's memory."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"
