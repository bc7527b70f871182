"""The training loop that all methods share: order of data, optimiser, schedule, checkpoints, history, evaluation.

The result is the last epoch. Two further test accuracies are recorded: at the epoch with the best validation accuracy,
and the best of all epochs, the latter only to show how optimistic it is. Nothing is ever selected on the test set.
Epochs are those that were evaluated, each one unless `train.evaluate_every` says otherwise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snn.config.blocks import Train
from snn.data.augment import cutout, flipped, rolled, shifted
from snn.data.autoaugment import autoaugment
from snn.data.frames import Frames
from snn.errors import Diverged
from snn.models.stages import Network
from snn.runtime.seeds import Purpose, derive
from snn.training.checkpoint import load_checkpoint, readable, save
from snn.training.divided import Divided, Group
from snn.training.evaluate import BATCH, assess, is_spiking
from snn.training.method import Method, Run
from snn.training.optimisation import lr_factor, optimizer_for
from snn.training.progress import Progress, Result, Row, running_statistics

RECALIBRATION_BATCHES = 10


@dataclass
class Splits:
    """Frames of the three splits at the training's T."""

    train: Frames
    validation: Frames
    test: Frames


def generator(seed: int, purpose: Purpose) -> torch.Generator:
    """The stream of random numbers that a cell's seed gives for one purpose."""
    return torch.Generator().manual_seed(derive(seed, purpose))


def fit(
    network: Network,
    method_class: type[Method[Any]],
    params: Any,
    run: Run,
    splits: Splits,
    *,
    seed: int,
    checkpoint: Path,
    identity: str,
    precision: str = "float32",
    group: Group | None = None,
    on_epoch: Callable[[int, Row], None] = lambda epoch, row: None,
) -> Result:
    """Train `network` with a method and evaluate it after every epoch, or every `train.evaluate_every` of them.

    seed: of the cell; the streams of random numbers are derived from it. checkpoint: written after each epoch; if it is
    there and has the same `identity` (a digest of configuration and code), the training resumes from it. On a CPU a
    resumed training equals an uninterrupted one bit for bit, with the same number of threads on the same machine.
    precision: `float32` or `bf16`. group: the processes that share each batch, of which the first writes checkpoints;
    None: there is this one alone. on_epoch: called with the number and the history's row of each finished epoch.
    Raises Diverged when the loss or a weight is no longer a finite number.
    """
    recipe = run.train
    order, augmentation = generator(seed, "order"), generator(seed, "augmentation")
    method, evaluate, writes = method_class(params, run), assess_split, True
    if group is not None:
        method = divided = Divided(method, group)
        evaluate, writes = divided.assess, group.rank == 0
    model = method.prepare(network).to(run.device)
    spiking = is_spiking(method.strip(model))
    optimizer = optimizer_for(model.parameters(), recipe) if method.trains else None
    generators = {"order": order, "augmentation": augmentation, "steps": run.steps}
    progress = Progress(method, model, optimizer, generators, Result(model))
    if optimizer is not None and (saved := load_checkpoint(checkpoint, identity)):
        with readable(checkpoint):
            progress.restore(saved, run.epochs, len(splits.test))
    result = progress.result

    for epoch in range(progress.epoch + 1, (run.epochs if method.trains else 1) + 1):
        started = time.perf_counter()
        row: Row = {"epoch": epoch}
        if optimizer is not None:
            try:
                row |= _train_epoch(method, model, splits.train, optimizer, order, augmentation, precision, epoch)
            except Diverged as failure:
                failure.history = result.history
                raise
        result.running = running_statistics(method.strip(model))
        predicted = None
        if epoch % recipe.evaluate_every == 0 or epoch == run.epochs or optimizer is None:
            method.before_evaluation(model, recalibration_batches(splits.train, recipe.batch_size, seed))
            deployable = method.strip(model)
            row["val_loss"], predicted = evaluate(deployable, splits.validation, spiking, run.decode)
            row["val_accuracy"] = _accuracy(predicted, splits.validation)
            _, predicted = evaluate(deployable, splits.test, spiking, run.decode)
            row["test_accuracy"] = _accuracy(predicted, splits.test)
        row["seconds"] = time.perf_counter() - started
        progress.finish_epoch(row, predicted)
        if optimizer is not None and writes:
            save(checkpoint, {"identity": identity} | progress.state())
        on_epoch(epoch, row)
    result.network = method.strip(model)
    return result


def assess_split(
    network: nn.Module, frames: Frames, spiking: bool, decode: Callable[[Tensor], Tensor]
) -> tuple[float, np.ndarray]:
    """(mean cross-entropy, predicted classes `[n]`) of a whole split; see `assess`."""
    return assess(network, frames.in_order(BATCH), spiking, decode)


def _accuracy(predicted: np.ndarray, split: Frames) -> float:
    return float((predicted == split.labels.cpu().numpy()).mean())


def _train_epoch(
    method: Method[Any],
    model: nn.Module,
    frames: Frames,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    augmentation: torch.Generator,
    precision: str,
    epoch: int,
) -> Row:
    """One pass over the training split; returns its part of the history's row."""
    run, recipe = method.run, method.run.train
    model.train()
    losses, correct, seen, time_steps = 0.0, 0, 0, 0.0
    lr = recipe.lr
    first = next(p for p in method.strip(model).parameters() if p.ndim > 1)  # the first layer's weights
    gradient_norms = []
    iteration = (epoch - 1) * frames.batches(recipe.batch_size)
    batches = frames.shuffled(recipe.batch_size, order, lambda x: augmented(x, recipe, augmentation))
    for i, (x, y) in enumerate(batches, iteration):
        if seen == 0:
            method.start_epoch(model, epoch, (x, y))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(run.device.split(":")[0], torch.bfloat16, enabled=precision == "bf16"):
            step = method.step(model, x, y)
        if not math.isfinite(step.loss):
            raise Diverged(f"the loss became {step.loss} in epoch {epoch}")
        if first.grad is not None:
            gradient_norms.append(first.grad.norm())
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        lr = recipe.lr * lr_factor(i, run.iterations, recipe)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        losses += step.loss * len(y)
        correct += int((step.logits.argmax(1) == y).sum().item())
        seen += len(y)
        time_steps += step.time_steps * len(y)
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        raise Diverged(f"a weight is no longer a finite number after epoch {epoch}")
    row: Row = {"lr": lr, "loss": losses / seen, "train_accuracy": correct / seen, "time_steps": time_steps}
    if gradient_norms:
        row["gradient_norm_first"] = torch.stack(gradient_norms).mean().item()
    return row | method.end_epoch(model)


def augmented(x: Tensor, recipe: Train, augmentation: torch.Generator) -> Tensor:
    """The recipe's augmentation of counts, or pixels from 0 to 255, x `[T, N, C, H, W]`: drawn anew for each sample,
    the same at all its time steps."""
    a = recipe.augment
    x = shifted(x, a.crop, augmentation)
    x = rolled(x, a.roll, augmentation)
    x = flipped(x, augmentation) if a.flip else x
    x = autoaugment(x, augmentation) if a.autoaugment else x
    return cutout(x, a.cutout, augmentation)


def recalibration_batches(
    frames: Frames, batch_size: int, seed: int, count: int = RECALIBRATION_BATCHES
) -> Iterator[Tensor]:
    """Frames `[T, N, C, H, W]` of `count` training batches, the same ones in each call with one seed."""
    batches = frames.shuffled(batch_size, generator(seed, "recalibration"))
    for _, (x, _y) in zip(range(count), batches, strict=False):
        yield x
