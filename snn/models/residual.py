"""What the residual networks have in common: groups of blocks, and a readout behind global average pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from snn.models.params import NetworkParams
from snn.models.stages import Activation, Readout, ResidualStage, Shape, output_shape, readout_neuron


def residual_blocks(
    inputs: int,
    widths: Sequence[int],
    counts: Sequence[int],
    norm: Callable[[int], nn.Module],
    activation: Activation,
    bias: bool = False,
) -> list[ResidualStage]:
    """Residual blocks in groups, `counts` of them at each of the `widths`; every group but the first begins by halving
    the field."""
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
    """Pooling over the whole field behind `stages` (largest squares, if it is not square), then the readout."""
    channels, h, w = output_shape(stages, input_shape)
    pool = min(h, w)
    features = channels * (h // pool) * (w // pool)
    return Readout(features, classes, readout_neuron(params.readout, activation), pool, bias)
