"""ScaleNorm: normalisation without a shift, which can be folded into weights and leaves no bias."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from snn.kernels import channels
from snn.kernels.channels import PowerNorm


class ScaleNorm(nn.Module):
    """y = g · x / sqrt(P + eps), per channel, with the power P = E[x²].

    In training P is the mean over batch, time and space; in evaluation it is the running mean. There is no mean
    subtraction and no bias, so the layer can be folded into the weights before it, and the network can be deployed on
    hardware without biases [ours]. `momentum=None` gives the cumulative mean, as in `torch.nn.BatchNorm2d`.

    Shapes: x `[N, C, H, W]` -> the same; g, the parameter `weight`: `[C]`. P has the unit of x squared.
    """

    fuses: ClassVar[bool] = True
    """Whether a kernel may normalise in passing (`of_batch`)."""
    running_power: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, gain: float = 1.0, momentum: float | None = 0.1, eps: float = 1e-5):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.full((channels,), float(gain)))
        self.register_buffer("running_power", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def reset_running_stats(self) -> None:
        """Start the running mean anew."""
        self.running_power.fill_(1.0)
        self.num_batches_tracked.zero_()

    def scale(self) -> Tensor:
        """The factor of each channel in evaluation, g / sqrt(P + eps), `[C]`."""
        return self.weight * torch.rsqrt(self.running_power + self.eps)

    def of_batch(self, x: Tensor) -> PowerNorm:
        """The normalisation of this batch x `[N, C, H, W]` in training, for a kernel that applies it in passing; the
        running mean is updated. `snn.kernels.channels` must support x."""
        return PowerNorm(self.weight, self._power(x), self.eps)

    def factor(self, x: Tensor) -> Tensor:
        """What x `[N, C, H, W]` is to be multiplied by, `[C]`; in training the running mean is updated."""
        if not self.training:
            return self.scale()
        power = self.power(x)
        self._update(power)
        return self.weight * torch.rsqrt(power + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        if channels.supports(x) and self.training:
            return _ScaleByPower.apply(x, *self.of_batch(x))
        if channels.supports(x) and not torch.is_grad_enabled():
            return channels.scaled(x, self.scale())
        return x * self.factor(x).view(1, -1, 1, 1)

    def power(self, x: Tensor) -> Tensor:
        """P of x, `[C]`, with a gradient."""
        return mean_square(x)

    def _power(self, x: Tensor) -> Tensor:
        """P of x, `[C]`, without a gradient; the running mean is updated."""
        with torch.no_grad():
            power = channels.dot(x, x) / (x.numel() // x.shape[1]) if channels.supports(x) else mean_square(x)
        self._update(power)
        return power

    def _update(self, power: Tensor) -> None:
        with torch.no_grad():
            self.num_batches_tracked += 1
            # The first batches have weights 1, 1/2, ...: with sparse events P is far below its initial 1, and in a
            # short training the running mean would never lose that 1.
            rate = max(self.momentum or 0.0, 1.0 / float(self.num_batches_tracked))
            self.running_power.lerp_(power.detach(), rate)


def mean_square(x: Tensor) -> Tensor:
    """E[x²] of each channel, summed in float32 where x has half precision."""
    half = x.dtype in (torch.float16, torch.bfloat16)
    return x.square().mean((0, 2, 3), dtype=torch.float32 if half else None)


class _ScaleByPower(torch.autograd.Function):
    """y = g (P + eps)^-1/2 x with P = E[x²] of this x; a third of the passes over memory of torch's operators."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, power: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, gain, power)
        ctx.eps = eps
        return channels.scaled(x, PowerNorm(gain, power, eps).factor())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, gain, power = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last)
        norm, dx = PowerNorm(gain, power, ctx.eps), torch.empty_like(x)
        dx, d_gain = channels.power_norm_backward(dy, channels.dot(dy, x), x, norm, dx)
        return dx, d_gain, None, None
