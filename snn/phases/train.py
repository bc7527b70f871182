"""Phase train: one cell's training -> weights, history, test predictions, metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from snn.errors import Diverged
from snn.models.stages import weight_count
from snn.neurons import implementation
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.processes import joined
from snn.training.divided import Group
from snn.training.loop import Splits, fit
from snn.training.progress import Result

OnEpoch = Callable[[int, dict[str, float]], None]


def train(experiment: Experiment, on_epoch: OnEpoch | None = None) -> Outcome:
    """Train the cell, or resume its training from its checkpoint.

    on_epoch: called with the number and the history's row of each finished epoch.
    A training that diverges is recorded as such; it is a result of this cell and does not stop the others.
    """
    e, cell = experiment, experiment.cell
    splits = e.splits()
    labels = {"index": splits.test.indices.astype(np.int64), "label": splits.test.labels.cpu().numpy()}
    about: dict[str, Any] = {"dataset_version": e.store.version, "parameters": weight_count(e.build_network())}
    with tqdm(total=e.epochs, desc=cell.key, unit="epoch", file=sys.stderr, ncols=110, mininterval=0) as bar:
        try:
            with joined(e, _help) as group:
                result = _fit(e, splits, group, partial(_report, bar, on_epoch))
        except Diverged as failure:
            bar.close()
            print(f"{cell.key}: diverged: {failure}. The other cells go on.", file=sys.stderr, flush=True)
            return Outcome(
                "diverged",
                str(failure),
                predictions=labels,
                history=failure.history,
                weights={"network": {}, "running": {}},
                record=about,
                superseded=[e.folder.checkpoint],
            )
    t = cell.t_train
    dtype = torch.bfloat16 if e.precision == "bf16" else torch.float32
    outcome = Outcome(
        predictions=labels
        | {f"clock/{t}/accuracy": result.predictions, f"clock/{t}/accuracy_selected": result.selected},
        history=result.history,
        weights={
            "network": {name: value.cpu() for name, value in result.network.state_dict().items()},
            "running": result.running,
        },
        record={"neurons": implementation(result.network, dtype), **about},
        superseded=[e.folder.checkpoint],
    )
    numbers = result.history, result.predictions, result.selected, labels["label"]
    outcome.include(training_metrics(*numbers, parameters=about["parameters"], t=t))
    return outcome


def _fit(e: Experiment, splits: Splits, group: Group | None, on_epoch: OnEpoch) -> Result:
    return fit(
        e.initial_network(),
        e.method,
        e.params,
        e.training_run(splits, epochs=e.epochs, teacher=e.load_teacher()),
        splits,
        seed=e.cell.seed,
        checkpoint=e.folder.checkpoint,
        identity=e.identity(e.teacher, e.start),
        precision=e.precision,
        group=group,
        on_epoch=on_epoch,
    )


def _help(e: Experiment, group: Group) -> None:
    """What the further processes of a training do."""
    _fit(e, e.splits(), group, lambda epoch, row: None)


def _report(bar: tqdm, on_epoch: OnEpoch | None, epoch: int, row: dict[str, float]) -> None:
    bar.n = epoch
    bar.set_postfix({key: f"{row[key]:.3f}" for key in ("loss", "train_accuracy", "val_accuracy") if key in row})
    if on_epoch is not None:
        on_epoch(epoch, row)


def training_metrics(
    history: list[dict[str, float]],
    last: np.ndarray,
    selected: np.ndarray,
    labels: np.ndarray,
    *,
    parameters: int,
    t: int,
) -> Outcome:
    """The metrics of a training at T = t: test accuracies, cost, size, and the last epoch's loss.

    last, selected: predictions [n] for the test split after the last epoch and after the best validation epoch.
    """
    outcome = Outcome()
    outcome.add("accuracy", float((last == labels).mean()), t)
    outcome.add("accuracy_selected", float((selected == labels).mean()), t)
    outcome.add("accuracy_best_on_test", max(row["test_accuracy"] for row in history if "test_accuracy" in row), t)
    outcome.add("accuracy_val", history[-1]["val_accuracy"], t)
    outcome.add("epochs", len(history), t)
    outcome.add("seconds", sum(row["seconds"] for row in history), t)
    outcome.add("time_steps", sum(row.get("time_steps", 0.0) for row in history), t)
    outcome.add("parameters", parameters, t)
    for metric in ("loss", "train_accuracy"):
        if metric in history[-1]:
            outcome.add(metric, history[-1][metric], t)
    return outcome
