"""Phase sweep: a trained network evaluated at other numbers of time steps, with and without recalibration.

At each T the recordings are binned afresh into T equal times; every event is counted at every T. Static images need one
pass at the largest T; its first t steps are the pass at T = t. Three accuracies:
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
from torch import Tensor, nn

from snn.config.blocks import Sweep
from snn.models.stages import norms
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.training.evaluate import BATCH, decide, is_spiking, recalibrate
from snn.training.loop import recalibration_batches


def sweep(experiment: Experiment) -> Outcome:
    """Evaluate the trained network on the test split at every T of `sweep.t_eval`, and at its own."""
    store, settings = experiment.store, Sweep(**experiment.spec["sweep"])
    indices = store.indices("test")
    labels = store.labels[indices].astype(np.int64)
    outcome = Outcome(predictions={"index": indices.astype(np.int64), "label": labels})

    network, running = experiment.load_network()
    variants = {"accuracy": network, **with_other_statistics(experiment, network, running, settings)}
    steps = sorted({*settings.t_eval, experiment.cell.t_train})
    # A static image is the same at every step: the first t steps of the longest pass are the pass at T = t.
    passes = [(steps[-1], steps)] if store.kind == "images" else [(t, [t]) for t in steps]
    for t, evaluated_at in passes:
        frames = experiment.frames("test", t)
        predictions: dict[int, list[np.ndarray]] = {}
        for metric, variant in variants.items():
            if id(variant) not in predictions:
                with SpikeCount(variant) as count:
                    batches = (x for x, _ in frames.in_order(BATCH))
                    predictions[id(variant)] = predict_at(variant, batches, evaluated_at)
            for at, predicted in zip(evaluated_at, predictions[id(variant)], strict=True):
                outcome.add(metric, float((predicted == labels).mean()), at)
                outcome.predictions[f"clock/{at}/{metric}"] = predicted
                if metric == "accuracy":
                    before = len(count.by_step) - t  # steps that the network runs before those that count
                    outcome.add("spikes", float(count.by_step[: before + at].sum()) / len(labels), at)
    return outcome


@torch.no_grad()
def predict_at(network: nn.Module, batches: Iterator[Tensor], steps: list[int]) -> list[np.ndarray]:
    """Predicted classes of all samples of `batches` (frames [T, N, C, H, W]) after each of `steps`, in evaluation."""
    network.eval()
    spiking = is_spiking(network)
    by_step: list[list[np.ndarray]] = [[] for _ in steps]
    for x in batches:
        outputs = network(x)
        for predicted, t in zip(by_step, steps, strict=True):
            predicted.append(decide(outputs[:t], spiking).cpu().numpy())
    return [np.concatenate(predicted) for predicted in by_step]


def with_other_statistics(
    experiment: Experiment, network: nn.Module, running: dict[str, Tensor], settings: Sweep
) -> dict[str, nn.Module]:
    """The network with the two other sets of normalisation statistics; itself where it has none."""
    if not norms(network):
        return {"accuracy_running": network, "accuracy_recalibrated": network}
    anew = copy.deepcopy(network)
    as_left = network
    if any(not torch.equal(buffer, running[name]) for name, buffer in network.named_buffers()):
        as_left = copy.deepcopy(network)
        as_left.load_state_dict(running, strict=False)
    frames = experiment.frames("train", cached=False)  # only a few batches of it are used
    batch_size, seed = experiment.recipe.batch_size, experiment.cell.seed
    recalibrate(anew, recalibration_batches(frames, batch_size, seed, settings.recalibration_batches))
    if all(torch.equal(a, b) for a, b in zip(anew.buffers(), network.buffers(), strict=True)):
        anew = network  # MTT evaluates with these statistics anyway
    return {"accuracy_running": as_left, "accuracy_recalibrated": anew}


class SpikeCount:
    """Counts the spikes of all neurons of a network while it is entered; by_step: [T], over all passes of one T."""

    def __init__(self, network: nn.Module) -> None:
        self.neurons = [m for m in network.modules() if hasattr(m, "v_threshold")]
        self.by_step: Any = np.zeros(1)

    def _count(self, module: nn.Module, inputs: Any, spikes: Tensor) -> None:
        self.by_step = self.by_step + spikes.flatten(1).sum(1).double().cpu().numpy()

    def __enter__(self) -> SpikeCount:
        self.handles = [m.register_forward_hook(self._count) for m in self.neurons]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()
