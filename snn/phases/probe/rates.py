"""How much each layer of a trained network fires."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from snn.methods.shared.neurons import neurons
from snn.methods.shared.teacher import after_each
from snn.phases._job import Job
from snn.training.evaluate import BATCH


@torch.no_grad()
def rates(job: Job, network: nn.Module, x: Tensor) -> list[dict[str, Any]]:
    """Spikes of test recordings x [T, N, C, H, W].

    Curves `firing_rate/<layer>` (x: time step from 1, value: spikes per neuron in that step); metrics
    `firing_rate_<layer>`, spikes per neuron and time step, and `spikes_<layer>`, spikes of the layer per recording.
    """
    per_step: dict[str, Tensor] = {}
    size: dict[str, int] = {}

    def count(layer: str, spikes: Tensor) -> None:
        per_step[layer] = per_step.get(layer, 0.0) + spikes.flatten(1).double().sum(1).cpu()
        size[layer] = spikes[0, 0].numel()

    n, curves = x.shape[1], []
    with after_each(network, list(neurons(network)), count):
        for part in x.split(BATCH, 1):
            network(part)
    for layer, spikes in per_step.items():
        rate = spikes / (n * size[layer])
        curves += [
            {"mode": "clock", "curve": f"firing_rate/{layer}", "x": float(t), "value": value}
            for t, value in enumerate(rate.tolist(), 1)
        ]
        job.add(f"firing_rate_{layer}", rate.mean().item(), job.cell.t_train)
        job.add(f"spikes_{layer}", spikes.sum().item() / n, job.cell.t_train)
    return curves
