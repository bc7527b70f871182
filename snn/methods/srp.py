"""SRP: QCFS conversion in which neurons that should not spike are found in a first pass (Hao et al.; AAAI 2023).

The network of `snn/methods/qcfs.py`, run twice. After τ steps a neuron keeps

    m = 1[ v(τ) > 10⁻³ θ ]            v: membrane after the reset

(a membrane that ends low belongs to a neuron that fired although its summed input is not positive). Then the network
starts again at θ/2, and the spikes of each neuron are multiplied by m in all of the T steps that count. τ = 4 [authors'
code]. With events the first pass sees the first τ frames of the recording, from the beginning again if there are fewer
[ours]; published are static images.

The τ steps cost as much as τ of the T: they are in the number of spikes that the sweep reports at T. Two passes need
time steps and a second look at the input, so that it is refused event-driven, and perturbed neurons have no first pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from snn.methods.qcfs import QCFS, starting_at_half
from snn.models import ttm
from snn.models.blueprint import Blueprint
from snn.models.stages import Network
from snn.neurons import Neuron
from snn.neurons.spec import NeuronSpec

LEAST_MEMBRANE = 1e-3
"""In thresholds: a neuron whose membrane ends above it may spike."""


class SRPNeuron(Neuron):
    """A layer of neurons that runs the first `first` steps of its input to find out which of them may spike.

    `[first + T, N, *]` -> the same: spikes of the first pass, then those of the second, masked.
    """

    accepts_factor = False  # norms and residual currents come as plain input

    def __init__(self, spec: NeuronSpec, first: int):
        super().__init__(spec)
        self.first = first

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        self.reset()
        spikes = super().multi_step_forward(x_seq[: self.first])
        mask = (torch.as_tensor(self.v) > LEAST_MEMBRANE * self.spec.threshold).to(x_seq.dtype)
        self.reset()
        return torch.cat([spikes, super().multi_step_forward(x_seq[self.first :]) * mask])


class SRPNetwork(Network):
    """A network of `SRPNeuron`s: the frames of the first pass precede the others, and their output is dropped."""

    refusal = (
        "srp chooses in a first pass over a number of time steps which neurons may spike in a second one: event-driven "
        "there are neither time steps nor a second look at the events, and a simulated chip has no first pass; use qcfs"
    )

    def __init__(self, network: Network, first: int):
        super().__init__(list(network.stages), network.readout, network.branches)
        self.first = first

    def forward(
        self,
        x: Tensor,
        steps: Sequence[int] | None = None,
        collect: list[Tensor] | None = None,
        transform: Callable[[Tensor, int], Tensor] = ttm.transform,
        fresh: bool = True,
    ) -> Tensor:
        frames = torch.arange(self.first, device=x.device) % len(x)
        return super().forward(torch.cat([x[frames], x]), steps, collect, transform, fresh)[self.first :]


class SRP(QCFS):
    paper = "Hao et al., Reducing ANN-SNN Conversion Error through Residual Membrane Potential, AAAI 2023"

    class Params(QCFS.Params):
        first: int = Field(4, ge=1, description="τ, time steps of the first pass")

    @classmethod
    def build(cls, params: Any, blueprint: Blueprint) -> Network:
        neuron = starting_at_half(blueprint.neuron)
        network = replace(blueprint, neuron=neuron).build(lambda: SRPNeuron(neuron, params.first))
        return SRPNetwork(network, params.first)


METHOD = SRP
