"""What networks are made of: stages, a readout, and the chain of them.

A stage is one block (a convolution, a linear layer or a residual pair, with neurons), or several blocks that always run
at the same number of time steps (`Stage`). Training methods act on stages: MTT gives each its own number of time steps,
Shortcut adds a head at the ends of some, LTL gives each layer of neurons its own loss.
Tensors are `[T, N, C, H, W]`, also where H = W = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snn.errors import ConfigError
from snn.kernels.pooling import avg_pool2d
from snn.models import ttm
from snn.models.norm import ScaleNorm
from snn.models.tebn import TemporalNorm

if TYPE_CHECKING:
    from snn.models.normalisation import Normalisation
    from snn.neurons import Neuron  # at run time it would load SpikingJelly, which takes seconds; planning does without

Activation = Callable[[], nn.Module]
Shape = tuple[int, int, int]
Pooling = Literal["avg", "max"]


def over_time(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a layer without state to all time steps at once, as one batch: `[T, N, ...]` -> `[T, N, ...]`."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """norm(x) for x `[T, N, C, H, W]`, of the same shape."""
    return norm(x) if isinstance(norm, TemporalNorm) else over_time(norm, x)


def channels_last(x: Tensor) -> Tensor:
    """The same `[T, N, C, H, W]` with the channels of a position side by side in memory: the layout in which small
    convolutions, our pooling and the neurons are fastest. Tensors of other dimensions are returned as they are."""
    if x.ndim != 5:
        return x
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])


def pooled(x: Tensor, k: int, kind: Pooling = "avg") -> Tensor:
    """Average or maximum over windows of k x k: `[T, N, C, H, W]` -> `[T, N, C, ⌊H/k⌋, ⌊W/k⌋]`; incomplete windows are
    dropped."""
    if k == 1:
        return x
    return over_time(lambda y: avg_pool2d(y, k) if kind == "avg" else F.max_pool2d(y, k), x)


def fire(neuron: nn.Module, norm: nn.Module, x: Tensor, residual_current: Tensor | None = None) -> Tensor:
    """neuron(norm(x) + residual_current), `[T, N, C, H, W]` -> the same shape.

    Where the normalisation is a factor for each channel and the neurons accept one, they multiply and add in the pass
    in which they read x, so that neither the normalised map nor the sum is written to memory.
    """
    accepts_factor = getattr(neuron, "accepts_factor", False)  # ReLU does not
    if isinstance(norm, ScaleNorm) and not isinstance(norm, TemporalNorm) and accepts_factor:
        if norm.training and norm.fuses and cast("Neuron", neuron).accepts_norm(x):
            return neuron(x, norm=norm.of_batch(x.flatten(0, 1)), residual_current=residual_current)
        return neuron(x, factor=norm.factor(x.flatten(0, 1)), residual_current=residual_current)
    x = normalised(norm, x)
    return neuron(x if residual_current is None else x + residual_current)


class Block(nn.Module):
    """A part of a stage that ends in neurons."""

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) of the output for inputs of this (C, H, W)."""
        raise NotImplementedError


class ConvStage(Block):
    """neurons(norm(conv(x))), then average or maximum pooling by `pool`."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.Module, activation: Activation, pool: int = 1, pooling: Pooling = "avg"
    ):
        super().__init__()
        self.conv, self.norm, self.neuron, self.pool, self.pooling = conv, norm, activation(), pool, pooling

    def forward(self, x: Tensor) -> Tensor:
        return pooled(fire(self.neuron, self.norm, over_time(self.conv, x)), self.pool, self.pooling)

    def output_shape(self, shape: Shape) -> Shape:
        conv, pads = self.conv, self.conv.padding
        assert not isinstance(pads, str), "all stages are built with numbers"
        sizes = zip(shape[1:], conv.kernel_size, conv.stride, pads, strict=True)
        h, w = (((size + 2 * pad - k) // s + 1) // self.pool for size, k, s, pad in sizes)
        return conv.out_channels, h, w


class DenseStage(Block):
    """neurons(norm(linear(x))): a hidden fully connected layer; the input is flattened in (C, H, W) order.

    `[T, N, C, H, W]` -> `[T, N, F, 1, 1]`.
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

    Works around a fault of oneDNN (issue 6035, open in torch 2.13): on channels-last maps, for fewer input channels
    than fill a vector register, it computes the weights' gradient beyond the end of its workspace. It crashes on large
    maps, and hangs or is wrong with several threads. So the positions that the stride selects are copied out first.
    One thread on a small map stays within the workspace and is faster without the copy.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        s = self.stride[0]
        unaffected = self.in_channels >= 16 or (max(x.shape[2:]) <= 32 and torch.get_num_threads() == 1)
        if s == 1 or unaffected or x.device.type != "cpu":
            return nn.Conv2d._conv_forward(self, x, weight, bias)  # `self` may be a perturbed layer (perturb.py)
        return F.conv2d(x[..., ::s, ::s].contiguous(memory_format=torch.channels_last), weight, bias)


class ResidualStage(Block):
    """neurons(norm2(conv2(neurons(norm1(conv1(x))))) + shortcut(x)): both branches are currents into one population.

    shortcut: the identity, or a strided 1x1 convolution with normalisation where shapes differ.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        norm: Normalisation,
        activation: Activation,
        bias: bool = False,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)
        self.norm1, self.neuron1 = norm(outputs), activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=bias)
        self.norm2, self.neuron2 = norm(outputs, branches=2), activation()
        self.shortcut: PointwiseConv | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = PointwiseConv(inputs, outputs, 1, stride, bias=bias)
            self.shortcut_norm = norm(outputs, branches=2)

    def forward(self, x: Tensor) -> Tensor:
        y = fire(self.neuron1, self.norm1, over_time(self.conv1, x))
        y = over_time(self.conv2, y)
        if self.shortcut is not None:
            x = normalised(self.shortcut_norm, over_time(self.shortcut, x))
        return fire(self.neuron2, self.norm2, y, x)

    def output_shape(self, shape: Shape) -> Shape:
        _, h, w = shape
        s = self.conv1.stride[0]
        return self.conv1.out_channels, (h - 1) // s + 1, (w - 1) // s + 1


class Stage(nn.Sequential):
    """Several blocks that are one stage: they run at the same number of time steps."""

    def __init__(self, *blocks: Block):
        super().__init__(*blocks)

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) of the output for inputs of this (C, H, W)."""
        for block in self:
            shape = _output_shape(block, shape)
        return shape


class Readout(nn.Module):
    """Average pooling by `pool`, flattening in (C, H, W) order, one linear layer, and neurons if it is to spike.

    `[T, N, C, H, W]` -> `[T, N, K]`: spikes of the K output neurons, or without neurons the currents into them.
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
    """The readout's neurons; kind: `spiking` or `membrane` (none).

    A ReLU network has none either: logits clipped at zero would give no gradient to a class that is not predicted.
    """
    neuron = activation() if kind == "spiking" else None
    return None if isinstance(neuron, nn.ReLU) else neuron


class Network(nn.Module):
    """A chain of stages and a readout. It owns the neurons' state: every call starts with all neurons at rest.

    branches: indices of the stages at whose ends Shortcut adds a head; None: wherever the output's shape changes.
    refusal: why networks of this class can neither be deployed event-driven nor be perturbed; empty if they can.
    untrainable: why no method can train networks of this class; empty if methods can.
    """

    refusal: ClassVar[str] = ""
    untrainable: ClassVar[str] = ""

    def __init__(self, stages: Sequence[nn.Module], readout: Readout, branches: Sequence[int] | None = None):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.readout, self.branches = readout, branches

    def forward(
        self,
        x: Tensor,
        steps: Sequence[int] | None = None,
        collect: list[Tensor] | None = None,
        transform: Callable[[Tensor, int], Tensor] = ttm.transform,
        fresh: bool = True,
    ) -> Tensor:
        """`[T, N, C, H, W]` -> `[T', N, K]`, spikes or currents of the K classes.

        steps: number of time steps of each stage, to which the TTM brings the input of the stage; the readout runs
        with the last stage's. None: T everywhere. collect: a list to which every stage's output is appended.
        transform: another TTM between stages, (x, number of time steps) -> x; frames are summed to the first stage's.
        fresh: start with all neurons at rest; if not, where the call before left them.
        """
        from spikingjelly.activation_based import functional  # takes seconds to import; planning does without

        if fresh:
            functional.reset_net(self)
        for i, stage in enumerate(self.stages):
            if steps is not None:
                x = (transform if i else ttm.transform)(x, steps[i])
            x = stage(channels_last(x))
            if collect is not None:
                collect.append(x)
        return self.readout(x)


def blocks(network: Network) -> Iterator[tuple[str, nn.Module]]:
    """(name, block) in order of computation; a stage of several blocks gives each of them."""
    for i, stage in enumerate(network.stages):
        if isinstance(stage, Stage):
            yield from ((f"stages.{i}.{j}", block) for j, block in enumerate(stage))
        else:
            yield f"stages.{i}", stage


def output_shape(stages: Sequence[nn.Module], input_shape: Shape) -> Shape:
    """(C, H, W) of the output of a chain of blocks and stages. ConfigError if no positions are left."""
    shape = input_shape
    for stage in stages:
        shape = _output_shape(stage, shape)
    if min(shape) < 1:
        raise ConfigError(
            f"inputs of {input_shape[1]}x{input_shape[2]} pixels are too small: its stages leave nothing of them"
        )
    return shape


def _output_shape(stage: nn.Module, shape: Shape) -> Shape:
    if not isinstance(stage, Block | Stage):
        raise TypeError(f"{type(stage).__name__} is neither a Block nor a Stage")
    return stage.output_shape(shape)


def initialised(network: Network) -> Network:
    """The network with its weights drawn anew, in place: normal with variance 2 / (outgoing connections of a neuron).

    Without normalisation, signals then keep their size through depth, except for what average pooling takes away. The
    readout and all biases keep torch's distribution. As in the published code of VGGSNN and torchvision's ResNets.
    """
    for _, block in blocks(network):
        for layer in block.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return network


def weight_count(network: nn.Module) -> int:
    """The number of synaptic weights: those of convolutions and linear layers, without normalisation and biases."""
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))


def norms(network: nn.Module) -> list[nn.Module]:
    """The layers with running statistics, i.e. the normalisations."""
    return [m for m in network.modules() if hasattr(m, "reset_running_stats")]
