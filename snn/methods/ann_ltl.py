"""The teacher of local tandem learning as published: an ANN with BatchNorm, clipped ReLU and dropout.

The method `ann` with three additions of the authors' code [authors' code]: BatchNorm with ε = 1e-4, whose running
statistics take 0.9 of each new batch, whatever normalisation the configured network has; ReLU clipped from above at 2;
dropout of 0.2 before each linear layer. `ltl-offline` and `ltl-online` learn from it if their `teacher` is `ann-ltl`;
their students have no normalisation. The masks of the dropout are drawn from the method's own generator. In evaluation,
and so as a teacher, there is none [ours: the authors' code drops there too, which looks like an oversight].
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
from snn.models.stages import DenseStage, Network


class ClippedReLU(nn.ReLU):
    """min(max(x, 0), clip), in training with dropout: each element is 0 with probability p, others times 1/(1 - p)."""

    def __init__(self, clip: float, p: float):
        super().__init__()
        self.clip, self.p = clip, p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = x.clamp(0, self.clip)
        if not self.training or self.p == 0:
            return y
        remaining = torch.rand(x.shape, generator=self.generator).to(x.device) >= self.p
        return y * remaining / (1 - self.p)


class LTLTeacher(ANN):
    paper = "Yang, Wu, Zhang, Chua, Wang, Li, Training Spiking Neural Networks with Local Tandem Learning, NeurIPS 2022"
    indivisible = "its dropout is drawn for the whole batch at once"

    class Params(Model):
        clip: float = Field(2.0, gt=0, description="upper bound of the ReLU")
        dropout: float = Field(0.2, ge=0, lt=1, description="p, probability that an activation is dropped")

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        network = blueprint.build(partial(ClippedReLU, params.clip, params.dropout), norm="batch")
        for stage, following in zip(network.stages, [*network.stages[1:], None], strict=True):
            activations = [m for m in stage.modules() if isinstance(m, ClippedReLU)]
            before_linear = following is None or isinstance(following, DenseStage)
            for activation in activations[: -1 if before_linear else None]:
                activation.p = 0.0
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eps, norm.momentum = 1e-4, 0.9
        return network

    def prepare(self, network: Network) -> Network:
        for module in network.modules():
            if isinstance(module, ClippedReLU):
                module.generator = self.run.steps
        return network


METHOD = LTLTeacher
