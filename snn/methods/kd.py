"""KD: a trained ANN's softened logits teach the spiking network (Hinton, Vinyals, Dean; arXiv 1503.02531).

The logit part of KDSNN (Xu et al.; CVPR 2023), which distils an ANN into an SNN:

    L = (1-α) CE(z, y) + α τ² KL(p_a ‖ p),      p = softmax(z/τ),      p_a = softmax(z_a/τ)

z: logits `[N, K]`, decoded over time by the recipe; z_a: those of the teacher, the cell `ann` of the same layout, data
set and seed, without gradient; it sees the sum of all frames, or an image once. τ² keeps the size of the gradient the
same at all τ. α = 0.5 and τ = 4 [ours]. The feature part of KDSNN and BKDSNN's blurred features are not part of it.

Time steps: T, and one forward pass of the teacher at `FORWARD`; the teacher's training is a cell of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from snn.config.blocks import Model
from snn.methods.shared.distillation import divergence
from snn.models.stages import Network
from snn.training.method import FORWARD, Method, StepResult


class KD(Method[Network]):
    paper = "Xu et al., Constructing Deep SNNs from ANNs with Knowledge Distillation (KDSNN), CVPR 2023"

    class Params(Model):
        alpha: float = Field(0.5, ge=0, le=1, description="α, weight of the teacher beside the labels")
        temperature: float = Field(4.0, gt=0, description="τ, softens both distributions")

    @classmethod
    def teacher(cls, params: Any) -> str:
        return "ann"

    def teachers_logits(self, x: Tensor) -> Tensor:
        """z_a `[N, K]` of frames x `[T, N, C, H, W]`, without gradient."""
        with torch.no_grad():
            return self.run.decode(self.run.require_teacher()(self.run.at_once(x)))

    def loss(self, model: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        p, z = self.params, self.run.decode(model(x))
        taught = divergence(self.teachers_logits(x), z, p.temperature)
        return (1 - p.alpha) * cross_entropy(z, y) + p.alpha * taught, z

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        result = super().step(model, x, y)
        result.time_steps += FORWARD  # the teacher
        return result


METHOD = KD
