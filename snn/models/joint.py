"""Normalisation with the statistics of a whole batch, of which this process has a share (`resources.processes`).

A statistic of the batch is the mean of those of the shares, weighted by their sizes, which `Mean` takes over all
processes: E[x²] of a ScaleNorm, E[x] and then E[(x - E[x])²] of a BatchNorm. The gradient goes through it to the
shares of all processes. In evaluation nothing differs from the layers that these were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.models.norm import ScaleNorm, mean_square
from snn.models.stages import norms
from snn.models.tebn import TemporalBatchNorm2d, TemporalScaleNorm

Mean = Callable[[Tensor], Tensor]
"""The mean over the whole batch from the mean over this process's share of it, of any shape; differentiable."""


class JointScaleNorm(ScaleNorm):
    """ScaleNorm whose power is that of the whole batch."""

    fuses: ClassVar[bool] = False
    joint_mean: Mean

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor(x).view(1, -1, 1, 1) if self.training else super().forward(x)

    def power(self, x: Tensor) -> Tensor:
        return self.joint_mean(mean_square(x))


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm2d whose mean and variance are those of the whole batch.

    joint_size: the number of samples in the whole batch over those of this process's share.
    """

    joint_mean: Mean
    joint_size: Callable[[], float]

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        mean = self.joint_mean(values.mean((0, 2, 3)))
        centred = values - mean.view(1, -1, 1, 1)
        variance = self.joint_mean(centred.square().mean((0, 2, 3)))
        self._update(mean.detach(), variance.detach(), x.numel() // x.shape[1] * self.joint_size())
        y = centred * (self.weight * torch.rsqrt(variance + self.eps)).view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)
        return y.to(x.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """The running statistics as torch keeps them: of the variance the unbiased one of `count` values a channel."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        rate = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var.dtype), rate)


class JointTemporalScaleNorm(TemporalScaleNorm, JointScaleNorm):
    """The same with a gain for each time step."""


class JointTemporalBatchNorm2d(TemporalBatchNorm2d, JointBatchNorm2d):
    """The same with a gain for each time step."""


JOINT: dict[type[nn.Module], type[nn.Module]] = {
    ScaleNorm: JointScaleNorm,
    TemporalScaleNorm: JointTemporalScaleNorm,
    nn.BatchNorm2d: JointBatchNorm2d,
    TemporalBatchNorm2d: JointTemporalBatchNorm2d,
}


def join_statistics(network: nn.Module, mean: Mean, size: Callable[[], float]) -> None:
    """Let every normalisation of `network` take its statistics from the whole batch; parameters and buffers stay.

    size: the number of samples in the whole batch over those of this process's share. ConfigError, which names the kind
    of layer, for a normalisation that has no such form.
    """
    for layer in norms(network):
        if type(layer) not in JOINT:
            raise ConfigError(
                f"resources.processes: {type(layer).__name__} takes its statistics from one process alone; set it to 1"
            )
        layer.__class__ = JOINT[type(layer)]  # in place: whatever refers to the layer keeps it
        layer.joint_mean, layer.joint_size = mean, size  # type: ignore[assignment]
