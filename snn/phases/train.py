"""Phase train: one cell's training -> weights, history, test predictions, metrics, record."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from snn.data.frames import Frames
from snn.errors import Diverged
from snn.models.stages import weight_count
from snn.neurons import implementation
from snn.phases._job import Job, load_teacher, write_csv
from snn.runtime import files
from snn.training import loop as training

HISTORY = [
    "epoch",
    "lr",
    "loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "test_accuracy",
    "seconds",
    "time_steps",
    "gradient_norm_first",
]


def train(
    job: Job, in_memory_mb: float, teacher: Path | None = None, live: Callable[[int, dict], None] | None = None
) -> None:
    """Train the cell, or resume its training, and write `<cell>/train/`.

    teacher: folder of the teacher's cell, for methods that learn from one. live: called after each epoch.
    A training that diverges is recorded as such; it is a result of this cell and does not stop the others.
    """
    store, checkpoint = job.store(), job.folder / "checkpoint.pt"
    splits = training.Splits(
        *(Frames(store, s, job.cell.t_train, in_memory_mb, job.device) for s in ("train", "validation", "test"))
    )
    epochs = job.method.epochs(job.params, job.train.epochs, job.cell.t_train)
    network = job.build(store)
    parameters = weight_count(network)
    bar = tqdm(total=epochs, desc=job.cell.key, unit="epoch", file=sys.stderr, ncols=110, mininterval=0)

    def report(epoch: int, row: dict[str, float]) -> None:
        bar.n = epoch
        bar.set_postfix({k: f"{row[k]:.3f}" for k in ("loss", "train_accuracy", "val_accuracy") if k in row})
        if live is not None:
            live(epoch, row)

    identity = job.token + f"-{store.version}"
    if teacher is not None:
        identity += "-" + files.sha256(teacher / "train" / "weights.pt")[:12]
    common: dict[str, Any] = {"dataset_version": store.version, "parameters": parameters}
    labels = {"index": splits.test.indices.astype(np.int64), "label": splits.test.labels.cpu().numpy()}
    try:
        run = job.run(store, splits, epochs, None if teacher is None else load_teacher(job, store, teacher))
        result = training.fit(
            network,
            job.method,
            job.params,
            run,
            splits,
            job.cell.seed,
            checkpoint,
            identity,
            job.spec["precision"],
            report,
        )
    except Diverged as failure:
        bar.close()
        print(f"{job.cell.key}: diverged: {failure}. The other cells go on.", file=sys.stderr, flush=True)
        write_history(job.out / "history.csv", failure.history)
        save_weights(job.out / "weights.pt", {}, {})
        job.write(labels, "diverged", str(failure), **common)
        checkpoint.unlink(missing_ok=True)
        return
    bar.close()
    add_metrics(job, result, labels["label"], parameters)
    write_history(job.out / "history.csv", result.history)
    save_weights(job.out / "weights.pt", result.network.state_dict(), result.running)
    t = job.cell.t_train
    predictions = {f"clock/{t}/accuracy": result.predictions, f"clock/{t}/accuracy_selected": result.selected}
    dtype = torch.bfloat16 if job.spec["precision"] == "bf16" else torch.float32
    job.write(labels | predictions, neurons=implementation(result.network, dtype), **common)
    checkpoint.unlink(missing_ok=True)


def add_metrics(job: Job, result: training.Result, labels: np.ndarray, parameters: int) -> None:
    t, history = job.cell.t_train, result.history
    job.add("accuracy", float((result.predictions == labels).mean()), t)
    job.add("accuracy_selected", float((result.selected == labels).mean()), t)
    job.add("accuracy_best_on_test", max(row["test_accuracy"] for row in history), t)
    job.add("accuracy_val", history[-1]["val_accuracy"], t)
    job.add("epochs", len(history), t)
    job.add("seconds", sum(row["seconds"] for row in history), t)
    job.add("time_steps", sum(row.get("time_steps", 0.0) for row in history), t)
    job.add("parameters", parameters, t)
    for metric in ("loss", "train_accuracy"):
        if metric in history[-1]:
            job.add(metric, history[-1][metric], t)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    extra = sorted({k for row in history for k in row} - set(HISTORY))
    write_csv(path, history, HISTORY + extra)


def save_weights(path: Path, network: dict, running: dict) -> None:
    """network: the state dict as evaluated; running: the normalisation statistics as training left them."""
    training.save(path, {"network": {k: v.cpu() for k, v in network.items()}, "running": running})
