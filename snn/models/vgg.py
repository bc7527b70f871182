"""VGG networks: groups of 3x3 convolutions, each group halving the field at its end, then linear layers.

| name   | groups of convolutions                                       | hidden   | halving | stages         | source |
| ------ | ------------------------------------------------------------ | -------- | ------- | -------------- | ------ |
| vgg11  | 64 128, 256 256, 512 512, 512 512                            | 512, 512 | stride  | one a layer    | LTL    |
| vgg16  | 64 64 128 128, 256 256 256, 512 512 512, 512 512 512         | 512, 512 | stride  | one a layer    | LTL    |
| vgg14  | 64 64, 128 128, 256 256 256, 512 512 512, 512 512 512        | none     | average | one a layer: 13 | MTT   |
| vggsnn | 64 128, 256 256, 512 512, 512 512                            | none     | average | one a group: 4 | TET    |

LTL's networks have strides in place of pooling: the last convolution of a group has stride 2, so that 32x32 inputs
leave 512 x 2 x 2 = 2048 values for the linear layers 2048-512-512-K [code; the groups of vgg16 are ours, its
convolutions and 2048 inputs are the published ones]. In vgg14 and vggsnn average pooling follows the neurons [code;
vgg14: ours]. MTT's stages begin before the first convolution of each group of vggsnn, and before each convolution of
vgg14 [code]; hidden linear layers are stages of their own [ours]. Shortcut's heads are at the ends of all groups but
the last [ours].

`vggsnn` without biases has the published 9,237,632 weights at 32x32, to which the event-driven form of MTT's code pools
the sensor's 128x128 pixels. At the 48x48 of the clock-driven form it has 9,263,232.
"""

from __future__ import annotations

from math import prod
from typing import Literal, NamedTuple

from pydantic import Field
from torch import nn

from snn.models.normalisation import Normalisation
from snn.models.params import LargeParams
from snn.models.stages import (
    Activation,
    ConvStage,
    DenseStage,
    Network,
    Readout,
    Shape,
    Stage,
    initialised,
    output_shape,
    readout_neuron,
)

Halving = Literal["avg", "max", "stride"]


class Layout(NamedTuple):
    """Channels of the convolutions by group, widths of the hidden linear layers, and how a group halves the field."""

    groups: list[list[int]]
    hidden: list[int]
    pooling: Halving
    stage_a_group: bool = False


LAYOUTS = {
    "vgg11": Layout([[64, 128], [256] * 2, [512] * 2, [512] * 2], [512, 512], "stride"),
    "vgg16": Layout([[64, 64, 128, 128], [256] * 3, [512] * 3, [512] * 3], [512, 512], "stride"),
    "vgg14": Layout([[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3], [], "avg"),
    "vggsnn": Layout([[64, 128], [256] * 2, [512] * 2, [512] * 2], [], "avg", stage_a_group=True),
}


class Params(LargeParams):
    pooling: Halving | None = Field(
        None, description="how a group halves the field: pooling after it, or a stride; null: as published"
    )


def build(
    name: str, params: Params, input_shape: Shape, classes: int, activation: Activation, norm: Normalisation
) -> Network:
    layout, channels = LAYOUTS[name], input_shape[0]
    how = params.pooling or layout.pooling
    stages: list[nn.Module] = []
    ends = []
    for group in layout.groups:
        blocks = []
        for i, outputs in enumerate(map(params.channels, group), 1):
            halves = 2 if i == len(group) else 1
            stride, pool = (halves, 1) if how == "stride" else (1, halves)
            conv = nn.Conv2d(channels, outputs, 3, stride, 1, bias=params.layer_bias)
            blocks.append(ConvStage(conv, norm(outputs), activation, pool, "max" if how == "max" else "avg"))
            channels = outputs
        stages += [Stage(*blocks)] if layout.stage_a_group else blocks
        ends.append(len(stages) - 1)
    features = prod(output_shape(stages, input_shape))
    for outputs in map(params.channels, layout.hidden):
        stages.append(DenseStage(nn.Linear(features, outputs, params.layer_bias), norm(outputs), activation))
        features = outputs
    readout = Readout(features, classes, readout_neuron(params.readout, activation), bias=params.bias)
    return initialised(Network(stages, readout, branches=ends[:-1]))
