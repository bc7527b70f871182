"""Dspike: differentiable spike with an adapted temperature (Li, Guo et al.; NeurIPS 2021).

Standard direct training with the Dspike surrogate D_b (`snn/methods/dspike_fixed.py`), whose temperature b follows the
finite-difference gradient of the true loss. An update [secondary source: the paper's pseudo-code] compares, on the same
batches,

    ĝ_i = (L(w + ε e_i) - L(w - ε e_i)) / 2ε         hard spikes; w: weights of the first layer
    b  <- argmax over {b - Δb, b, b + Δb} of cos(ĝ, ∂L/∂w with the surrogate D_b)

with one b for the whole network. ε, b_0 and Δb are not known; ours: b_0 = 3, Δb = 0.4, b in [1, 6], ε = 0.05 (the loss
is piecewise constant, so a small ε gives exactly 0), on at most 256 weights of the first layer, evenly spaced and
always the same, so that an update draws no random number. If no candidate is better than b, or ĝ is zero, b stays.

When to update: once an epoch, on its first batch, from the first iteration on [secondary source]. These are the
defaults `updates_per_epoch` 1, `batches` 1, `warmup` 0. One batch of a network that has not learnt anything says little
about b: `dspike-frequent` has other defaults [ours]. An update takes the first `batches` batches of its part of the
epoch (L is their mean) and happens before the last of them is trained on; there is none in the first `warmup` of all
iterations.

Normalisation is in training mode and has the same batch in both gradients; weights, running statistics, gradients and
random state are afterwards as before. The perturbed forward passes are computed one after another: computed as one
batch they would need normalisation statistics for each copy, and be no faster where a batch uses the whole processor.

Cost of an update of P weights on n samples: n·T·(2P·`FORWARD` + 3) time steps, counted beside those of the training;
`weights` and `samples` reduce it. A control of equal compute is configuration: a variant of the network with
`train: {epochs: e}`, trained by `dspike-fixed`, where e is this method's `time_steps` over those of an epoch without
updates.

History: `temperature` at the end of the epoch, and means over its updates: the cosines `cosine_lower`, `cosine_same`
and `cosine_higher` of the candidates, and `finite_differences`, the fraction of ĝ that is not zero.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.methods.dspike_fixed import FixedDspike
from snn.methods.shared.finite_differences import evenly_spaced, finite_differences
from snn.methods.shared.neurons import hidden_neurons
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec
from snn.training.method import FORWARD, Run, StepResult

Batch = tuple[Tensor, Tensor]


class Dspike(FixedDspike):
    indivisible = "it chooses the temperature by gradients of whole batches, before they are added up"

    class Params(Model):
        temperature: float = Field(3.0, gt=0, description="b_0")
        change: float = Field(0.4, gt=0, description="Δb, the change of b in one update")
        lowest: float = Field(1.0, gt=0, description="lower bound of b")
        highest: float = Field(6.0, gt=0, description="upper bound of b")
        epsilon: float = Field(5e-2, gt=0, description="ε, half the width of the finite differences")
        weights: int = Field(256, ge=1, description="maximum number of weights of the first layer that are perturbed")
        samples: int | None = Field(None, ge=1, description="maximum number of samples of a batch in an update")
        updates_per_epoch: int = Field(1, ge=1, description="updates of b in an epoch, evenly spaced")
        batches: int = Field(1, ge=1, description="batches of an update, fewer if its part of the epoch has fewer")
        warmup: float = Field(0.0, ge=0, lt=1, description="fraction of all iterations before the first update")

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if params.lowest > params.highest:
            raise ConfigError(f"methods.dspike: no temperature lies in [{params.lowest}, {params.highest}]")

    def __init__(self, params: Any, run: Run):
        super().__init__(params, run)
        self.temperature = params.temperature
        self.iterations = max(1, run.iterations // run.epochs)  # of an epoch
        self.iteration = 0  # in the epoch
        self.first = 0  # iteration of the training with which the epoch starts
        self.collected: list[Batch] = []  # batches of the next update
        self.updates: list[dict[str, float]] = []  # numbers of the epoch's updates
        self.owed = 0.0  # time steps of updates, for each sample of the next step

    def prepare(self, network: Network) -> Network:
        self.network = super().prepare(network)
        return self.network

    def start_epoch(self, model: Network, epoch: int, batch: Batch) -> None:
        self.iteration, self.first = 0, (epoch - 1) * self.iterations
        self.collected, self.updates = [], []

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        number, count = self.part_of_epoch()
        if number < count and self.first + self.iteration >= self.params.warmup * self.run.iterations:
            samples = self.params.samples
            self.collected.append((x[:, :samples], y[:samples]))
            if number == count - 1:
                self.updates.append(self.update(model, self.collected, len(y)))
                self.collected = []
        self.iteration += 1
        result = super().step(model, x, y)
        result.time_steps, self.owed = result.time_steps + self.owed, 0.0
        return result

    def part_of_epoch(self) -> tuple[int, int]:
        """(position of the iteration in its part of the epoch, number of batches of the update there)."""
        updates = min(self.params.updates_per_epoch, self.iterations)
        part = min(self.iteration * updates // self.iterations, updates - 1)
        start, end = (-(-k * self.iterations // updates) for k in (part, part + 1))
        return self.iteration - start, min(self.params.batches, end - start)

    def end_epoch(self, model: Network) -> dict[str, float]:
        columns = self.updates[0] if self.updates else {}
        means = {name: sum(update[name] for update in self.updates) / len(self.updates) for name in columns}
        return {"temperature": self.temperature, **means}

    def update(self, model: Network, batches: list[Batch], size: int) -> dict[str, float]:
        """Move b to the best candidate on these batches; size: samples of the step that the cost is added to.

        Returns the cosine similarity of each candidate and the fraction of finite differences that are not zero.
        """
        weight = next(m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        positions = evenly_spaced(weight.numel(), self.params.weights).to(weight.device)
        buffers = [(b, b.clone()) for b in model.buffers()]

        def loss() -> Tensor:
            return torch.stack([self.loss(model, x, y)[0] for x, y in batches]).mean()

        cosines: dict[str, tuple[float, float]] = {}
        with torch.autocast(self.run.device.split(":")[0], enabled=False):  # bf16 would round the differences away
            with torch.no_grad():
                target = finite_differences(loss, weight, positions, self.params.epsilon)
            for name, change in (("same", 0.0), ("lower", -self.params.change), ("higher", self.params.change)):
                b = min(max(self.temperature + change, self.params.lowest), self.params.highest)
                self.set_temperature(b)
                (gradient,) = torch.autograd.grad(loss(), weight)
                cosines[name] = cosine_similarity(target, gradient.flatten()[positions], dim=0).item(), b
        best = max(cosines, key=lambda name: cosines[name][0])  # of equal ones the first: `same`
        self.temperature = cosines[best][1]
        self.set_temperature(self.temperature)
        for buffer, value in buffers:
            buffer.copy_(value)
        per_sample = batches[0][0].shape[0] * (2 * len(positions) * FORWARD + len(cosines))
        self.owed += per_sample * sum(len(y) for _, y in batches) / size
        return {
            **{f"cosine_{name}": value for name, (value, _) in cosines.items()},
            "finite_differences": (target != 0).float().mean().item(),
        }

    def set_temperature(self, b: float) -> None:
        """Give the surrogate of all neurons but those of the readout the temperature b."""
        for neuron in hidden_neurons(self.network).values():
            neuron.surrogate.temperature = b

    def state(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def load_state(self, state: dict[str, Any]) -> None:
        self.temperature = state["temperature"]
        self.set_temperature(self.temperature)


METHOD = Dspike
