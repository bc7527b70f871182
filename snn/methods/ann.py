"""ANN: the same network with ReLU in place of spiking neurons, trained on the frames of a recording summed over time.

A control, which shows what the architecture reaches without spikes and time, and the teacher of other methods.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from snn.methods.sdt import SDT
from snn.models.blueprint import Blueprint
from snn.models.stages import Network


class ANN(SDT):
    paper = ""
    timeless = True

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        return blueprint.build(nn.ReLU)


METHOD = ANN
