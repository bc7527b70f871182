"""The pooling kernel is torch's pooling."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from snn.kernels.pooling import avg_pool2d


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("shape", [(5, 8, 34, 34), (3, 3, 17, 11), (2, 1, 4, 4), (1, 4, 3, 3)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_torch(k, shape, memory_format):
    x = torch.randn(shape).contiguous(memory_format=memory_format)
    g, results = torch.randn(F.avg_pool2d(x, k).shape), []
    for pool in (avg_pool2d, F.avg_pool2d):
        y = x.clone().requires_grad_()
        pooled = pool(y, k)
        by_kernel = pool is avg_pool2d and memory_format == torch.channels_last and shape[1] > 1
        assert (type(pooled.grad_fn).__name__ == "_AveragePoolBackward") == by_kernel
        pooled.backward(g)
        results.append((pooled.detach(), y.grad))
    for ours, reference in zip(*results, strict=True):
        assert ours.stride() == reference.stride()
        assert torch.equal(ours, reference)
