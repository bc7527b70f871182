"""How far a training is: its result so far, and the state from which it goes on with the same bits."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snn.training.method import Method

Row = dict[str, float]
"""The numbers of one epoch in the history, by column."""
EVALUATED = {"test_accuracy", "val_accuracy"}
"""The columns of an epoch that was evaluated."""


@dataclass
class Result:
    """What a training gives.

    network: the stripped network after the last epoch; history: one row for each epoch; running: the normalisation
    statistics as training left them; predictions: classes of the test split after the last epoch, [n]; selected: those
    at the epoch with the best validation accuracy, [n].
    """

    network: nn.Module
    history: list[Row] = field(default_factory=list)
    running: dict[str, Tensor] = field(default_factory=dict)
    predictions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    selected: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass
class Progress:
    """A training between two epochs.

    optimizer: None for a method that trains nothing. generators: the streams of random numbers by name. epoch: the
    number of finished epochs; best: the best validation accuracy among them, -1 before the first.
    """

    method: Method[Any]
    model: nn.Module
    optimizer: torch.optim.Optimizer | None
    generators: dict[str, torch.Generator]
    result: Result
    best: float = -1.0
    epoch: int = 0

    def finish_epoch(self, row: Row, predicted: np.ndarray | None) -> None:
        """Note the numbers of an epoch and the classes that its network predicts for the test split, where it was
        evaluated."""
        self.epoch += 1
        self.result.history.append(row)
        if predicted is None:
            return
        self.result.predictions = predicted
        if row["val_accuracy"] > self.best:
            self.best, self.result.selected = row["val_accuracy"], predicted

    def state(self) -> dict[str, Any]:
        """All that a training needs to go on with the same bits."""
        assert self.optimizer is not None
        return {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "method": copy.deepcopy(self.method.state()),
            "generators": {name: g.get_state() for name, g in self.generators.items()},
            "history": self.result.history,
            "best": self.best,
            "predictions": torch.from_numpy(self.result.predictions),
            "selected": torch.from_numpy(self.result.selected),
            "running": self.result.running,
        }

    def restore(self, saved: dict[str, Any], epochs: int, n_test: int) -> None:
        """Go on from a state of a training of so many epochs and test samples.

        An exception of any type where it does not fit: before anything is trained, not in the middle of an epoch.
        """
        assert self.optimizer is not None
        self.model.load_state_dict(saved["model"])
        _restore_optimizer(self.optimizer, saved["optimizer"])
        self.method.load_state(saved["method"])
        for name, g in self.generators.items():
            g.set_state(saved["generators"][name])
        result = self.result
        result.history, self.best, self.epoch = _epochs(saved, epochs)
        n = n_test if any(row.keys() >= EVALUATED for row in result.history) else 0  # none before the first evaluation
        result.predictions, result.selected = (_predictions(saved[k], n) for k in ("predictions", "selected"))
        result.running, result.network = saved["running"], self.method.strip(self.model)
        check_statistics(result.running, result.network)


def _restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """torch compares the groups of parameters alone; a moment of another shape would fail at the first step."""
    before = [{key: type(value) for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    after = [{key: type(value) for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    if before != after:
        raise ValueError("the optimizer has other settings")
    names = {frozenset(moments) for moments in optimizer.state.values()}
    if len(names) > 1:
        raise ValueError("the optimizer's moments differ from parameter to parameter")
    for parameter, moments in optimizer.state.items():
        for value in moments.values():
            if not isinstance(value, Tensor) or (value.ndim and value.shape != parameter.shape) or value.is_complex():
                raise ValueError("a moment of the optimizer has another shape than its parameter")


def _epochs(saved: dict[str, Any], epochs: int) -> tuple[list[Row], float, int]:
    """(history, best validation accuracy, finished epochs), checked."""
    history, best, done = saved["history"], saved["best"], saved["epoch"]
    if type(done) is not int or not 1 <= done <= epochs or type(best) is not float or len(history) != done:
        raise ValueError("another number of epochs")
    for number, row in enumerate(history, 1):
        if row["epoch"] != number or not all(
            isinstance(key, str) and isinstance(value, int | float) for key, value in row.items()
        ):
            raise ValueError("a row of the history is damaged")
        if "seconds" not in row or 0 < len(EVALUATED & row.keys()) < len(EVALUATED):
            raise ValueError("a row of the history lacks numbers")
    return history, best, done


def _predictions(saved: Tensor, n: int) -> np.ndarray:
    """The classes that a checkpoint holds for the test split, [n]."""
    if saved.dtype != torch.int64 or saved.shape != (n,):
        raise ValueError("predictions for other recordings")
    return saved.numpy()


def check_statistics(running: dict[str, Tensor], network: nn.Module) -> None:
    """ValueError unless `running` holds a tensor for each buffer of the network, of its shape and type."""
    buffers = {name: (b.shape, b.dtype) for name, b in network.named_buffers()}
    if {name: (value.shape, value.dtype) for name, value in running.items()} != buffers:
        raise ValueError("statistics of another network")


def running_statistics(network: nn.Module) -> dict[str, Tensor]:
    """A copy of all buffers by name: what recalibration changes."""
    return {name: b.detach().clone() for name, b in network.named_buffers()}
