"""TKD: distillation at every time step, for deployment at any of them (Yu et al.; ICML 2025).

An ANN and the network's own output teach the logits z[t] = scale · o[t] of each step [authors' code]:

    L = (1/T) Σ_t CE(z[t], y) + α (1/T) Σ_t D(z_a, z[t]) + β (1/T) Σ_t D(z_E, z[t])
    D(a, b) = τ² · mean_n Σ_k p_a log(p_a/p_b),      p_a = softmax(a/τ), p_b = softmax(b/τ),      no gradient into a

z_a: logits of the teacher, the cell `ann` (see `snn/methods/kd.py`). z_E, by `self_teacher`:

- `right-steps`: the mean of those z[t] whose argmax is y, for each sample; zeros, a uniform target, if no step is right
  [authors' code];
- `mean`: the mean of all z[t], the final output [secondary source: the paper's text].

α = 0.2, β = 0.5, τ = 3 [authors' code]. The claim is one training that is good at every T, which is MTT's too. With
events, the published teacher sees the mean frame; here it sees the sum, T times as large, which it is trained on
[ours].

Time steps: T, and one forward pass of the teacher at `FORWARD`; the teacher's training is a cell of its own.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from snn.config.blocks import Model
from snn.methods.kd import KD
from snn.methods.shared.distillation import divergence
from snn.models.stages import Network


class TKD(KD):
    paper = "Yu et al., Logit-based Knowledge Distillation of Deep SNNs for Full-Range Timestep Deployment, ICML 2025"

    class Params(Model):
        alpha: float = Field(0.2, ge=0, description="α, weight of the teacher")
        beta: float = Field(0.5, ge=0, description="β, weight of the network's own output")
        temperature: float = Field(3.0, gt=0, description="τ, softens all distributions")
        self_teacher: Literal["right-steps", "mean"] = Field("right-steps", description="z_E, the network's own output")

    def loss(self, model: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        p, outputs = self.params, model(x)
        z = outputs * self.run.train.logit_scale
        own, taught = self.own_output(z, y), self.teachers_logits(x)
        of_steps = [
            cross_entropy(each, y)
            + p.alpha * divergence(taught, each, p.temperature)
            + p.beta * divergence(own, each, p.temperature)
            for each in z
        ]
        return torch.stack(of_steps).mean(), self.run.decode(outputs)

    def own_output(self, z: Tensor, y: Tensor) -> Tensor:
        """z_E `[N, K]` from the logits z `[T, N, K]` of all steps and labels y `[N]`, without gradient."""
        z = z.detach()
        if self.params.self_teacher == "mean":
            return z.mean(0)
        right = (z.argmax(2) == y).to(z)
        return (z * right[..., None]).sum(0) / right.sum(0).clamp_min(1)[:, None]


METHOD = TKD
