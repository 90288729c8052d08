"""The private operators of PyTorch that are called are there, and do what the public ones do."""

import pytest
import torch

from lib.networks import products
from lib.networks.layers import stepped


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch has no oneDNN here")
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_onednns_product_is_there_and_is_torchs(biased, relu):
    assert products.ONEDNN, "torch.ops.mkldnn._linear_pointwise is gone: see lib/networks/products"
    g = torch.Generator().manual_seed(0)
    left, right = torch.randn(300, 200, generator=g), torch.randn(100, 200, generator=g)
    bias = torch.randn(100, generator=g) if biased else None
    assert left.numel() * len(right) > products.SMALL
    expected = left @ right.T + (0 if bias is None else bias)
    found = products.product(left, right, bias, relu)
    torch.testing.assert_close(found, expected.relu() if relu else expected, rtol=1e-5, atol=1e-4)


def test_the_fused_step_of_adam_is_there_and_is_the_optimisers_own_to_the_bit():
    assert hasattr(torch, "_fused_adam_"), "torch._fused_adam_ is gone: see lib/networks/layers"
    g = torch.Generator().manual_seed(0)
    starts = [torch.randn(size, generator=g) for size in ((30, 20), (30,))]
    gradients = [[torch.randn(s.shape, generator=g) for s in starts] for _ in range(4)]
    ends = []
    for step in (stepped, torch.optim.Optimizer.step):
        tensors = [start.clone() for start in starts]
        optimiser = torch.optim.Adam(tensors, lr=0.01, fused=True)
        for each in gradients:
            for tensor, gradient in zip(tensors, each, strict=True):
                tensor.grad = gradient.clone()
            step(optimiser) if step is stepped else optimiser.step()
        ends.append(tensors)
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one, other)
