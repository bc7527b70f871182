"""Sums and products by channel over channels-last maps on a CPU, each in one pass over memory.

Torch's operators take two or three passes for the same: they write a product to memory before they sum it. Here rows
of `LANES` floats are processed at once, in which the channels of a channels-last map repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

LANES = 64
BLOCK = 256
"""Rows summed in float32 before they are added up in float64."""


class PowerNorm(NamedTuple):
    """Normalisation of a batch x by its power, without a shift: y = gain · (power + eps)^-1/2 · x.

    gain `[C]`; power `[C]`: P = E[x²] of each channel over everything else in this x, given without a gradient (the
    functions that take a PowerNorm add the gradient through P themselves); eps: added to P.
    """

    gain: Tensor
    power: Tensor
    eps: float

    def factor(self) -> Tensor:
        """What x is multiplied by, `[C]`."""
        return self.gain * torch.rsqrt(self.power + self.eps)


def supports(x: Tensor) -> bool:
    """Whether these functions take x `[N, C, H, W]`: float32 on a CPU, channels-last, and C divides `LANES`."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and LANES % x.shape[1] == 0
        and x.numel() % LANES == 0
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Σ a·b over all dimensions but the channels: two maps `[N, C, H, W]` -> `[C]`."""
    lanes = _kernels().dot(_rows(a), _rows(b))
    return torch.from_numpy(lanes.reshape(-1, a.shape[1]).sum(0).astype(np.float32))


def scaled(x: Tensor, factor: Tensor) -> Tensor:
    """factor · x for a map x `[N, C, H, W]` and a factor `[C]`."""
    y = torch.empty_like(x)
    _kernels().scale(_rows(x), _lanes(factor), _rows(y))
    return y


def combined(a: Tensor, f: Tensor, b: Tensor, g: Tensor, out: Tensor) -> Tensor:
    """f · a + g · b for maps a, b `[N, C, H, W]` and factors f, g `[C]`, written to `out`, which may be a or b."""
    _kernels().combine(_rows(a), _lanes(f), _rows(b), _lanes(g), _rows(out))
    return out


def power_norm_backward(dy: Tensor, products: Tensor, x: Tensor, norm: PowerNorm, out: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients (dx `[N, C, H, W]`, dg `[C]`) of y = g (P + eps)^-1/2 x with P = E[x²] of this x; dx is put into `out`.

    dx = f · (y' − x · D / (M (P + eps))),  f = g (P + eps)^-1/2,  dg = D (P + eps)^-1/2,  M values a channel

    from dy = y' and `products` = D = Σ y'·x, `[C]`.
    """
    root = torch.rsqrt(norm.power + norm.eps)
    f = norm.gain.detach() * root
    return combined(dy, f, x, -f * products * root.square() * (x.shape[1] / x.numel()), out), products * root


def _rows(x: Tensor) -> np.ndarray:
    """The memory of a channels-last map, as `[rows, LANES]`."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, LANES).numpy()


def _lanes(values: Tensor) -> np.ndarray:
    """Values per channel `[C]`, repeated to `[LANES]`."""
    return values.detach().repeat(LANES // len(values)).numpy()


class _Kernels(NamedTuple):
    dot: Callable[..., Any]
    scale: Callable[..., Any]
    combine: Callable[..., Any]


@cache
def _kernels() -> _Kernels:
    from snn.kernels.jit import compiled  # Numba takes half a second to import

    lanes, block = LANES, BLOCK

    def dot(a, b):
        total = np.zeros(lanes, np.float64)
        part = np.zeros(lanes, np.float32)
        for start in range(0, a.shape[0], block):
            part[:] = np.float32(0)
            for r in range(start, min(start + block, a.shape[0])):
                for c in range(lanes):
                    part[c] += a[r, c] * b[r, c]
            for c in range(lanes):
                total[c] += part[c]
        return total

    def scale(x, f, y):
        for r in range(x.shape[0]):
            for c in range(lanes):
                y[r, c] = x[r, c] * f[c]

    def combine(a, f, b, g, out):
        row = np.empty(lanes, np.float32)  # `out` may be a or b: LLVM does not vectorise a loop that writes to it
        for r in range(a.shape[0]):
            for c in range(lanes):
                row[c] = a[r, c] * f[c] + b[r, c] * g[c]
            for c in range(lanes):
                out[r, c] = row[c]

    return _Kernels(compiled(dot), compiled(scale), compiled(combine))
