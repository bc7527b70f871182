"""The residual networks of the literature in their form for small images, and for event data of that size.

Every stem consists of 3x3 convolutions with stride 1, without the maximum pooling of the ImageNet form. Each group of
blocks but the first halves the field; global average pooling and one linear layer follow. Blocks are `ResidualStage`s:
two 3x3 convolutions, and a 1x1 convolution with normalisation in the shortcut where the shape changes.

| name        | stem                             | groups (blocks x channels)         | stages |
| ----------- | -------------------------------- | ---------------------------------- | ------ |
| resnet18    | 64                               | 2x64, 2x128, 2x256, 2x512          | 8      |
| resnet34    | 64                               | 3x64, 4x128, 6x256, 3x512          | 16     |
| resnet19    | 128                              | 3x128, 3x256, 2x512                | 8      |
| resnet20mod | 64, 64, 64, average pooling by 2 | as resnet18                        | 8      |

A stage is one block; the stem belongs to the first stage, so in MTT it runs at t_1 [MTT's code; 34 and 20mod: ours].
`resnet20mod` is what the papers of Guo, Li and others call a modified ResNet-18, or ResNet-20 [code]. Shortcut's heads
are at the ends of layer1 to layer3; in resnet19 and resnet20mod, of layer1 and layer2 [ours]. The ResNet-19 of Zheng et
al. has two linear layers, 512-256-K; MTT's and ours has one.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from torch import nn

from snn.models.normalisation import Normalisation
from snn.models.params import LargeParams as Params
from snn.models.residual import global_readout, residual_blocks
from snn.models.stages import Activation, ConvStage, Network, Shape, Stage, initialised


class Layout(NamedTuple):
    """Channels of the stem's convolutions; channels and number of blocks of each group; number of Shortcut's heads."""

    stem: list[int]
    widths: list[int]
    blocks: list[int]
    heads: int
    stem_pool: int = 1


LAYOUTS = {
    "resnet18": Layout([64], [64, 128, 256, 512], [2, 2, 2, 2], heads=3),
    "resnet34": Layout([64], [64, 128, 256, 512], [3, 4, 6, 3], heads=3),
    "resnet19": Layout([128], [128, 256, 512], [3, 3, 2], heads=2),
    "resnet20mod": Layout([64, 64, 64], [64, 128, 256, 512], [2, 2, 2, 2], heads=2, stem_pool=2),
}


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Normalisation
) -> Network:
    layout, channels, stem = LAYOUTS[name], input_shape[0], []
    for i, outputs in enumerate(map(params.channels, layout.stem), 1):
        conv = nn.Conv2d(channels, outputs, 3, 1, 1, bias=params.layer_bias)
        stem.append(ConvStage(conv, norm(outputs), activation, layout.stem_pool if i == len(layout.stem) else 1))
        channels = outputs
    widths = [params.channels(c) for c in layout.widths]
    first, *others = residual_blocks(channels, widths, layout.blocks, norm, activation, params.layer_bias)
    stages = [Stage(*stem, first), *others]
    readout = global_readout(stages, input_shape, classes, params, activation, params.bias)
    ends = [n - 1 for n in accumulate(layout.blocks)]
    return initialised(Network(stages, readout, branches=ends[: layout.heads]))
