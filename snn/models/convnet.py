"""Plain convolutional networks.

3C1FC: the N-MNIST reference network of the MTT paper (arXiv 2503.17394), exactly:
conv(2→8, 3x3, pad 1) IAF avgpool2 · conv(8→16, 3x3, pad 1) IAF avgpool2 · conv(16→16, 3x3, pad 1, stride 2) IAF ·
flatten · FC(256→10) IAF; no bias, no normalisation; 144 + 1152 + 2304 + 2560 = 6160 weights for 34x34 inputs.
"""

from __future__ import annotations

from math import prod

from torch import nn

from snn.models.normalisation import Normalisation
from snn.models.params import NetworkParams as Params
from snn.models.stages import Activation, ConvStage, Network, Readout, Shape, output_shape, readout_neuron

# (channels out, stride, pooling after the neurons)
LAYOUTS = {"3c1fc": [(8, 1, 2), (16, 1, 2), (16, 2, 1)]}


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Normalisation
) -> Network:
    channels, stages = input_shape[0], []
    for outputs, stride, pool in LAYOUTS[name]:
        conv = nn.Conv2d(channels, outputs, 3, stride, 1, bias=False)
        stages.append(ConvStage(conv, norm(outputs), activation, pool))
        channels = outputs
    neuron = readout_neuron(params.readout, activation)
    return Network(stages, Readout(prod(output_shape(stages, input_shape)), classes, neuron))
