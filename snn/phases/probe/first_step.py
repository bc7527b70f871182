"""The first step of a cell's training at some T, to be measured."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.phases.experiment import Experiment
from snn.phases.probe.gradients import training_at
from snn.training.method import Method


class FirstStep(NamedTuple):
    """method, model: prepared for the step; x, y: its batch, frames `[T, N, C, H, W]` and labels `[N]`."""

    method: Method[Any]
    model: nn.Module
    x: Tensor
    y: Tensor
    autocast: torch.autocast

    def run(self) -> None:
        """Forward and backward; the gradients stay on the weights."""
        with self.autocast:
            self.method.step(self.model, self.x, self.y)


def first_step(experiment: Experiment, t: int, samples: int, teacher: nn.Module | None) -> FirstStep | None:
    """The step on `samples` recordings of the training split at T = t; None if the method cannot train at that T."""
    e = experiment
    try:
        e.method.check(e.params, t, e.recipe, e.neuron)
    except ConfigError:
        return None  # e.g. mixing time steps needs more than one
    run, splits = training_at(e, t, teacher)
    method = e.method(e.params, run)
    model = method.prepare(e.build_network()).to(e.device).train()
    x, y = splits.train.batch(torch.arange(min(samples, len(splits.train))))
    # What is set here has no influence on what is measured: two samples, the fewest that have a variance, which LTL's
    # statistics of the first batch need in a layer without width and height.
    method.start_epoch(model, 1, (x[:, :2], y[:2]))
    autocast = torch.autocast(e.device.split(":")[0], torch.bfloat16, enabled=e.precision == "bf16")
    return FirstStep(method, model, x, y, autocast)
