"""Small residual networks for event data, deep enough for vanishing gradients and merging branches to show.

Stem: conv 3x3 with stride 2; then three groups of residual blocks at 8, 16 and 32 channels, the second and
third group halving the field; average pooling over what is left; one linear layer. No bias; normalisation without
shift (ScaleNorm), so that every network here can be deployed on event-driven hardware. The layer count in the name
counts stem, the two convolutions of each block and the readout: resnet8, resnet14, resnet20-tiny [ours].
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import nn

from snn.config import Model
from snn.models._stages import Activation, ConvStage, Network, Readout, ResidualStage, make_norm, readout_neuron

BLOCKS = {"resnet8": 1, "resnet14": 2, "resnet20-tiny": 3}


class Params(Model):
    widths: tuple[int, int, int] = (8, 16, 32)
    norm: Literal["none", "scale", "batch"] = "scale"
    gain: float = Field(0.5, gt=0, description="initial factor of the normalisation")
    readout: Literal["spiking", "membrane"] = "membrane"


def build(
    name: str, params: Params, input_shape: tuple[int, int, int], classes: int, activation: Activation
) -> Network:
    def norm(channels: int) -> nn.Module:
        return make_norm(params.norm, channels, params.gain)

    inputs, height, width = input_shape
    stem = nn.Conv2d(inputs, params.widths[0], 3, 2, 1, bias=False)
    stages: list[nn.Module] = [ConvStage(stem, norm(params.widths[0]), activation)]
    size, channels = (min(height, width) - 1) // 2 + 1, params.widths[0]
    for group, outputs in enumerate(params.widths):
        for block in range(BLOCKS[name]):
            stride = 2 if group > 0 and block == 0 else 1
            stages.append(ResidualStage(channels, outputs, stride, norm, activation))
            size, channels = (size - 1) // stride + 1, outputs
    neuron = readout_neuron(params.readout, activation)
    return Network(stages, Readout(channels, classes, neuron, pool=size))
