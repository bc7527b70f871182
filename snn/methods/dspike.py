"""Dspike: differentiable spike with an adapted temperature (Li, Guo et al.; NeurIPS 2021).

Standard direct training with the Dspike surrogate D_b (`snn/methods/dspike_fixed.py`), whose temperature b follows the
finite-difference gradient of the true loss. Once an epoch, on its first batch [told: the paper's pseudo-code]:

    ĝ_i = (L(w + ε e_i) - L(w - ε e_i)) / 2ε         hard spikes; w: weights of the first layer
    b  <- argmax over {b - Δb, b, b + Δb} of cos(ĝ, ∂L/∂w with the surrogate D_b)

One b for the whole network. ε, b_0 and Δb are not known; ours: b_0 = 3, Δb = 0.4, b in [1, 6], ε = 0.05 (the loss is
piecewise constant, a small ε gives exactly 0), on at most 256 weights of the first layer, evenly spaced over it: the
same ones always, so that an update draws no random number. If no candidate is better than b, or ĝ is zero, b stays.

Normalisation is in training mode and sees the same batch on both sides; weights, running statistics, gradients and
random state are as before afterwards. The perturbed forward passes come one by one: batching them would need
normalisation statistics for each copy, and gains nothing where a batch fills the processor. An update is costly, about
as much as 2P/3 training steps: `weights` and `samples` bring it down.

History: `temperature`, the cosines `cosine_lower`, `cosine_same`, `cosine_higher` of the candidates, and
`finite_differences`, the share of ĝ that is not zero. Time steps counted for an update of P weights on a batch: 2P
forward passes at `FORWARD` each and 3 with backward, beside those of the training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.methods.dspike_fixed import FixedDspike
from snn.methods.shared.neurons import neurons
from snn.neurons.spec import NeuronSpec
from snn.training.method import FORWARD, Run, StepResult


class Dspike(FixedDspike):
    class Params(Model):
        temperature: float = Field(3.0, gt=0, description="b_0")
        change: float = Field(0.4, gt=0, description="Δb, what b moves by at most in an epoch")
        lowest: float = Field(1.0, gt=0, description="lower bound of b")
        highest: float = Field(6.0, gt=0, description="upper bound of b")
        epsilon: float = Field(5e-2, gt=0, description="ε, half the width of the finite differences")
        weights: int = Field(256, ge=1, description="weights of the first layer at most that are perturbed")
        samples: int | None = Field(None, ge=1, description="samples of the batch at most that an update looks at")

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if params.lowest > params.highest:
            raise ConfigError(f"methods.dspike: no temperature lies in [{params.lowest}, {params.highest}]")

    def __init__(self, params: Any, run: Run):
        super().__init__(params, run)
        self.temperature = params.temperature
        self.owed = 0.0

    def prepare(self, network: nn.Module) -> nn.Module:
        self.network = super().prepare(network)
        return self.network

    def start_epoch(self, model: nn.Module, epoch: int, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        x, y = batch[0][:, : self.params.samples], batch[1][: self.params.samples]
        weight = next(m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        chosen = evenly_spaced(weight.numel(), self.params.weights).to(weight.device)
        buffers = [(b, b.clone()) for b in model.buffers()]
        with torch.no_grad():
            target = finite_differences(lambda: self.loss(model, x, y)[0], weight, chosen, self.params.epsilon)

        similarity = {}
        for name, change in (("same", 0.0), ("lower", -self.params.change), ("higher", self.params.change)):
            b = min(max(self.temperature + change, self.params.lowest), self.params.highest)
            self._set(b)
            (gradient,) = torch.autograd.grad(self.loss(model, x, y)[0], weight)
            similarity[name] = cosine_similarity(target, gradient.flatten()[chosen], dim=0).item(), b
        best = max(similarity, key=lambda name: similarity[name][0])  # the first of equals: `same`
        self.temperature = similarity[best][1]
        self._set(self.temperature)
        for buffer, value in buffers:
            buffer.copy_(value)
        share = len(y) / len(batch[1])
        self.owed = share * x.shape[0] * (2 * len(chosen) * FORWARD + len(similarity))
        return {
            "temperature": self.temperature,
            **{f"cosine_{name}": value for name, (value, _) in similarity.items()},
            "finite_differences": (target != 0).float().mean().item(),
        }

    def step(self, model: nn.Module, x: Tensor, y: Tensor) -> StepResult:
        result = super().step(model, x, y)
        # The batch of the update is the epoch's first: its samples went through these time steps as well.
        result.time_steps += self.owed
        self.owed = 0.0
        return result

    def _set(self, temperature: float) -> None:
        for neuron in neurons(self.network).values():
            neuron.surrogate.temperature = temperature

    def state(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def load_state(self, state: dict[str, Any]) -> None:
        self.temperature = state["temperature"]
        self._set(self.temperature)


def evenly_spaced(count: int, most: int) -> Tensor:
    """At most `most` positions, evenly spaced over 0 ... count - 1."""
    return torch.arange(min(count, most)) * count // min(count, most)


@torch.no_grad()
def finite_differences(loss: Callable[[], Tensor], weight: Tensor, chosen: Tensor, epsilon: float) -> Tensor:
    """Central differences of the loss in the weights at positions `chosen`, [len(chosen)]; the weights stay."""
    flat, gradient = weight.detach().view(-1), weight.new_empty(len(chosen))
    for k, i in enumerate(chosen.tolist()):
        before = flat[i].clone()
        flat[i] = before + epsilon
        above = loss()
        flat[i] = before - epsilon
        gradient[k] = (above - loss()) / (2 * epsilon)
        flat[i] = before
    return gradient


METHOD = Dspike
