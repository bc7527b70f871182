"""TET: temporal efficient training (Deng, Li, Zhang, Gu; ICLR 2022; openreview _XNtisL32jv).

Standard direct training whose loss is taken at every time step instead of once on the time-mean:

    L = (1 - λ) · mean_t CE(z[t], y) + λ · mean_{t,n,k} (z[t] - φ)²        z[t] = scale · o[t]

o: readout [T, N, K]; λ = 1e-3 (`regularisation`) and φ = 1 (`target`) as in the authors' script [authors' code]. The
cross-entropy is SpikingJelly's. A step's logits z[t] are what the recipe decodes from that step alone, so `logit_scale`
applies and `logits: sum` and `mean` are the same here [ours]. Inference decodes over time like every other method.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from snn.config.blocks import Model
from snn.models.stages import Network
from snn.training.method import Method


class TET(Method[Network]):
    paper = "Deng, Li, Zhang, Gu, Temporal Efficient Training of SNN via Gradient Re-weighting, ICLR 2022"

    class Params(Model):
        regularisation: float = Field(1e-3, ge=0, le=1, description="λ, weight of the squared distance to φ")
        target: float = Field(1.0, description="φ, the target of every step's logits")

    def loss(self, model: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        from spikingjelly.activation_based import functional  # takes seconds to import

        outputs = model(x)
        z = outputs * self.run.train.logit_scale
        each_step = functional.temporal_efficient_training_cross_entropy(z, y)
        weight = self.params.regularisation
        return (1 - weight) * each_step + weight * (z - self.params.target).square().mean(), self.run.decode(outputs)


METHOD = TET
