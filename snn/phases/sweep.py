"""Phase sweep: a trained network evaluated at other numbers of time steps, with and without recalibration.

At each T the recordings are binned afresh into T equal times; every event is counted at every T. Three accuracies:
`accuracy` with the normalisation statistics that the method itself evaluates with, `accuracy_running` with those that
training left, `accuracy_recalibrated` after the MTT paper's procedure at t_train (reused at every other T, as there).
They are one and the same for networks without normalisation.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import nn

from snn.config import Sweep
from snn.data.frames import Frames
from snn.evaluate import BATCH, predict, recalibrate
from snn.models._stages import norms
from snn.phases._job import Job
from snn.training import is_spiking, recalibration_batches


def sweep(job: Job, in_memory_mb: float) -> None:
    store = job.store()
    settings = Sweep(**job.spec["sweep"])
    indices = store.indices("test")
    labels = store.labels[indices].astype(np.int64)
    predictions: dict[str, np.ndarray] = {"index": indices.astype(np.int64), "label": labels}
    if reason := job.diverged():
        return job.write(predictions, "diverged", reason)

    network, running = job.trained(store)
    variants = {"accuracy": network, **with_other_statistics(job, store, network, running, settings, in_memory_mb)}
    for t in sorted({*settings.t_eval, job.cell.t_train}):
        frames = Frames(store, "test", t, in_memory_mb, job.device)
        known: dict[int, np.ndarray] = {}
        for metric, variant in variants.items():
            if id(variant) not in known:
                with SpikeCount(variant) as count:
                    known[id(variant)] = predict(variant, (x for x, _ in frames.in_order(BATCH)), is_spiking(variant))
            job.add(metric, float((known[id(variant)] == labels).mean()), t)
            predictions[f"clock/{t}/{metric}"] = known[id(variant)]
            if metric == "accuracy":
                job.add("spikes", count.total / len(labels), t)
    job.write(predictions)


def with_other_statistics(
    job: Job, store: Any, network: nn.Module, running: dict, settings: Sweep, in_memory_mb: float
):
    """The network with the two other sets of normalisation statistics; itself where it has none."""
    if not norms(network):
        return {"accuracy_running": network, "accuracy_recalibrated": network}
    anew = copy.deepcopy(network)
    as_left = network
    if any(not torch.equal(buffer, running[name]) for name, buffer in network.named_buffers()):
        as_left = copy.deepcopy(network)
        as_left.load_state_dict(running, strict=False)
    frames = Frames(store, "train", job.cell.t_train, in_memory_mb, job.device)
    recalibrate(
        anew, recalibration_batches(frames, job.train.batch_size, job.cell.seed, settings.recalibration_batches)
    )
    if all(torch.equal(a, b) for a, b in zip(anew.buffers(), network.buffers(), strict=True)):
        anew = network  # MTT evaluates with these statistics anyway
    return {"accuracy_running": as_left, "accuracy_recalibrated": anew}


class SpikeCount:
    """Counts the spikes of all neurons of a network while it is entered."""

    def __init__(self, network: nn.Module):
        self.neurons = [m for m in network.modules() if hasattr(m, "v_threshold")]
        self.total = 0.0

    def _count(self, module: nn.Module, inputs: Any, spikes: torch.Tensor) -> None:
        self.total += float(spikes.sum())

    def __enter__(self) -> SpikeCount:
        self.handles = [m.register_forward_hook(self._count) for m in self.neurons]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
