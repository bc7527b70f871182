"""What the residual networks have in common: groups of blocks, and a readout behind global average pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from snn.models._params import NetworkParams
from snn.models._stages import Activation, Readout, ResidualStage, Shape, output_shape, readout_neuron


def residual_groups(
    inputs: int,
    widths: Sequence[int],
    blocks: Sequence[int],
    norm: Callable[[int], nn.Module],
    activation: Activation,
    bias: bool = False,
) -> list[list[ResidualStage]]:
    """Groups of residual blocks, so many blocks of a width each; all groups but the first begin by halving the field."""
    groups: list[list[ResidualStage]] = []
    for outputs, count in zip(widths, blocks, strict=True):
        groups.append([])
        for block in range(count):
            stride = 2 if len(groups) > 1 and block == 0 else 1
            groups[-1].append(ResidualStage(inputs, outputs, stride, norm, activation, bias))
            inputs = outputs
    return groups


def global_readout(
    stages: Sequence[nn.Module],
    input_shape: Shape,
    classes: int,
    params: NetworkParams,
    activation: Activation,
    bias: bool = False,
) -> Readout:
    """Pooling over the whole field behind `stages` (over its largest squares, if it is not square), then the readout."""
    channels, h, w = output_shape(stages, input_shape)
    pool = min(h, w)
    features = channels * (h // pool) * (w // pool)
    return Readout(features, classes, readout_neuron(params.readout, activation), pool, bias)
