"""Phase deploy: the trained network without a clock, on the event-driven engine, beside itself with one.

For each mode: accuracy, its difference from the clock at t_train on the same recordings, spikes, synaptic operations,
modelled energy, and the accuracy while a recording is still arriving. The network file that was run is kept.
"""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from snn.config.blocks import Deploy
from snn.data.frames import Frames
from snn.data.store import Store
from snn.errors import ConfigError, Diverged, UserError
from snn.events import EventNetwork, RunResult
from snn.models.export import export
from snn.models.fold import has_biases, without_biases
from snn.phases._job import Job, tested, write_csv
from snn.training.evaluate import BATCH, decide
from snn.training.loop import Splits, fit, is_spiking

BLOCK = 500
"""Recordings whose events are in memory at once."""


def deploy(job: Job, in_memory_mb: float) -> None:
    store, settings = job.store(), Deploy(**job.spec["deploy"])
    chosen, indices, labels, predictions = tested(store, settings.recordings)
    curves: list[dict[str, Any]] = []
    if reason := job.diverged():
        write_csv(job.out / "curves.csv", curves, ["mode", "curve", "x", "value"])
        return job.write(predictions, "diverged", reason)

    network, _ = job.trained(store)
    status, reasons = "ok", []
    try:
        if settings.bias_free_epochs is not None and has_biases(network):
            network = fine_tuned(job, store, without_biases(network), settings.bias_free_epochs, in_memory_mb)
        clock = at_clocks(job, store, network, settings, in_memory_mb, chosen, labels, predictions)
        deployable = to_events(job, store, network)
        deployable.save(job.out / "network.npz")
        for mode in settings.modes:
            try:
                result = run(deployable, mode, store, indices, settings, job.spec["threads"])
            except UserError as refusal:  # e.g. thresholds that leave the range of the integer mode
                reasons.append(f"{mode}: {refusal}")
                continue
            predictions[f"{mode}//accuracy"] = result.prediction
            add_metrics(job, mode, deployable, result, labels, settings)
            add_differences(job, mode, result, labels, clock, is_spiking(network))
            curves += curve_rows(mode, result, labels)
    except Diverged as failure:
        status, reasons = "diverged", [f"while it was fine-tuned without biases: {failure}"]
    except UserError as refusal:
        status, reasons = "refused", [str(refusal)]
    write_csv(job.out / "curves.csv", curves, ["mode", "curve", "x", "value"])
    job.write(predictions, status, "; ".join(reasons))


def at_clocks(
    job: Job,
    store: Store,
    network: nn.Module,
    settings: Deploy,
    in_memory_mb: float,
    chosen: np.ndarray,
    labels: np.ndarray,
    predictions: dict[str, np.ndarray],
) -> tuple[float, np.ndarray]:
    """Evaluate with clocks, at t_train and the finer ones; returns (accuracy, readout summed over time) at t_train."""
    for t in sorted({job.cell.t_train, *settings.t_clock}):
        predicted, counts = clock_driven(network, Frames(store, "test", t, in_memory_mb, job.device, chosen))
        predictions[f"clock/{t}/accuracy"] = predicted
        accuracy = float((predicted == labels).mean())
        job.add("accuracy", accuracy, t)
        if t == job.cell.t_train:
            reference = accuracy, counts
    return reference


def run(
    network: EventNetwork, mode: str, store: Store, indices: np.ndarray, settings: Deploy, threads: int
) -> RunResult:
    """The recordings on the engine, in blocks, so that memory does not grow with the data set."""
    engine = network.engine(mode=mode.split("-")[1], order="depth" if mode.endswith("-depth") else "breadth")
    times = [round(1000 * ms) for ms in sorted(settings.times_ms)]
    checkpoints = {"times_us": times, "fractions": sorted(settings.fractions)}
    parts = []
    with tqdm(total=len(indices), desc=mode, unit="recording", file=sys.stderr, ncols=110) as bar:
        for block in np.split(indices, range(BLOCK, len(indices), BLOCK)):
            begun = bar.n

            def progress(done: int, _: int, begun: int = begun) -> None:
                bar.update(begun + done - bar.n)

            batch = gathered(store, block)
            parts.append(engine.run_batch(*batch, threads=threads, checkpoints=checkpoints, progress=progress))
    shared = {"times_us", "fractions", "trace"}
    return replace(
        parts[0],
        **{
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(RunResult)
            if f.name not in shared
        },
    )


def fine_tuned(job: Job, store: Store, network: nn.Module, epochs: int, in_memory_mb: float) -> nn.Module:
    """The network trained on for so many epochs by its own method, at a tenth of the recipe's learning rate [ours]."""
    if job.method.teacher:
        raise ConfigError(
            f"deploy.bias_free_epochs: {job.cell.method} learns from a teacher and is not fine-tuned here"
        )
    parts = (Frames(store, s, job.cell.t_train, in_memory_mb, job.device) for s in ("train", "validation", "test"))
    splits = Splits(*parts)
    run = job.run(store, splits, epochs)
    run.train = run.train.model_copy(update={"lr": run.train.lr / 10})
    checkpoint = job.folder / "bias_free.pt"
    identity = f"{job.token}-{store.version}"
    result = fit(network, job.method, job.params, run, splits, job.cell.seed, checkpoint, identity)
    checkpoint.unlink(missing_ok=True)
    return result.network.eval()


def to_events(job: Job, store: Store, network: nn.Module) -> EventNetwork:
    sensor = store.sensor
    shape = (sensor.polarities, sensor.height, sensor.width)
    meta = {"cell": job.cell.key, "token": job.token, "dataset_version": store.version}
    frame_us = store.manifest["events"]["duration_us_mean"] / job.cell.t_train
    return export(network, job.neuron, shape, store.classes, meta, frame_us)


@torch.no_grad()
def clock_driven(network: nn.Module, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """(predictions [n], readout summed over time [n, K])."""
    predicted, counts = [], []
    for x, _ in frames.in_order(BATCH):
        outputs = network(x)
        predicted.append(decide(outputs, is_spiking(network)).cpu().numpy())
        counts.append(outputs.sum(0).cpu().numpy())
    return np.concatenate(predicted), np.concatenate(counts)


def gathered(store: Store, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(events of the recordings one after the other, offsets [n + 1])."""
    parts = [store.events(int(i)) for i in indices]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)


def add_metrics(
    job: Job, mode: str, network: EventNetwork, result: RunResult, labels: np.ndarray, settings: Deploy
) -> None:
    synops = result.synops.sum(1).mean()
    values = {
        "accuracy": (result.prediction == labels).mean(),
        "no_output": (result.prediction == -1).sum(),
        "events_in": result.n_events.mean(),
        "spikes": result.spikes.sum(1).mean(),
        "synops": synops,
        "energy_uj": synops * settings.energy_pj_per_synop * 1e-6,  # modelled, never measured
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
        job.add(metric, float(value), mode=mode)


def add_differences(
    job: Job, mode: str, result: RunResult, labels: np.ndarray, clock: tuple[float, np.ndarray], spiking: bool
) -> None:
    """What is lost against the clock at t_train, on the same recordings."""
    accuracy, counts = clock
    job.add("difference", float((result.prediction == labels).mean()) - accuracy, mode=mode)
    if spiking:
        job.add("spike_difference", spike_difference(counts, result.counts), mode=mode)


def spike_difference(reference: np.ndarray, counts: np.ndarray) -> float:
    """SD = Σ|s0 − s| / Σ s0 over the last layer's spike counts; s0: with the clock. 0/0 is 0 (the MTT paper's SD)."""
    total = np.abs(reference).sum()
    difference = np.abs(reference - counts).sum()
    return float(difference / total) if total > 0 else float(difference > 0)


def curve_rows(mode: str, result: RunResult, labels: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for curve, xs, decisions in (
        ("accuracy_over_time", result.times_us, result.over_time),
        ("accuracy_over_events", result.fractions, result.over_events),
    ):
        for x, predicted in zip(xs, decisions.T, strict=True):
            rows.append({"mode": mode, "curve": curve, "x": float(x), "value": float((predicted == labels).mean())})
    return rows
