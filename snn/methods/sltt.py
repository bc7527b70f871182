"""SLTT: spatial learning through time (Meng et al.; ICCV 2023; arXiv 2302.14311).

Gradients go through the layers of each time step and not from one step to the next. Forward is unchanged; in backward
the membrane v_l[t-1] that is carried into step t is a constant:

    u_l[t] = λ · stop(v_l[t-1]) + W_l a_{l-1}[t]
    L      = (1/T) Σ_t [ (1-α) CE(z[t], y) + α MSE(z[t], φ) ],      z[t] = scale · o[t]
    δ_l[t] = (W_{l+1}ᵀ δ_{l+1}[t]) ⊙ g(u_l[t]),      ∂L/∂W_l = Σ_t δ_l[t] a_{l-1}[t]ᵀ

o[t]: readout at step t, `[N, K]`; g: the surrogate; λ: the neuron's decay. Backward is called inside the loop over
time, gradients add up, and the optimiser steps once for each batch, so what is kept for backward does not grow with T
[authors' code]. The reset plays no part in the gradient. α = 0.05; φ = 1 on static images, on event data one-hot
(`target`) [authors' code]. The scale is the recipe's `logit_scale`, as in TET [ours].

Normalisation takes the statistics of each step's batch, and updates its running statistics T times a batch, as in the
authors' code; standard training takes those of all steps together. The published neuron (λ = 0.0909) hardly remembers
anything from step to step; here the neuron is the configured one.

Time steps: T.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from snn.config.blocks import Model
from snn.methods.shared.online import Target, learn_online, loss_of_step, refuse_temporal_norms
from snn.models.stages import Network
from snn.training.method import FORWARD, Method, StepResult


class SLTT(Method[Network]):
    paper = "Meng et al., Towards Memory- and Time-Efficient Backpropagation for Training SNNs, ICCV 2023"

    class Params(Model):
        mse_weight: float = Field(0.05, ge=0, le=1, description="α, weight of the squared distance to φ")
        target: Target = Field("one", description="φ: 1 for all classes, or one-hot")

    def prepare(self, network: Network) -> Network:
        refuse_temporal_norms(network)
        return network

    def learning_steps(self, steps: int) -> set[int]:
        """The time steps (from 0) of a batch that have a gradient."""
        return set(range(steps))

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        steps, learning = x.shape[0], self.learning_steps(x.shape[0])

        def loss(output: Tensor) -> Tensor:
            z = output * self.run.train.logit_scale
            return loss_of_step(z, y, self.params.mse_weight, self.params.target) / steps

        total, outputs = learn_online(model, x, loss, learning.__contains__)
        time_steps = len(learning) + (steps - len(learning)) * FORWARD
        return StepResult(total, self.run.decode(outputs), time_steps)


METHOD = SLTT
