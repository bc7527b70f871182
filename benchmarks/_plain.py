"""The suite's networks as SpikingJelly's tutorials write them: its layers and neurons in step mode "m", nothing else.

Parameters come in the order of `snn.models`, so that weights can be carried over one by one.
"""

from __future__ import annotations

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from snn.models.convnet import LAYOUTS
from snn.models.resnet import BLOCKS


def plain(name: str, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    if name in LAYOUTS:
        return _Plain(_convnet(name, input_shape, classes))
    return _Plain(_resnet(name, input_shape, classes))


def _neurons() -> nn.Module:
    return neuron.IFNode(v_reset=None, surrogate_function=surrogate.ATan(), step_mode="m")


def _conv(inputs: int, outputs: int, k: int = 3, stride: int = 1) -> nn.Module:
    return layer.Conv2d(inputs, outputs, k, stride, k // 2, bias=False, step_mode="m")


class _Plain(nn.Module):
    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        return self.layers(x)


def _convnet(name: str, input_shape: tuple[int, int, int], classes: int) -> list[nn.Module]:
    (channels, height, width), layers = input_shape, []
    for outputs, stride, pool in LAYOUTS[name]:
        layers += [_conv(channels, outputs, 3, stride), _neurons()]
        if pool > 1:
            layers.append(layer.AvgPool2d(pool, step_mode="m"))
        height, width = (((n - 1) // stride + 1) // pool for n in (height, width))
        channels = outputs
    linear = layer.Linear(channels * height * width, classes, bias=False, step_mode="m")
    return [*layers, nn.Flatten(2), linear, _neurons()]


def _resnet(name: str, input_shape: tuple[int, int, int], classes: int) -> list[nn.Module]:
    widths = (8, 16, 32)
    layers = [_conv(input_shape[0], widths[0], 3, 2), _norm(widths[0]), _neurons()]
    size, channels = (min(input_shape[1:]) - 1) // 2 + 1, widths[0]
    for group, outputs in enumerate(widths):
        for block in range(BLOCKS[name]):
            stride = 2 if group > 0 and block == 0 else 1
            layers.append(_Block(channels, outputs, stride))
            size, channels = (size - 1) // stride + 1, outputs
    linear = layer.Linear(channels, classes, bias=False, step_mode="m")
    return [*layers, layer.AvgPool2d(size, step_mode="m"), nn.Flatten(2), linear, _neurons()]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.norm1, self.neuron1 = _conv(inputs, outputs, 3, stride), _norm(outputs), _neurons()
        self.conv2, self.norm2, self.neuron2 = _conv(outputs, outputs), _norm(outputs), _neurons()
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.neuron1(self.norm1(self.conv1(x)))))
        return self.neuron2(y + self.shortcut(x))


class _Power(nn.Module):
    """The suite's ScaleNorm in torch's own operators: SpikingJelly has no normalisation without a shift."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 0.5))
        self.register_buffer("running_power", torch.ones(channels))
        self.register_buffer("batches", torch.zeros(()))  # a Python number: torch.compile anew each step

    def forward(self, x: Tensor) -> Tensor:
        power = x.square().mean((0, 2, 3)) if self.training else self.running_power
        if self.training:
            self.batches += 1
            self.running_power.lerp_(power.detach(), (1 / self.batches).clamp(min=0.1))
        return x * (self.weight * torch.rsqrt(power + 1e-5)).view(1, -1, 1, 1)


def _norm(channels: int) -> nn.Module:
    return layer.SeqToANNContainer(_Power(channels))
