"""Average pooling for small networks on a CPU, where torch's takes as long as the convolutions beside it.

`avg_pool2d(x, k)` equals `torch.nn.functional.avg_pool2d(x, k)` bit for bit. Channels-last float32 maps on a CPU are
pooled by a kernel that takes the channels of a window as one vector; anything else goes to torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snn.kernels.threads import parallel_for


def avg_pool2d(x: Tensor, k: int) -> Tensor:
    """Means over windows of k x k, `[N, C, H, W]` -> `[N, C, ⌊H/k⌋, ⌊W/k⌋]`; incomplete windows are dropped."""
    here = x.device.type == "cpu" and x.dtype == torch.float32 and type(x) is Tensor and x.ndim == 4
    # Maps of one channel or of one pixel have both layouts at once; torch is as fast there.
    channels_last = here and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    if not channels_last or min(x.shape[2:]) < k or x.shape[0] == 0:
        return F.avg_pool2d(x, k)
    return _AveragePool.apply(x, k)


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, k: int) -> Tensor:
        n, c, h, w = ctx.shape = x.shape
        ctx.k = k
        y = torch.empty((n, c, h // k, w // k), dtype=x.dtype, memory_format=torch.channels_last)
        arrays = (_rows(x), _rows(y))
        kernel = _forward(k)
        parallel_for(lambda low, high: kernel(*arrays, low, high), n, x.numel())
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        dx = torch.empty(ctx.shape, dtype=g.dtype, memory_format=torch.channels_last)
        arrays = (_rows(g.contiguous(memory_format=torch.channels_last)), _rows(dx))
        kernel = _backward(ctx.k)
        parallel_for(lambda low, high: kernel(*arrays, low, high), ctx.shape[0], dx.numel())
        return dx, None


def _rows(x: Tensor) -> np.ndarray:
    """The memory of a channels-last map [N, C, H, W], as [N, H, W, C]."""
    return x.detach().permute(0, 2, 3, 1).numpy()


@cache
def _forward(k: int) -> Callable[..., None]:
    from snn.kernels.jit import compiled  # Numba takes half a second to import

    def run(x, y, low, high):
        area = np.float32(k * k)
        for n in range(low, high):
            for i in range(y.shape[1]):
                for j in range(y.shape[2]):
                    for c in range(y.shape[3]):
                        total = np.float32(0)
                        for di in range(k):
                            for dj in range(k):
                                total += x[n, i * k + di, j * k + dj, c]
                        y[n, i, j, c] = total / area

    return compiled(run)


@cache
def _backward(k: int) -> Callable[..., None]:
    from snn.kernels.jit import compiled

    def run(g, dx, low, high):
        area = np.float32(k * k)
        for n in range(low, high):
            dx[n, g.shape[1] * k :] = np.float32(0)
            dx[n, :, g.shape[2] * k :] = np.float32(0)
            for i in range(g.shape[1]):
                for di in range(k):
                    for j in range(g.shape[2]):
                        for dj in range(k):
                            for c in range(g.shape[3]):
                                dx[n, i * k + di, j * k + dj, c] = g[n, i, j, c] / area

    return compiled(run)
