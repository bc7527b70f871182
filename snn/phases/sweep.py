"""Phase sweep: a trained network evaluated at other numbers of time steps, with and without recalibration.

At each T the recordings are binned afresh into T equal times; every event is counted at every T. Static images need one
pass at the largest T, whose beginnings are the passes at all others. Three accuracies:
`accuracy` with the normalisation statistics that the method itself evaluates with, `accuracy_running` with those that
training left, `accuracy_recalibrated` after the MTT paper's procedure at t_train (reused at every other T, as there).
They are one and the same for networks without normalisation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from snn.config.blocks import Sweep
from snn.data.frames import Frames
from snn.models.stages import norms
from snn.phases._job import Job
from snn.training.evaluate import BATCH, decide, recalibrate
from snn.training.loop import is_spiking, recalibration_batches


def sweep(job: Job, in_memory_mb: float) -> None:
    store = job.store()
    settings = Sweep(**job.spec["sweep"])
    indices = store.indices("test")
    labels = store.labels[indices].astype(np.int64)
    predictions: dict[str, np.ndarray] = {"index": indices.astype(np.int64), "label": labels}
    if reason := job.diverged():
        return job.write(predictions, "diverged", reason)

    network, running = job.trained(store)
    variants = {"accuracy": network, **with_other_statistics(job, store, network, running, settings)}
    steps = sorted({*settings.t_eval, job.cell.t_train})
    # A static image is the same at every step: the first t of the longest pass are the pass at T = t.
    for t, passed in [(steps[-1], steps)] if store.kind == "images" else [(t, [t]) for t in steps]:
        frames = Frames(store, "test", t, in_memory_mb, job.device)
        known: dict[int, list[np.ndarray]] = {}
        for metric, variant in variants.items():
            if id(variant) not in known:
                with SpikeCount(variant) as count:
                    known[id(variant)] = predict_at(variant, (x for x, _ in frames.in_order(BATCH)), passed)
            for at, predicted in zip(passed, known[id(variant)], strict=True):
                job.add(metric, float((predicted == labels).mean()), at)
                predictions[f"clock/{at}/{metric}"] = predicted
                if metric == "accuracy":
                    job.add("spikes", float(count.by_step[:at].sum()) / len(labels), at)
    job.write(predictions)


@torch.no_grad()
def predict_at(network: nn.Module, batches: Iterator[torch.Tensor], steps: list[int]) -> list[np.ndarray]:
    """Predicted classes of all samples of `batches` (frames [T, N, C, H, W]) after each of `steps`, in evaluation."""
    network.eval()
    spiking = is_spiking(network)
    found: list[list[np.ndarray]] = [[] for _ in steps]
    for x in batches:
        outputs = network(x)
        for predicted, t in zip(found, steps, strict=True):
            predicted.append(decide(outputs[:t], spiking).cpu().numpy())
    return [np.concatenate(predicted) for predicted in found]


def with_other_statistics(job: Job, store: Any, network: nn.Module, running: dict, settings: Sweep) -> dict:
    """The network with the two other sets of normalisation statistics; itself where it has none."""
    if not norms(network):
        return {"accuracy_running": network, "accuracy_recalibrated": network}
    anew = copy.deepcopy(network)
    as_left = network
    if any(not torch.equal(buffer, running[name]) for name, buffer in network.named_buffers()):
        as_left = copy.deepcopy(network)
        as_left.load_state_dict(running, strict=False)
    frames = Frames(store, "train", job.cell.t_train, 0, job.device)  # a few batches of it are wanted
    recalibrate(
        anew, recalibration_batches(frames, job.train.batch_size, job.cell.seed, settings.recalibration_batches)
    )
    if all(torch.equal(a, b) for a, b in zip(anew.buffers(), network.buffers(), strict=True)):
        anew = network  # MTT evaluates with these statistics anyway
    return {"accuracy_running": as_left, "accuracy_recalibrated": anew}


class SpikeCount:
    """Counts the spikes of all neurons of a network while it is entered; by_step: [T], over all passes of one T."""

    def __init__(self, network: nn.Module):
        self.neurons = [m for m in network.modules() if hasattr(m, "v_threshold")]
        self.by_step: Any = np.zeros(1)

    def _count(self, module: nn.Module, inputs: Any, spikes: torch.Tensor) -> None:
        self.by_step = self.by_step + spikes.flatten(1).sum(1).double().cpu().numpy()

    def __enter__(self) -> SpikeCount:
        self.handles = [m.register_forward_hook(self._count) for m in self.neurons]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
