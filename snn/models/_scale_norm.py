"""ScaleNorm: normalisation without a shift, which folds into weights and leaves no bias behind."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LANES = 64
"""Floats side by side in one pass of a kernel; the channels of a channels-last map repeat in them."""
BLOCK = 256
"""Rows summed in float32 before they are added up in float64."""


class ScaleNorm(nn.Module):
    """y = g · x / sqrt(P + eps), per channel, with the power P = E[x²].

    In training P is taken over batch, time and space; in evaluation it is the running mean. There is no mean
    subtraction and no bias, so the layer folds into the weights before it and the network stays deployable on
    hardware without biases [ours; the design's "scale-only normalisation"]. `momentum=None` gives the cumulative
    mean, as in `torch.nn.BatchNorm2d`.

    Shapes: x [N, C, H, W] -> the same; g, the parameter `weight`: [C].
    """

    def __init__(self, channels: int, gain: float = 1.0, momentum: float | None = 0.1, eps: float = 1e-5):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.full((channels,), float(gain)))
        self.register_buffer("running_power", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def reset_running_stats(self) -> None:
        self.running_power.fill_(1.0)
        self.num_batches_tracked.zero_()

    def scale(self) -> Tensor:
        """The factor per channel in evaluation: g / sqrt(P + eps)."""
        return self.weight * torch.rsqrt(self.running_power + self.eps)

    def factor(self, x: Tensor) -> Tensor:
        """The factor per channel [C] that x [N, C, H, W] is to be multiplied with: for who does that in passing."""
        if not self.training:
            return self.scale()
        power = _Power.apply(x) if fused(x) else _mean_square(x)
        self._follow(power)
        return self.weight * torch.rsqrt(power + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training and not torch.is_grad_enabled() and fused(x):
            return _scaled(x, self.scale())
        if self.training and fused(x):
            y, power = _ScaleByPower.apply(x, self.weight, self.eps)
            self._follow(power)
            return y
        return x * self.factor(x).view(1, -1, 1, 1)

    def _follow(self, power: Tensor) -> None:
        """Let the running mean take a batch's power in."""
        with torch.no_grad():
            self.num_batches_tracked += 1
            # The first batches count in full: with sparse events P is far below its initial 1, and a short training
            # would never forget that 1.
            rate = max(self.momentum or 0.0, 1.0 / float(self.num_batches_tracked))
            self.running_power.lerp_(power.detach(), rate)


def _mean_square(x: Tensor) -> Tensor:
    """E[x²] of each channel; sums are not for half precision."""
    half = x.dtype in (torch.float16, torch.bfloat16)
    return x.square().mean((0, 2, 3), dtype=torch.float32 if half else None)


def fused(x: Tensor) -> bool:
    """Whether the kernels below apply: float32 on a CPU, channels-last, channels that divide the lanes."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and LANES % x.shape[1] == 0
        and x.numel() % LANES == 0
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    """x times a factor per channel, in one pass."""
    y = torch.empty_like(x)
    _kernels()["scale"](_rows(x), _lanes(factor.detach()), _rows(y))
    return y


class _Power(torch.autograd.Function):
    """P = E[x²] of each channel; dx = 2 x P' / M with P' the incoming gradient and M values a channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        rows = _rows(x)
        return _fold(_kernels()["dot"](rows, rows), x.shape[1]) / (x.numel() // x.shape[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_power: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _scaled(x, d_power * (2 * x.shape[1] / x.numel()))


class _ScaleByPower(torch.autograd.Function):
    """With f = g (P + eps)^-1/2 and D = Σ y'·x over all but channels (y' the incoming gradient, M values a channel):

    dx = f · (y' − x · D / (M (P + eps))),   dg = D (P + eps)^-1/2.

    Torch's own operators do the same in three times as many passes over memory.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        rows, channels = _rows(x), x.shape[1]
        count = x.numel() // channels
        power = _fold(_kernels()["dot"](rows, rows), channels) / count
        root = torch.rsqrt(power + eps)
        y = _scaled(x, weight * root)
        ctx.save_for_backward(x, weight, power)
        ctx.eps, ctx.count = eps, count
        ctx.mark_non_differentiable(power)
        return y, power

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, power = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        root = torch.rsqrt(power + ctx.eps)
        dot = _fold(_kernels()["dot"](_rows(dy), _rows(x)), x.shape[1])
        f = weight * root
        dx = torch.empty_like(x)
        _kernels()["combine"](_rows(dy), _lanes(f), _rows(x), _lanes(-f * dot * root.square() / ctx.count), _rows(dx))
        return dx, dot * root, None


def _rows(x: Tensor) -> np.ndarray:
    """The memory of a channels-last map as [rows, LANES]."""
    return x.detach().permute(0, 2, 3, 1).reshape(-1, LANES).numpy()


def _lanes(values: Tensor) -> np.ndarray:
    """Values per channel [C], repeated to fill the lanes."""
    return values.repeat(LANES // len(values)).numpy()


def _fold(lanes: np.ndarray, channels: int) -> Tensor:
    """Sums per lane -> sums per channel."""
    return torch.from_numpy(lanes.reshape(-1, channels).sum(0).astype(np.float32))


@cache
def _kernels() -> dict[str, Any]:
    from snn.neurons.kernels import compiled  # Numba takes half a second to import

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
        for r in range(a.shape[0]):
            for c in range(lanes):
                out[r, c] = a[r, c] * f[c] + b[r, c] * g[c]

    return {k.__name__: compiled(k) for k in (dot, scale, combine)}
