"""The loss around a trained network: how flat the minimum is that its method found.

    L(w + α d),    d_f = ε_f · |w_f| / |ε_f|,    ε standard normal        (Li et al., NeurIPS 2018, arXiv 1712.09913)

d is a random direction in the weights of all convolutions and linear layers, in which each filter f (the weights into
one channel or neuron) has the norm of its own weights: a network whose weights are larger is not taken for a flatter
one. Normalisation and biases stay. L is the cross-entropy on the validation split, in evaluation. The MTT paper claims
better generalisation; that this is the measure to see it by is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snn.config.blocks import Probe
from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.probe.gradients import training_at
from snn.phases.probe.noise import generator_of
from snn.phases.subset import stratified
from snn.training.evaluate import BATCH, assess, is_spiking


def landscape(experiment: Experiment, settings: Probe, network: nn.Module) -> Outcome:
    """Curve `loss_landscape` (x: α from the largest negative to the largest positive distance, value: L, mean over
    `draws` directions); metrics `loss_rise_<α>`: mean of L(w + αd) and L(w - αd), minus L(w)."""
    e, outcome = experiment, Outcome()
    if not settings.landscape:
        return outcome
    run, splits = training_at(e, e.cell.t_train, None)
    positions = stratified(e.store, settings.recordings, "validation")
    x, y = splits.validation.batch(torch.from_numpy(positions))
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    before = [w.detach().clone() for w in weights]
    distances = sorted({0.0, *settings.landscape, *(-a for a in settings.landscape)})
    losses = dict.fromkeys(distances, 0.0)
    for i in range(settings.draws):
        random = generator_of(e.cell.seed, "landscape", i)
        directions = [direction(w, random) for w in before]
        for alpha in distances:
            with torch.no_grad():
                for w, old, d in zip(weights, before, directions, strict=True):
                    w.copy_(old + alpha * d)
            batches = zip(x.split(BATCH, 1), y.split(BATCH), strict=True)
            losses[alpha] += assess(network, batches, is_spiking(network), run.decode)[0] / settings.draws
    with torch.no_grad():
        for w, old in zip(weights, before, strict=True):
            w.copy_(old)
    for alpha in distances:
        outcome.add_curve("clock", "loss_landscape", alpha, losses[alpha])
    for alpha in sorted(settings.landscape):
        outcome.add(f"loss_rise_{alpha:g}", (losses[alpha] + losses[-alpha]) / 2 - losses[0.0], e.cell.t_train)
    return outcome


def direction(weight: Tensor, generator: torch.Generator) -> Tensor:
    """A random direction of the shape of `weight` whose filters (first dimension) have the norms of the weight's."""
    random = torch.randn(weight.shape, generator=generator).to(weight)
    dimensions = list(range(1, weight.ndim))
    norms = [torch.linalg.vector_norm(v, dim=dimensions, keepdim=True) for v in (weight, random)]
    return random * norms[0] / norms[1]
