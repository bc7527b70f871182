"""Temporal effective batch normalisation (TEBN): a normalisation whose output has a gain of its own at each time step.

Duan, Ding, Chen, Yu, Huang: NeurIPS 2022 [code: ChaotengDuan/TEBN]. With one p of T values a layer, initially 1,

    y[t] = p[t] · BN(x)[t]                                       the shift of BN is multiplied too
    y[t] = p[t] · g · x[t] / sqrt(P + eps)                       on ScaleNorm [ours]

where the statistics are those of all time steps together. At a time step t ≥ T, p[T-1] is used [ours].

The network depends on its time steps, which event-driven deployment does not have. `averaged()` is the plain
normalisation with the mean of p over time in its gain [ours]; it is the same function if all p[t] are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snn.models.norm import ScaleNorm


class TemporalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm with a gain for each time step. x `[T', N, C, H, W]` -> the same; p: `[T]`, weight and bias: `[C]`."""

    def __init__(self, channels: int, steps: int):
        super().__init__(channels)
        self.p = nn.Parameter(torch.ones(steps))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return y * _gains(self.p, len(x))

    @torch.no_grad()
    def averaged(self) -> nn.BatchNorm2d:
        """BatchNorm with the mean gain."""
        norm = nn.BatchNorm2d(self.num_features, self.eps, self.momentum)
        _copy_state(self, norm)
        norm.bias.mul_(self.p.mean())
        return norm


class TemporalScaleNorm(ScaleNorm):
    """ScaleNorm with a gain for each time step. x `[T', N, C, H, W]` -> the same; p: `[T]`, weight: `[C]`."""

    def __init__(self, channels: int, steps: int, gain: float = 1.0):
        super().__init__(channels, gain)
        self.p = nn.Parameter(torch.ones(steps))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return y * _gains(self.p, len(x))

    @torch.no_grad()
    def averaged(self) -> ScaleNorm:
        """ScaleNorm with the mean gain."""
        norm = ScaleNorm(len(self.weight), momentum=self.momentum, eps=self.eps)
        _copy_state(self, norm)
        return norm


TemporalNorm = TemporalBatchNorm2d | TemporalScaleNorm


def _gains(p: Tensor, steps: int) -> Tensor:
    """p at the time steps 0 … steps - 1, to be multiplied with `[steps, N, C, H, W]`."""
    return p[torch.arange(steps, device=p.device).clamp_max(len(p) - 1)].view(-1, 1, 1, 1, 1)


def _copy_state(temporal: TemporalNorm, norm: nn.BatchNorm2d | ScaleNorm) -> None:
    """Statistics and parameters of `temporal`, the weight times the mean gain."""
    norm.to(temporal.weight.device, temporal.weight.dtype).train(temporal.training)
    norm.load_state_dict({key: value for key, value in temporal.state_dict().items() if key != "p"})
    norm.weight.mul_(temporal.p.mean())
