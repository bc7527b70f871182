"""Sums and products by channel over channels-last maps on a CPU, each in one pass over memory.

Torch's own operators take two or three passes for the same: a product is a map, and its sum another pass. Rows of
`LANES` floats are taken at once; the channels of a channels-last map repeat in them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

LANES = 64
BLOCK = 256
"""Rows summed in float32 before they are added up in float64."""


def supports(x: Tensor) -> bool:
    """Whether these functions take x [N, C, H, W]: float32 on a CPU, channels-last, channels that divide the lanes."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and LANES % x.shape[1] == 0
        and x.numel() % LANES == 0
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Σ a·b over all but the channels, [C]."""
    lanes = _kernels()["dot"](_rows(a), _rows(b))
    return torch.from_numpy(lanes.reshape(-1, a.shape[1]).sum(0).astype(np.float32))


def scaled(x: Tensor, factor: Tensor) -> Tensor:
    """factor · x, with a factor for each channel."""
    y = torch.empty_like(x)
    _kernels()["scale"](_rows(x), _lanes(factor), _rows(y))
    return y


def combined(a: Tensor, f: Tensor, b: Tensor, g: Tensor, out: Tensor) -> Tensor:
    """f · a + g · b into `out`, which may be a or b, with factors for each channel."""
    _kernels()["combine"](_rows(a), _lanes(f), _rows(b), _lanes(g), _rows(out))
    return out


def through_power(
    dy: Tensor, products: Tensor, x: Tensor, weight: Tensor, power: Tensor, eps: float, out: Tensor
) -> tuple[Tensor, Tensor]:
    """(dx, dg) of y = g (P + eps)^-1/2 x with P = E[x²] of this x, from y' and D = Σ y'·x; dx into `out`.

    dx = f · (y' − x · D / (M (P + eps))),  f = g (P + eps)^-1/2,  dg = D (P + eps)^-1/2,  M values a channel.
    """
    root = torch.rsqrt(power + eps)
    f = weight.detach() * root
    return combined(dy, f, x, -f * products * root.square() * (x.shape[1] / x.numel()), out), products * root


def _rows(x: Tensor) -> np.ndarray:
    """The memory of a channels-last map as [rows, LANES]."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, LANES).numpy()


def _lanes(values: Tensor) -> np.ndarray:
    """Values per channel [C], repeated to fill the lanes."""
    return values.detach().repeat(LANES // len(values)).numpy()


@cache
def _kernels() -> dict[str, Any]:
    from snn.kernels.jit import compiled  # Numba takes half a second to import

    lanes, block = LANES, BLOCK

    def dot(a, b):  # type: ignore[no-untyped-def]
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

    def scale(x, f, y):  # type: ignore[no-untyped-def]
        for r in range(x.shape[0]):
            for c in range(lanes):
                y[r, c] = x[r, c] * f[c]

    def combine(a, f, b, g, out):  # type: ignore[no-untyped-def]
        row = np.empty(lanes, np.float32)  # out may be a or b: written to directly, no vectors would be used
        for r in range(a.shape[0]):
            for c in range(lanes):
                row[c] = a[r, c] * f[c] + b[r, c] * g[c]
            for c in range(lanes):
                out[r, c] = row[c]

    return {k.__name__: compiled(k) for k in (dot, scale, combine)}
