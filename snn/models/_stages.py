"""What networks are made of: stages, a readout, and the chain of them.

A stage is one convolution block or one residual block. All that training methods do, they do to stages: MTT gives
each its own number of time steps, Shortcut hangs a head on each, LTL gives each layer of neurons its own loss.
Tensors are [T, N, C, H, W].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from snn import ttm
from snn.models._scale_norm import ScaleNorm
from snn.pooling import avg_pool2d

Activation = Callable[[], nn.Module]


def make_norm(kind: str, channels: int, gain: float) -> nn.Module:
    """kind: `none`, `scale` (ScaleNorm) or `batch` (BatchNorm2d with weight initialised to `gain`)."""
    if kind == "none":
        return nn.Identity()
    if kind == "scale":
        return ScaleNorm(channels, gain)
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.weight, gain)
    return norm


def over_time(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer without memory on all time steps at once: [T, N, ...] -> [T, N, ...]."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def channels_last(x: Tensor) -> Tensor:
    """[T, N, C, H, W] with the channels of a place side by side in memory: the layout in which small convolutions and
    our pooling are fastest. The numbers are the same."""
    if x.ndim != 5:
        return x
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


def pooled(x: Tensor, k: int) -> Tensor:
    """Average pooling k x k of [T, N, C, H, W]; positions that do not fill a window are dropped."""
    return x if k == 1 else over_time(lambda y: avg_pool2d(y, k), x)


class ConvStage(nn.Module):
    """neurons(norm(conv(x))), then average pooling by `pool`."""

    def __init__(self, conv: nn.Conv2d, norm: nn.Module, activation: Activation, pool: int = 1):
        super().__init__()
        self.conv, self.norm, self.neuron, self.pool = conv, norm, activation(), pool

    def forward(self, x: Tensor) -> Tensor:
        x = over_time(lambda y: self.norm(self.conv(y)), x)
        return pooled(self.neuron(x), self.pool)


class ResidualStage(nn.Module):
    """neurons(norm2(conv2(neurons(norm1(conv1(x))))) + shortcut(x)): both branches are currents into one population.

    shortcut: identity, or a strided 1x1 convolution with normalisation where shapes differ.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, norm: Callable[[int], nn.Module], activation: Activation
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1, self.neuron1 = norm(outputs), activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2, self.neuron2 = norm(outputs), activation()
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.neuron1(over_time(lambda z: self.norm1(self.conv1(z)), x))
        y = over_time(lambda z: self.norm2(self.conv2(z)), y)
        if self.shortcut is not None:
            x = over_time(lambda z: self.shortcut_norm(self.shortcut(z)), x)
        return self.neuron2(y + x)


class Readout(nn.Module):
    """Average pooling, flatten in (C, H, W) order, one linear layer without bias, and neurons if it spikes.

    [T, N, C, H, W] -> [T, N, K]: spikes of the output neurons, or the current into them.
    """

    def __init__(self, features: int, classes: int, neuron: nn.Module | None, pool: int = 1):
        super().__init__()
        self.linear, self.neuron, self.pool = nn.Linear(features, classes, bias=False), neuron, pool

    @property
    def spiking(self) -> bool:
        return self.neuron is not None

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(pooled(x, self.pool).flatten(2))
        return x if self.neuron is None else self.neuron(x)


def readout_neuron(kind: str, activation: Activation) -> nn.Module | None:
    """Neurons of the readout: kind `spiking` or `membrane`. A ReLU network reads out the current itself: clipping its
    logits at zero would cut off the gradient of every class that is not predicted."""
    neuron = activation() if kind == "spiking" else None
    return None if isinstance(neuron, nn.ReLU) else neuron


class Network(nn.Module):
    """A chain of stages and a readout. It owns the neurons' state: every call starts from rest.

    forward(x, steps=None, collect=None):
        x: [T, N, C, H, W]; steps: time steps of each stage, set by the TTM before the stage's first operation (the
        readout runs with the last stage's); collect: a list that receives every stage's output.
        Returns [T', N, K].
    """

    def __init__(self, stages: Sequence[nn.Module], readout: Readout):
        super().__init__()
        self.stages, self.readout = nn.ModuleList(stages), readout

    def forward(self, x: Tensor, steps: Sequence[int] | None = None, collect: list[Tensor] | None = None) -> Tensor:
        from spikingjelly.activation_based import functional  # takes seconds to import; planning does without

        functional.reset_net(self)
        for i, stage in enumerate(self.stages):
            if steps is not None:
                x = ttm.transform(x, steps[i])
            x = stage(channels_last(x))
            if collect is not None:
                collect.append(x)
        return self.readout(x)


def weight_count(network: nn.Module) -> int:
    """Synaptic weights: of convolutions and linear layers, without normalisation."""
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def norms(network: nn.Module) -> list[nn.Module]:
    """The layers that keep running statistics."""
    return [m for m in network.modules() if hasattr(m, "reset_running_stats")]
