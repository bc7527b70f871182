"""Phase probe: why a method does what it does, measured on one cell; the report's section *Mechanisms* draws it.

    gradients.py  norm through depth and first-layer histogram, in the first iterations of the cell's own training
    memory.py     bytes that one training step keeps for backward, against T
    timing.py     seconds of a training step, against T (if `probe.timed_steps` is set)
    agreement.py  surrogate gradient against finite differences of the loss (if `probe.epsilons` is set)
    landscape.py  validation loss around the trained weights (if `probe.landscape` is set)
    rates.py      firing rate of each layer of the trained network
    noise.py      accuracy of the trained network under noise on weights and on input

What follows epochs (Dspike's temperature, LTL's first epochs) is in the training's history, and accuracy over T in the
sweep: neither is measured twice.
"""

from __future__ import annotations

import torch

from snn.config.blocks import Probe
from snn.errors import Diverged
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.probe.agreement import agreement
from snn.phases.probe.gradients import gradients
from snn.phases.probe.landscape import landscape
from snn.phases.probe.memory import memory
from snn.phases.probe.noise import noise
from snn.phases.probe.rates import rates
from snn.phases.probe.timing import timing
from snn.phases.subset import stratified


def probe(experiment: Experiment) -> Outcome:
    """All probes of a trained cell."""
    e, settings, outcome = experiment, Probe(**experiment.spec["probe"]), Outcome()
    try:
        if e.method.trains:
            teacher = e.load_teacher()
            outcome.include(gradients(e, settings.iterations, teacher))
            outcome.include(memory(e, settings.t_memory, teacher))
            outcome.include(timing(e, settings, teacher))
            outcome.include(agreement(e, settings.epsilons, teacher))
    except Diverged as failure:
        outcome.status, outcome.reason = "diverged", str(failure)
        return outcome
    network, _ = e.load_network()
    positions = stratified(e.store, settings.recordings)
    x, y = e.frames("test", cached=False).batch(torch.from_numpy(positions))
    outcome.include(rates(network, x, t_train=e.cell.t_train))
    outcome.include(noise(e.cell, settings, network, x, y))
    outcome.include(landscape(e, settings, network))
    return outcome
