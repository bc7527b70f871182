"""Phase deploy: the trained network on the event-driven engine, beside itself clock-driven.

For each mode: accuracy, its difference from the clock-driven accuracy at t_train on the same recordings, spikes,
synaptic operations, modelled energy, and the accuracy while a recording is still arriving. With other lower bounds or
resets than the network was trained with (`deploy.lower_bounds`, `deploy.resets`), a mode is called, e.g.,
`event-float@v_min=-4`, and has no curves. With `deploy.one_event_steps` the mode `clock-events` stands beside them, the
network clock-driven at one event a time step. The network file that was run is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from snn.config.blocks import Deploy
from snn.data.frames import Frames
from snn.data.store import EventStore
from snn.errors import ConfigError, Diverged, UserError
from snn.events import EventNetwork, RunResult, save
from snn.events.deployment import Deployment, crossed
from snn.models.export import export
from snn.models.fold import has_biases, without_biases, without_temporal_gains
from snn.models.stages import Network
from snn.models.tebn import TemporalNorm
from snn.neurons import Neuron
from snn.phases.experiment import Experiment
from snn.phases.one_event_steps import MODE, predictions
from snn.phases.outcome import Outcome
from snn.phases.subset import Subset, evaluation_subset
from snn.training.evaluate import BATCH, decide, is_spiking
from snn.training.loop import fit

BLOCK = 500
"""Recordings whose events are in memory at once."""


class ClockDriven(NamedTuple):
    """What the same network gives clock-driven on the same recordings: accuracy at t_train, and the output's spikes
    [n, K], None where they are not known or the output does not spike."""

    accuracy: float
    counts: np.ndarray | None


def deploy(experiment: Experiment) -> Outcome:
    """Deploy the trained network in every mode. What cannot be deployed is an outcome with its reason."""
    settings = Deploy(**experiment.spec["deploy"])
    store = experiment.store
    assert isinstance(store, EventStore), "the plan deploys recordings of events only"
    subset = evaluation_subset(store, settings.recordings)
    outcome = Outcome(predictions=subset.head())
    reasons: list[str] = []
    network, _ = experiment.load_network()
    try:
        if settings.bias_free_epochs is not None and has_biases(network):
            network = fine_tuned(experiment, without_biases(network), settings.bias_free_epochs)
            outcome.superseded.append(fine_tuning_checkpoint(experiment))
        reference, clock_driven_part = evaluate_clock_driven(experiment, network, settings, subset)
        outcome.include(clock_driven_part)
        if any(isinstance(module, TemporalNorm) for module in network.modules()):
            # Gains of time steps have no meaning event-driven: what their mean over time costs is a result of its own.
            network = without_temporal_gains(network)
            predicted, _ = clock_driven(network, experiment.frames("test", at=subset.positions))
            outcome.add("accuracy_mean_gains", float((predicted == subset.labels).mean()), experiment.cell.t_train)
        deployable = to_events(experiment, network, store)
        save(deployable, experiment.folder.network_file)
        event_driven_part, reasons = in_every_mode(experiment, deployable, settings, subset, reference)
        outcome.include(event_driven_part)
        if settings.one_event_steps:
            if any(population.tau_us is not None for population in deployable.populations):
                reasons.append(f"{MODE}: neurons leak by a factor in each time step, and one event's has no length")
            else:
                outcome.include(evaluate_one_event_steps(experiment, network, subset, reference))
    except Diverged as failure:
        outcome.status, reasons = "diverged", [f"while it was fine-tuned without biases: {failure}"]
    except UserError as refusal:
        outcome.status, reasons = "refused", [str(refusal)]
    outcome.reason = "; ".join(reasons)
    return outcome


def in_every_mode(
    experiment: Experiment, network: EventNetwork, settings: Deploy, subset: Subset, reference: ClockDriven
) -> tuple[Outcome, list[str]]:
    """Run the network event-driven in every mode: (metrics, predictions and curves, why single modes have none)."""
    outcome, store = Outcome(), experiment.store
    reasons: list[str] = []
    assert isinstance(store, EventStore), "the plan deploys recordings of events only"
    results: dict[tuple, RunResult] = {}
    for setting in crossed(settings.modes, settings.lower_bounds, settings.resets):
        mode = setting.name
        try:
            same = setting.same(network)
            if same not in results:
                threads = experiment.spec["threads"]
                results[same] = run(network, setting, store, subset.indices, settings, threads)
        except UserError as refusal:  # e.g. thresholds that leave the range of the integer mode
            reasons.append(f"{mode}: {refusal}")
            continue
        result = results[same]
        outcome.predictions[f"{mode}//accuracy"] = result.prediction
        outcome.include(event_metrics(mode, network, result, subset.labels, settings.energy_pj_per_synop))
        outcome.include(differences(mode, result, subset.labels, reference))
        if setting.is_as_trained:
            outcome.include(accuracy_curves(mode, result, subset.labels))
    return outcome, reasons


def evaluate_clock_driven(
    experiment: Experiment, network: Network, settings: Deploy, subset: Subset
) -> tuple[ClockDriven, Outcome]:
    """Evaluate clock-driven at t_train and at the finer T of `deploy.t_clock`: (the reference at t_train, accuracies
    and predictions at every T)."""
    outcome, t_train = Outcome(), experiment.cell.t_train
    results = {}
    for t in sorted({t_train, *settings.t_clock}):
        predicted, counts = clock_driven(network, experiment.frames("test", t, subset.positions))
        accuracy = float((predicted == subset.labels).mean())
        results[t] = ClockDriven(accuracy, counts if is_spiking(network) else None)
        outcome.predictions[f"clock/{t}/accuracy"] = predicted
        outcome.add("accuracy", results[t].accuracy, t)
    return results[t_train], outcome


def evaluate_one_event_steps(
    experiment: Experiment, network: Network, subset: Subset, reference: ClockDriven
) -> Outcome:
    """Evaluate clock-driven with one event in each time step: accuracy, its difference from that at t_train,
    predictions."""
    outcome, store = Outcome(), experiment.store
    assert isinstance(store, EventStore), "the plan deploys recordings of events only"
    predicted = predictions(network, store, subset.indices, experiment.device)
    accuracy = float((predicted == subset.labels).mean())
    outcome.predictions[f"{MODE}//accuracy"] = predicted
    outcome.add("accuracy", accuracy, mode=MODE)
    outcome.add("difference", accuracy - reference.accuracy, mode=MODE)
    return outcome


def run(
    network: EventNetwork, setting: Deployment, store: EventStore, indices: np.ndarray, settings: Deploy, threads: int
) -> RunResult:
    """The recordings on the engine, in blocks, so that memory does not grow with the data set."""
    engine = setting.engine(network)
    times = [round(1000 * ms) for ms in sorted(settings.times_ms)]
    checkpoints: dict[str, Sequence[float]] = {"times_us": times, "fractions": sorted(settings.fractions)}
    parts = []
    with tqdm(total=len(indices), desc=setting.name, unit="recording", file=sys.stderr, ncols=110) as bar:
        for block in np.split(indices, range(BLOCK, len(indices), BLOCK)):
            begun = bar.n

            def progress(done: int, _: int, begun: int = begun) -> None:
                bar.update(begun + done - bar.n)

            batch = gathered(store, block)
            parts.append(engine.run_batch(*batch, threads=threads, checkpoints=checkpoints, progress=progress))
    of_all = {"times_us", "fractions", "trace"}  # not one a recording
    joined: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(RunResult)
        if f.name not in of_all
    }
    return replace(parts[0], **joined)


def fine_tuned(experiment: Experiment, network: Network, epochs: int) -> Network:
    """The network after `epochs` more epochs by its own method, at a tenth of the recipe's learning rate [ours]."""
    e = experiment
    if e.method.teacher(e.params) is not None:
        raise ConfigError(f"deploy.bias_free_epochs: {e.cell.method} learns from a teacher and is not fine-tuned here")
    splits = e.splits()
    training = e.training_run(splits, epochs=epochs)
    training.train = training.train.model_copy(update={"lr": training.train.lr / 10})
    result = fit(
        network,
        e.method,
        e.params,
        training,
        splits,
        seed=e.cell.seed,
        checkpoint=fine_tuning_checkpoint(e),
        identity=e.identity(),
    )
    assert isinstance(result.network, Network), "a method strips to the network that it was given"
    return result.network.eval()


def fine_tuning_checkpoint(experiment: Experiment) -> Path:
    return experiment.folder.path / "bias_free.pt"


def to_events(experiment: Experiment, network: Network, store: EventStore) -> EventNetwork:
    """The network as the engine takes it; raises ConfigError, naming the layer, where it cannot be deployed."""
    sensor, cell = store.sensor, experiment.cell
    shape = (sensor.polarities, sensor.height, sensor.width)
    meta = {"cell": cell.key, "token": experiment.token, "dataset_version": store.version}
    frame_us = store.manifest["events"]["duration_us_mean"] / cell.t_train
    # A method may give its neurons another initial membrane than the configured one.
    neuron = next((m.spec for m in network.modules() if isinstance(m, Neuron)), experiment.neuron)
    return export(network, neuron, shape, store.classes, meta, frame_us)


@torch.no_grad()
def clock_driven(network: nn.Module, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """(predictions [n], readout summed over time [n, K])."""
    predicted, counts = [], []
    for x, _ in frames.in_order(BATCH):
        outputs = network(x)
        predicted.append(decide(outputs, is_spiking(network)).cpu().numpy())
        counts.append(outputs.sum(0).cpu().numpy())
    return np.concatenate(predicted), np.concatenate(counts)


def gathered(store: EventStore, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(events of the recordings one after the other, offsets [n + 1])."""
    parts = [store.events(int(i)) for i in indices]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)


def event_metrics(
    mode: str, network: EventNetwork, result: RunResult, labels: np.ndarray, energy_pj_per_synop: float
) -> Outcome:
    """Accuracy, spikes, synaptic operations and modelled energy of one event-driven mode; means over recordings."""
    outcome = Outcome()
    synops = result.synops.sum(1).mean()
    values = {
        "accuracy": (result.prediction == labels).mean(),
        "no_output": (result.prediction == -1).sum(),
        "events_in": result.n_events.mean(),
        "spikes": result.spikes.sum(1).mean(),
        "synops": synops,
        "energy_uj": synops * energy_pj_per_synop * 1e-6,  # modelled, never measured
        "saturated": result.saturated.sum(),
    }
    values |= {
        f"spikes_{population.name}": result.spikes[:, i].mean()
        for i, population in enumerate(network.populations)
        if population.spiking
    }
    values |= {
        f"synops_{synapse.source}_to_{synapse.target}": result.synops[:, i].mean()
        for i, synapse in enumerate(network.synapses)
    }
    # Time to the first correct decision, to the grid of `times_ms`; a recording that is never right has none.
    right = result.over_time == labels[:, None]
    values["never_correct"] = (~right.any(1)).sum()
    first = np.where(right.any(1), np.asarray(result.times_us)[right.argmax(1)], np.inf)
    if np.isfinite(median := np.median(first)):
        values["first_correct_us"] = median
    for metric, value in values.items():
        outcome.add(metric, float(value), mode=mode)
    return outcome


def differences(mode: str, result: RunResult, labels: np.ndarray, reference: ClockDriven) -> Outcome:
    """The change of accuracy against the clock-driven network at t_train, on the same recordings."""
    outcome = Outcome()
    outcome.add("difference", float((result.prediction == labels).mean()) - reference.accuracy, mode=mode)
    if reference.counts is not None:
        outcome.add("spike_difference", spike_difference(reference.counts, result.counts), mode=mode)
    return outcome


def spike_difference(reference: np.ndarray, counts: np.ndarray) -> float:
    """SD = Σ|s0 − s| / Σ s0 over the last layer's spike counts; s0: clock-driven. 0/0 is 0 (the MTT paper's SD)."""
    total = np.abs(reference).sum()
    difference = np.abs(reference - counts).sum()
    return float(difference / total) if total > 0 else float(difference > 0)


def accuracy_curves(mode: str, result: RunResult, labels: np.ndarray) -> Outcome:
    """Accuracy over elapsed time (x in microseconds) and over the fraction of events consumed."""
    outcome = Outcome()
    for curve, xs, decisions in (
        ("accuracy_over_time", result.times_us, result.over_time),
        ("accuracy_over_events", result.fractions, result.over_events),
    ):
        for x, predicted in zip(xs, decisions.T, strict=True):
            outcome.add_curve(mode, curve, float(x), float((predicted == labels).mean()))
    return outcome
