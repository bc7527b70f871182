"""What the residual networks have in common: groups of blocks, and a readout after global average pooling."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from snn.models.normalisation import Normalisation
from snn.models.params import NetworkParams
from snn.models.stages import Activation, Readout, ResidualStage, Shape, output_shape, readout_neuron


def residual_blocks(
    inputs: int,
    widths: Sequence[int],
    counts: Sequence[int],
    norm: Normalisation,
    activation: Activation,
    bias: bool = False,
) -> list[ResidualStage]:
    """Groups of residual blocks: `counts[i]` blocks of `widths[i]` channels. The first block of every group but the
    first halves the field. inputs: channels before the first block."""
    stages = []
    for group, (outputs, count) in enumerate(zip(widths, counts, strict=True)):
        for block in range(count):
            stride = 2 if group > 0 and block == 0 else 1
            stages.append(ResidualStage(inputs, outputs, stride, norm, activation, bias))
            inputs = outputs
    return stages


def global_readout(
    stages: Sequence[nn.Module],
    input_shape: Shape,
    classes: int,
    params: NetworkParams,
    activation: Activation,
    bias: bool = False,
) -> Readout:
    """A readout after average pooling over the whole field that `stages` leave (the largest squares of it, if the field
    is not square)."""
    channels, h, w = output_shape(stages, input_shape)
    pool = min(h, w)
    features = channels * (h // pool) * (w // pool)
    return Readout(features, classes, readout_neuron(params.readout, activation), pool, bias)
