"""What networks are made of: stages, a readout, and the chain of them.

A stage is one block, of a convolution, a linear layer or a residual pair, or several of them that always run at the
same number of time steps (`Stage`). All that training methods do, they do to stages: MTT gives each its own number of
time steps, Shortcut hangs a head on the ends of some, LTL gives each layer of neurons its own loss.
Tensors are [T, N, C, H, W], also where H = W = 1; a block says by `output_shape` what it makes of (C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snn.errors import ConfigError
from snn.kernels.pooling import avg_pool2d
from snn.models import ttm
from snn.models.norm import ScaleNorm

Activation = Callable[[], nn.Module]
Shape = tuple[int, int, int]
Pooling = Literal["avg", "max"]


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


def pooled(x: Tensor, k: int, kind: Pooling = "avg") -> Tensor:
    """Pooling k x k of [T, N, C, H, W]; positions that do not fill a window are dropped."""
    if k == 1:
        return x
    return over_time(lambda y: avg_pool2d(y, k) if kind == "avg" else F.max_pool2d(y, k), x)


def fire(neuron: nn.Module, norm: nn.Module, x: Tensor, plus: Tensor | None = None) -> Tensor:
    """neuron(norm(x) + plus). A normalisation that is a factor for each channel is left to neurons that take one: they
    read x anyway."""
    if isinstance(norm, ScaleNorm) and getattr(neuron, "takes_factor", False):
        if norm.training and neuron.takes_norm(x):
            return neuron(x, norm=(norm.weight, norm.power(x.flatten(0, 1)), norm.eps), plus=plus)
        return neuron(x, factor=norm.factor(x.flatten(0, 1)), plus=plus)
    x = over_time(norm, x)
    return neuron(x if plus is None else x + plus)


class ConvStage(nn.Module):
    """neurons(norm(conv(x))), then average or maximum pooling by `pool`."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.Module, activation: Activation, pool: int = 1, pooling: Pooling = "avg"
    ):
        super().__init__()
        self.conv, self.norm, self.neuron, self.pool, self.pooling = conv, norm, activation(), pool, pooling

    def forward(self, x: Tensor) -> Tensor:
        return pooled(fire(self.neuron, self.norm, over_time(self.conv, x)), self.pool, self.pooling)

    def output_shape(self, shape: Shape) -> Shape:
        _, h, w = shape
        s = self.conv.stride[0]
        return self.conv.out_channels, ((h - 1) // s + 1) // self.pool, ((w - 1) // s + 1) // self.pool


class DenseStage(nn.Module):
    """neurons(norm(linear(x))): a hidden fully connected layer; flattens in (C, H, W) order.

    [T, N, C, H, W] -> [T, N, F, 1, 1].
    """

    def __init__(self, linear: nn.Linear, norm: nn.Module, activation: Activation):
        super().__init__()
        self.linear, self.norm, self.neuron = linear, norm, activation()

    def forward(self, x: Tensor) -> Tensor:
        return fire(self.neuron, self.norm, over_time(lambda y: self.linear(y.flatten(1))[..., None, None], x))

    def output_shape(self, shape: Shape) -> Shape:
        return self.linear.out_features, 1, 1


class PointwiseConv(nn.Conv2d):
    """A 1x1 convolution with a stride.

    oneDNN (issue 6035, open in torch 2.13) computes the weights' gradient of one with fewer input channels than fill a
    vector register past the end of its workspace, where maps are channels-last: it crashes on large maps, and hangs or
    is wrong with several threads. There, the places that count are taken out first. One thread on a small map stays
    within the workspace, and is the faster way.
    """

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride[0]
        spared = self.in_channels >= 16 or (max(x.shape[2:]) <= 32 and torch.get_num_threads() == 1)
        if s == 1 or spared or x.device.type != "cpu":
            return super().forward(x)
        return F.conv2d(x[..., ::s, ::s].contiguous(memory_format=torch.channels_last), self.weight, self.bias)


class ResidualStage(nn.Module):
    """neurons(norm2(conv2(neurons(norm1(conv1(x))))) + shortcut(x)): both branches are currents into one population.

    shortcut: identity, or a strided 1x1 convolution with normalisation where shapes differ.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        norm: Callable[[int], nn.Module],
        activation: Activation,
        bias: bool = False,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)
        self.norm1, self.neuron1 = norm(outputs), activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=bias)
        self.norm2, self.neuron2 = norm(outputs), activation()
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = PointwiseConv(inputs, outputs, 1, stride, bias=bias)
            self.shortcut_norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = fire(self.neuron1, self.norm1, over_time(self.conv1, x))
        y = over_time(self.conv2, y)
        if self.shortcut is not None:
            x = over_time(lambda z: self.shortcut_norm(self.shortcut(z)), x)
        return fire(self.neuron2, self.norm2, y, x)

    def output_shape(self, shape: Shape) -> Shape:
        _, h, w = shape
        s = self.conv1.stride[0]
        return self.conv1.out_channels, (h - 1) // s + 1, (w - 1) // s + 1


class Stage(nn.Sequential):
    """Several blocks that are one stage: they run at the same number of time steps."""

    def output_shape(self, shape: Shape) -> Shape:
        for block in self:
            shape = block.output_shape(shape)
        return shape


class Readout(nn.Module):
    """Average pooling, flatten in (C, H, W) order, one linear layer, and neurons if it spikes.

    [T, N, C, H, W] -> [T, N, K]: spikes of the output neurons, or the current into them.
    """

    def __init__(self, features: int, classes: int, neuron: nn.Module | None, pool: int = 1, bias: bool = False):
        super().__init__()
        self.linear, self.neuron, self.pool = nn.Linear(features, classes, bias=bias), neuron, pool

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

    branches: numbers of the stages at whose ends Shortcut hangs a head; None: wherever the output's shape changes.

    forward(x, steps=None, collect=None):
        x: [T, N, C, H, W]; steps: time steps of each stage, set by the TTM before the stage's first operation (the
        readout runs with the last stage's); collect: a list that receives every stage's output.
        Returns [T', N, K].
    """

    def __init__(self, stages: Sequence[nn.Module], readout: Readout, branches: Sequence[int] | None = None):
        super().__init__()
        self.stages, self.readout, self.branches = nn.ModuleList(stages), readout, branches

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


def blocks(network: Network) -> Iterator[tuple[str, nn.Module]]:
    """(name, block) in order of computation, stages of several blocks taken apart."""
    for i, stage in enumerate(network.stages):
        if isinstance(stage, Stage):
            yield from ((f"stages.{i}.{j}", block) for j, block in enumerate(stage))
        else:
            yield f"stages.{i}", stage


def output_shape(stages: Sequence[nn.Module], input_shape: Shape) -> Shape:
    """(C, H, W) behind a chain of stages, from shapes alone. ConfigError if nothing is left of the field."""
    shape = Stage(*stages).output_shape(tuple(input_shape))
    if min(shape) < 1:
        raise ConfigError(
            f"inputs of {input_shape[1]}x{input_shape[2]} pixels are too small: its stages leave nothing of them"
        )
    return shape


def initialised(network: Network) -> Network:
    """The network with its weights drawn anew: normal with variance 2 / (outgoing connections of a neuron), so that
    signals of networks without normalisation keep their size through depth (average pooling still takes from it). The
    readout and all biases keep torch's distribution. As in the published code of VGGSNN and torchvision's ResNets."""
    for _, block in blocks(network):
        for layer in block.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return network


def weight_count(network: nn.Module) -> int:
    """Synaptic weights: of convolutions and linear layers, without normalisation."""
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def norms(network: nn.Module) -> list[nn.Module]:
    """The layers that keep running statistics."""
    return [m for m in network.modules() if hasattr(m, "reset_running_stats")]
