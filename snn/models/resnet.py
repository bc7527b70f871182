"""Small residual networks for event data, deep enough to show vanishing gradients and merging branches.

Stem: a 3x3 convolution with stride 2. Then three groups of residual blocks with 8, 16 and 32 channels, of which the
second and third halve the field; average pooling over the remaining field; one linear layer. There are no biases, and
the normalisation has no shift (ScaleNorm), so that the networks can be deployed on event-driven hardware. The number in
the name counts the stem, the two convolutions of each block, and the readout: resnet8, resnet14, resnet20-tiny [ours].
"""

from __future__ import annotations

from pydantic import Field
from torch import nn

from snn.models.normalisation import Normalisation
from snn.models.params import Decision, NetworkParams, Norm
from snn.models.residual import global_readout, residual_blocks
from snn.models.stages import Activation, ConvStage, Network, Shape

BLOCKS = {"resnet8": 1, "resnet14": 2, "resnet20-tiny": 3}


class Params(NetworkParams):
    widths: tuple[int, int, int] = Field((8, 16, 32), description="channels of the three groups")
    norm: Norm = "scale"
    gain: float = Field(0.5, gt=0, description="initial factor of the normalisation")
    readout: Decision = "membrane"


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Normalisation
) -> Network:
    first = params.widths[0]
    stem = ConvStage(nn.Conv2d(input_shape[0], first, 3, 2, 1, bias=False), norm(first), activation)
    stages = [stem, *residual_blocks(first, params.widths, [BLOCKS[name]] * 3, norm, activation)]
    return Network(stages, global_readout(stages, input_shape, classes, params, activation))
