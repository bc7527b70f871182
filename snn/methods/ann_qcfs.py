"""The ANN of QCFS conversion: quantisation-clip-floor-shift activations (Bu et al.; ICLR 2022).

The method `ann` with a step function of L levels and a trained upper bound λ_l, one for each layer, in place of ReLU:

    h(c) = λ_l · clip( ⌊c·L/λ_l + ½⌋ / L, 0, 1 )

In backward ⌊·⌋ has the derivative 1 and clip its own: ∂h/∂c = 1 inside the range and 0 outside, ∂h/∂λ = h/λ - c/λ
inside, 1 above and 0 below. h is what an integrate-and-fire neuron that starts at half its threshold gives for a
constant current in T = L steps, so that little is lost when `qcfs` takes over the weights. L = 4, λ_l = 8 initially
[authors' code]; the bounds are weights of the optimiser, weight decay included [authors' code].
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from snn.config.blocks import Model
from snn.methods.ann import ANN
from snn.models.blueprint import Blueprint
from snn.models.stages import Network


class QuantisedReLU(nn.ReLU):
    """h(c) of the file's equation; `bound`: λ, of the unit of c."""

    def __init__(self, levels: int, bound: float):
        super().__init__()
        self.levels = levels
        self.bound = nn.Parameter(torch.tensor(bound))

    def forward(self, c: Tensor) -> Tensor:
        z = c * self.levels / self.bound + 0.5
        z = z + (z.floor() - z).detach()
        return self.bound * (z / self.levels).clamp(0, 1)


class QCFSTeacher(ANN):
    paper = "Bu et al., Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency SNNs, ICLR 2022"

    class Params(Model):
        levels: int = Field(4, ge=1, description="L, levels of the activation above 0")
        bound: float = Field(8.0, gt=0, description="initial λ, the largest activation")

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        return blueprint.build(partial(QuantisedReLU, params.levels, params.bound))


METHOD = QCFSTeacher
