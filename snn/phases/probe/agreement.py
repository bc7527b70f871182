"""How well a method's surrogate gradient agrees with finite differences of its true loss, against their step ε.

Dspike chooses its temperature by this cosine, at an ε whose value is not known here. The loss of a spiking network is
piecewise constant: a small ε gives differences that are 0 or the jumps of single spikes, and a large one leaves the
neighbourhood of the weights. Measured are the weights of the first layer of the trained network, on training recordings
of the cell, with the surrogate that the method begins with (of Dspike, b_0). Left out are methods without one loss that
is differentiated as a whole (LTL, MTT) and those that add weights for training only (Shortcut), which are not kept.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from snn.methods.shared.finite_differences import evenly_spaced, finite_differences
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.probe.gradients import layers, training_at
from snn.training.method import Method

SAMPLES, WEIGHTS = 32, 48
"""Recordings that the loss is the mean of, and the maximum number of weights, evenly spaced [ours]."""


def agreement(experiment: Experiment, epsilons: list[float], teacher: nn.Module | None) -> Outcome:
    """Curves `gradient_cosine` (x: ε, value: cosine similarity, 0 if all differences are) and `finite_differences`
    (value: fraction of the differences that are not 0); metrics `gradient_cosine_<ε>`."""
    e, outcome = experiment, Outcome()
    if not epsilons or e.method.loss is Method.loss:
        return outcome
    run, splits = training_at(e, e.cell.t_train, teacher)
    network, _ = e.load_network()
    method = e.method(e.params, run)
    model = method.prepare(network)
    if len(list(model.parameters())) != len(list(network.parameters())):
        return outcome
    model.train()
    x, y = splits.train.batch(torch.arange(min(SAMPLES, len(splits.train))))
    weight = next(iter(layers(network).values())).weight
    positions = evenly_spaced(weight.numel(), WEIGHTS).to(weight.device)
    (gradient,) = torch.autograd.grad(method.loss(model, x, y)[0], weight)
    for epsilon in sorted(epsilons):
        differences = finite_differences(lambda: method.loss(model, x, y)[0], weight, positions, epsilon)
        cosine = cosine_similarity(differences, gradient.flatten()[positions], dim=0).item()
        outcome.add(f"gradient_cosine_{epsilon:g}", cosine, e.cell.t_train)
        outcome.add_curve("clock", "gradient_cosine", epsilon, cosine)
        outcome.add_curve("clock", "finite_differences", epsilon, (differences != 0).float().mean().item())
    return outcome
