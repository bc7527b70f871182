"""Small residual networks for event data, deep enough for vanishing gradients and merging branches to show.

Stem: conv 3x3 with stride 2; then three groups of residual blocks at 8, 16 and 32 channels, the second and
third group halving the field; average pooling over what is left; one linear layer. No bias; normalisation without
shift (ScaleNorm), so that every network here can be deployed on event-driven hardware. The layer count in the name
counts stem, the two convolutions of each block and the readout: resnet8, resnet14, resnet20-tiny [ours].
"""

from __future__ import annotations

from pydantic import Field
from torch import nn

from snn.models.params import Decision, NetworkParams, Norm
from snn.models.residual import global_readout, residual_blocks
from snn.models.stages import Activation, ConvStage, Network, make_norm

BLOCKS = {"resnet8": 1, "resnet14": 2, "resnet20-tiny": 3}


class Params(NetworkParams):
    widths: tuple[int, int, int] = Field((8, 16, 32), description="channels of the three groups")
    norm: Norm = "scale"
    gain: float = Field(0.5, gt=0, description="initial factor of the normalisation")
    readout: Decision = "membrane"


def build(
    name: str, params: Params, input_shape: tuple[int, int, int], classes: int, activation: Activation
) -> Network:
    def norm(channels: int) -> nn.Module:
        return make_norm(params.norm, channels, params.gain)

    first = params.widths[0]
    stem = ConvStage(nn.Conv2d(input_shape[0], first, 3, 2, 1, bias=False), norm(first), activation)
    stages = [stem, *residual_blocks(first, params.widths, [BLOCKS[name]] * 3, norm, activation)]
    return Network(stages, global_readout(stages, input_shape, classes, params, activation))
