"""Which normalisation a network has, by the kinds of its parameter `norm`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from snn.errors import ConfigError
from snn.models.norm import ScaleNorm
from snn.models.params import Norm
from snn.models.stages import Activation
from snn.models.tebn import TemporalBatchNorm2d, TemporalScaleNorm


@dataclass(frozen=True)
class Normalisation:
    """Makes the normalisation layers of one network.

    | kind    | layer                                                  | initial gain γ | source |
    | ------- | ------------------------------------------------------ | -------------- | ------ |
    | none    | the identity                                           |                |        |
    | batch   | BatchNorm2d over all time steps                        | gain           |        |
    | tdbn    | the same: threshold-dependent batch normalisation      | gain · θ / √n  | Zheng et al., AAAI 2021 |
    | tebn    | BatchNorm2d with a gain at each time step (`tebn.py`)  | gain           | Duan et al., NeurIPS 2022 |
    | scale   | ScaleNorm (`norm.py`)                                  | gain           | [ours] |
    | tescale | ScaleNorm with a gain at each time step                | gain           | [ours] |

    θ: threshold of the neurons that `activation` makes (1 for ReLU); n: number of branches that are added up behind the
    layer, 2 at the end of a residual block, as in the common implementations of tdBN; steps: T of the training. At
    T = 1 the gain of the one time step is redundant and left out, so that networks without time steps have none.
    """

    kind: Norm
    gain: float
    activation: Activation
    steps: int | None = None

    def __call__(self, channels: int, branches: int = 1) -> nn.Module:
        """A layer for `[N, C, H, W]` maps; with a gain at each time step, for `[T, N, C, H, W]`.

        ConfigError if there is to be a gain at each time step, and the number of time steps is not known.
        """
        if self.kind == "none":
            return nn.Identity()
        gain = self.gain
        if self.kind == "tdbn":
            neuron = getattr(self.activation(), "spec", None)
            gain *= (1.0 if neuron is None else neuron.threshold) / math.sqrt(branches)
        steps = self._steps() if self.kind in ("tebn", "tescale") else 1
        if self.kind in ("scale", "tescale"):
            return ScaleNorm(channels, gain) if steps == 1 else TemporalScaleNorm(channels, steps, gain)
        norm = nn.BatchNorm2d(channels) if steps == 1 else TemporalBatchNorm2d(channels, steps)
        nn.init.constant_(norm.weight, gain)
        return norm

    def _steps(self) -> int:
        if self.steps is None:
            raise ConfigError(f"norm: {self.kind} has a gain for each time step; build the network with `steps`")
        return self.steps
