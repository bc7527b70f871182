"""How long a training step takes, against T: forward and backward of one batch, without data and optimiser.

A measured time is that of this machine with all that ran beside it: no two runs agree, and it says something in
comparison with the other methods of the same run only. MTT and NMT draw other time steps in every step.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from snn.config.blocks import Probe
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.probe.first_step import first_step


def timing(experiment: Experiment, settings: Probe, teacher: nn.Module | None) -> Outcome:
    """Metric `seconds_per_step`, at each T of `t_memory` that the method can train at: the median of `timed_steps`
    steps of the recipe's batch size, after one that is not counted."""
    e, outcome = experiment, Outcome()
    for t in settings.t_memory if settings.timed_steps else []:
        if (first := first_step(e, t, e.recipe.batch_size, teacher)) is None:
            continue
        seconds = []
        for _ in range(1 + settings.timed_steps):
            first.model.zero_grad(set_to_none=True)
            started = time.perf_counter()
            first.run()
            if e.device != "cpu":
                torch.cuda.synchronize(e.device)
            seconds.append(time.perf_counter() - started)
        outcome.add("seconds_per_step", statistics.median(seconds[1:]), t)
    return outcome
