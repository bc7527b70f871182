"""What a network predicts at a number of time steps, and the recalibration of its normalisation before that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.models.stages import norms

NO_OUTPUT = -1

BATCH = 64
"""Samples a pass: larger ones leave the cache of a CPU and take longer."""


def is_spiking(network: nn.Module) -> bool:
    """Whether the readout of a network spikes."""
    return bool(getattr(getattr(network, "readout", None), "spiking", False))


def decide(outputs: Tensor, spiking: bool) -> Tensor:
    """Predicted classes [N] from the readout [T, N, K].

    A membrane readout predicts the largest sum over time. A spiking one predicts the largest spike count; ties go to
    the class that reached that count first, then to the lower index; without any spike the answer is -1, which
    counts as wrong: the same rules as on the event-driven engine.
    """
    counts = outputs.cumsum(0)
    final = counts[-1]
    if not spiking:
        return final.argmax(1)
    reached = (counts >= final).float().argmax(0)  # first step at which the final count stood
    top = final.max(1, keepdim=True).values
    order = torch.where(final == top, reached, outputs.shape[0])
    winner = order.argmin(1)
    return torch.where(top.squeeze(1) > 0, winner, NO_OUTPUT)


@torch.no_grad()
def predict(network: nn.Module, batches: Iterator[Tensor], spiking: bool) -> np.ndarray:
    """Predicted classes of all samples of `batches` (frames [T, N, C, H, W]) in evaluation mode."""
    network.eval()
    return np.concatenate([decide(network(x), spiking).cpu().numpy() for x in batches])


@torch.no_grad()
def assess(
    network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], spiking: bool, decode
) -> tuple[float, np.ndarray]:
    """(mean cross-entropy, predicted classes) in evaluation mode; `decode` gives logits from the readout."""
    network.eval()
    loss, count, predictions = 0.0, 0, []
    for x, y in batches:
        outputs = network(x)
        loss += cross_entropy(decode(outputs), y, reduction="sum").item()
        count += len(y)
        predictions.append(decide(outputs, spiking).cpu().numpy())
    return loss / count, np.concatenate(predictions)


@torch.no_grad()
def recalibrate(network: nn.Module, batches: Iterator[Tensor]) -> None:
    """Recompute the running statistics of all normalisation layers as a cumulative mean over `batches`.

    The MTT paper's procedure before an evaluation [authors' code]: all stages at T_max (the frames given here decide
    T), statistics reset, momentum None, forward without gradient. Weights and the momentum setting stay untouched.
    """
    layers = norms(network)
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    training = network.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    network.train()
    for x in batches:
        network(x)
    network.train(training)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
