"""How much each layer of a trained network fires."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snn.methods.shared.neurons import neurons
from snn.methods.shared.teacher import after_each
from snn.phases.outcome import Outcome
from snn.training.evaluate import BATCH


@torch.no_grad()
def rates(network: nn.Module, x: Tensor, *, t_train: int) -> Outcome:
    """Spikes of test recordings x [T, N, C, H, W].

    Curves `firing_rate/<layer>` (x: time step from 1, value: spikes per neuron in that step); metrics
    `firing_rate_<layer>`, spikes per neuron and time step, and `spikes_<layer>`, spikes of the layer per recording.
    """
    per_step: dict[str, Tensor] = {}
    size: dict[str, int] = {}

    def count(layer: str, spikes: Tensor) -> None:
        of_step = spikes.flatten(1).double().sum(1).cpu()
        per_step[layer] = per_step[layer] + of_step if layer in per_step else of_step
        size[layer] = spikes[0, 0].numel()

    n, outcome = x.shape[1], Outcome()
    with after_each(network, list(neurons(network)), count):
        for part in x.split(BATCH, 1):
            network(part)
    for layer, spikes in per_step.items():
        rate = spikes / (n * size[layer])
        for t, value in enumerate(rate.tolist(), 1):
            outcome.add_curve("clock", f"firing_rate/{layer}", t, value)
        outcome.add(f"firing_rate_{layer}", rate.mean().item(), t_train)
        outcome.add(f"spikes_{layer}", spikes.sum().item() / n, t_train)
    return outcome
