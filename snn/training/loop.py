"""The training loop that all methods share: order of data, optimiser, schedule, checkpoints, history, evaluation.

The result is the last epoch. Test accuracy at the epoch with the best validation accuracy, and the best test accuracy
of all epochs, are recorded beside it, the latter only to show how optimistic it is. Nothing is ever chosen on the
test set.
"""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snn.config.blocks import Train
from snn.data.augment import cutout, flipped, rolled, shifted
from snn.data.autoaugment import autoaugment
from snn.data.frames import Frames
from snn.errors import DataError, Diverged
from snn.runtime import files
from snn.runtime.seeds import derive
from snn.training.evaluate import BATCH, assess
from snn.training.method import Method, Run

RECALIBRATION_BATCHES = 10


@dataclass
class Splits:
    """Frames of the three splits at the training's T."""

    train: Frames
    validation: Frames
    test: Frames


@dataclass
class Result:
    """network: the stripped network after the last epoch; history: one row an epoch; running: the normalisation
    statistics as training left them; predictions: of the test split at the last epoch; selected: the test predictions
    at the best validation epoch."""

    network: nn.Module
    history: list[dict[str, float]] = field(default_factory=list)
    running: dict[str, Tensor] = field(default_factory=dict)
    predictions: np.ndarray | None = None
    selected: np.ndarray | None = None


def optimizer_for(parameters: Any, train: Train) -> torch.optim.Optimizer:
    if train.optimizer == "sgd":
        return torch.optim.SGD(parameters, train.lr, train.momentum, weight_decay=train.weight_decay)
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, train.lr, weight_decay=train.weight_decay)


def rate(i: int, iterations: int, train: Train) -> float:
    """Factor on the learning rate at iteration i of all: linear warm-up, then cosine to zero, or constant."""
    warm = train.warmup * iterations
    if i < warm:
        return (i + 1) / (warm + 1)
    if train.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (i - warm) / max(1.0, iterations - warm)))


def generator(seed: int, purpose: Any) -> torch.Generator:
    return torch.Generator().manual_seed(derive(seed, purpose))


def fit(
    network: nn.Module,
    method_class: type[Method],
    params: Any,
    run: Run,
    splits: Splits,
    seed: int,
    checkpoint: Path,
    identity: str,
    precision: str = "float32",
    report: Callable[[int, dict[str, float]], None] = lambda epoch, row: None,
) -> Result:
    """Train `network` with a method and evaluate it after every epoch.

    checkpoint: written after each epoch, and resumed from if it is there and of the same `identity` (a digest of
    configuration and code); on a CPU the resumed training equals an undisturbed one bit for bit, at the same thread
    count on the same machine. report: called with each finished epoch's row.
    Raises Diverged when the loss or a weight is no longer a finite number.
    """
    train = run.train
    order, augment = generator(seed, "order"), generator(seed, "augmentation")
    generators = {"order": order, "augmentation": augment, "steps": run.steps}
    method = method_class(params, run)
    model = method.prepare(network).to(run.device)
    spiking = is_spiking(method.strip(model))
    optimizer = optimizer_for(model.parameters(), train) if method.trains else None
    result, best, done = Result(model), -1.0, 0
    if saved := load_checkpoint(checkpoint, identity):
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        method.load_state(saved["method"])
        for name, g in generators.items():
            g.set_state(saved["generators"][name])
        result.history, best, done = saved["history"], saved["best"], saved["epoch"]
        result.predictions, result.selected = (saved[k].numpy() for k in ("predictions", "selected"))
        result.running, result.network = saved["running"], method.strip(model)

    for epoch in range(done + 1, (run.epochs if method.trains else 1) + 1):
        started = time.perf_counter()
        row: dict[str, float] = {"epoch": epoch}
        if method.trains:
            try:
                row |= _train_epoch(method, model, splits.train, optimizer, order, augment, precision, epoch)
            except Diverged as failure:
                failure.history = result.history
                raise
        result.running = running_statistics(method.strip(model))
        method.before_evaluation(model, recalibration_batches(splits.train, train.batch_size, seed))
        deployable = method.strip(model)
        for name, split in (("val", splits.validation), ("test", splits.test)):
            loss, predicted = assess(deployable, split.in_order(BATCH), spiking, run.decode)
            row[f"{name}_accuracy"] = float((predicted == split.labels.cpu().numpy()).mean())
            if name == "val":
                row["val_loss"] = loss
        result.predictions = predicted
        if row["val_accuracy"] > best:
            best, result.selected = row["val_accuracy"], predicted
        row["seconds"] = time.perf_counter() - started
        result.history.append(row)
        if method.trains:
            save_checkpoint(checkpoint, identity, epoch, model, optimizer, method, generators, result, best)
        report(epoch, row)
    result.network = method.strip(model)
    return result


def _train_epoch(method, model, frames, optimizer, order, augment, precision, epoch) -> dict[str, float]:
    """One pass over the training split. Returns what it adds to the history's row."""
    run, train = method.run, method.run.train
    model.train()
    losses, correct, seen, time_steps, extra = 0.0, 0, 0, 0.0, None
    first = next(p for p in method.strip(model).parameters() if p.ndim > 1)  # the first layer's weights
    gradient_norms = []
    iteration = (epoch - 1) * math.ceil(len(frames) / train.batch_size)
    batches = frames.shuffled(train.batch_size, order, lambda x: augmented(x, train, augment))
    for i, (x, y) in enumerate(batches, iteration):
        if extra is None:
            extra = method.start_epoch(model, epoch, (x, y))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(run.device.split(":")[0], torch.bfloat16, enabled=precision == "bf16"):
            step = method.step(model, x, y)
        if not math.isfinite(step.loss):
            raise Diverged(f"the loss became {step.loss} in epoch {epoch}")
        if first.grad is not None:
            gradient_norms.append(first.grad.norm())
        if train.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        lr = train.lr * rate(i, run.iterations, train)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        losses += step.loss * len(y)
        correct += (step.logits.argmax(1) == y).sum().item()
        seen += len(y)
        time_steps += step.time_steps * len(y)
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        raise Diverged(f"a weight is no longer a finite number after epoch {epoch}")
    row = {"lr": lr, "loss": losses / seen, "train_accuracy": correct / seen, "time_steps": time_steps}
    if gradient_norms:
        row["gradient_norm_first"] = torch.stack(gradient_norms).mean().item()
    return row | (extra or {})


def augmented(x: Tensor, train: Train, augment: torch.Generator) -> Tensor:
    """Counts, or pixels from 0 to 255 [T, N, C, H, W], each sample changed in its own way at all its time steps."""
    a = train.augment
    x = shifted(x, a.crop, augment)
    x = rolled(x, a.roll, augment)
    x = flipped(x, augment) if a.flip else x
    x = autoaugment(x, augment) if a.autoaugment else x
    return cutout(x, a.cutout, augment)


def recalibration_batches(frames: Frames, batch_size: int, seed: int, count: int = RECALIBRATION_BATCHES):
    """Frames of `count` training batches, always the same ones at one seed."""
    batches = frames.shuffled(batch_size, generator(seed, "recalibration"))
    for _, (x, _y) in zip(range(count), batches, strict=False):
        yield x


def running_statistics(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all buffers, which is what recalibration changes."""
    return {name: b.detach().clone() for name, b in network.named_buffers()}


def is_spiking(network: nn.Module) -> bool:
    """Whether the readout of a network spikes."""
    return bool(getattr(getattr(network, "readout", None), "spiking", False))


def save_checkpoint(path: Path, identity, epoch, model, optimizer, method, generators, result, best) -> None:
    state = {
        "identity": identity,
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "method": copy.deepcopy(method.state()),
        "generators": {name: g.get_state() for name, g in generators.items()},
        "history": result.history,
        "best": best,
        "predictions": torch.from_numpy(result.predictions),
        "selected": torch.from_numpy(result.selected),
        "running": result.running,
    }
    save(path, state)


def save(path: Path, state: dict) -> None:
    """`torch.save`, whole or not at all; a full disk is an OSError as everywhere else (torch's own is not)."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    files.write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, identity: str) -> dict | None:
    """The checkpoint at `path`, or None if there is none or it belongs to another configuration or code."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True)
        if state["identity"] != identity:
            print(f"{path}: of another configuration or code version; starting from the beginning", flush=True)
            return None
        return state
    except Exception as error:
        reason = type(error).__name__
        raise DataError(
            f"{path}: not a readable checkpoint ({reason}); delete this file to train from the beginning"
        ) from None
