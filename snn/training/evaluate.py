"""The predictions of a network, and the recalibration of its normalisation before an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.models.stages import norms

NO_OUTPUT = -1
"""The prediction where a spiking readout has no spike; it counts as wrong."""

BATCH = 64
"""Samples in one pass: the maps of larger batches do not fit into the cache of a CPU, and take longer."""


def is_spiking(network: nn.Module) -> bool:
    """Whether the readout of a network spikes."""
    return bool(getattr(getattr(network, "readout", None), "spiking", False))


def decide(outputs: Tensor, spiking: bool) -> Tensor:
    """Predicted classes `[N]` from the readout `[T, N, K]`; spiking: whether the readout holds spikes.

    A membrane readout predicts the class of the largest sum over time, a spiking one that of the largest spike count.
    Among equal counts it is the class that reached the count first, then the one of lower index; without any spike
    the prediction is `NO_OUTPUT`. The event-driven engine decides by the same rules.
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
    """Predicted classes `[n]` of all samples of `batches` (frames `[T, N, C, H, W]`), in evaluation mode."""
    network.eval()
    return np.concatenate([decide(network(x), spiking).cpu().numpy() for x in batches])


@torch.no_grad()
def assess(
    network: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    spiking: bool,
    decode: Callable[[Tensor], Tensor],
) -> tuple[float, np.ndarray]:
    """(mean cross-entropy, predicted classes `[n]`) of batches of frames and labels, in evaluation mode.

    decode: logits `[N, K]` from the readout `[T, N, K]`.
    """
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
    """Recompute the running statistics of all normalisation layers as the mean over `batches` (frames).

    The MTT paper's procedure before an evaluation [authors' code]: all stages at T_max, which here is that of the
    frames, statistics reset, momentum None (a cumulative mean), forward without gradient. Nothing else changes.
    """
    layers: list[Any] = list(norms(network))  # BatchNorm2d and ScaleNorm have these attributes in common
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
