"""Plain convolutional networks.

3C1FC: the N-MNIST reference network of the MTT paper (arXiv 2503.17394), exactly:
conv(2→8, 3x3, pad 1) IAF avgpool2 · conv(8→16, 3x3, pad 1) IAF avgpool2 · conv(16→16, 3x3, pad 1, stride 2) IAF ·
flatten · FC(256→10) IAF; no bias, no normalisation; 144 + 1152 + 2304 + 2560 = 6160 weights for 34x34 inputs.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from snn.config import Model
from snn.models._stages import Activation, ConvStage, Network, Readout, make_norm, readout_neuron

# (channels out, stride, pooling after the neurons)
LAYOUTS = {"3c1fc": [(8, 1, 2), (16, 1, 2), (16, 2, 1)]}


class Params(Model):
    norm: Literal["none", "scale", "batch"] = "none"
    gain: float = Field(1.0, gt=0, description="initial factor of the normalisation")
    readout: Literal["spiking", "membrane"] = "spiking"


def build(
    name: str, params: Params, input_shape: tuple[int, int, int], classes: int, activation: Activation
) -> Network:
    channels, stages = input_shape[0], []
    for outputs, stride, pool in LAYOUTS[name]:
        conv = nn.Conv2d(channels, outputs, 3, stride, 1, bias=False)
        stages.append(ConvStage(conv, make_norm(params.norm, outputs, params.gain), activation, pool))
        channels = outputs
    neuron = readout_neuron(params.readout, activation)
    return Network(stages, Readout(_features(stages, input_shape), classes, neuron))


def _features(stages: list[nn.Module], input_shape: tuple[int, int, int]) -> int:
    """Size of the last stage's output, from shapes alone."""
    _, h, w = input_shape
    for stage in stages:
        s = stage.conv.stride[0]
        h, w = ((h - 1) // s + 1) // stage.pool, ((w - 1) // s + 1) // stage.pool
    return int(torch.tensor([stages[-1].conv.out_channels, h, w]).prod())
