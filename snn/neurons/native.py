"""Where a neuron is one that SpikingJelly has kernels for: its own IF and LIF, on a GPU."""

from __future__ import annotations

from functools import cache
from math import isclose

import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based import surrogate as their
from torch import Tensor, nn

from snn.neurons.spec import NeuronSpec

# Our surrogate for each of SpikingJelly's that is one of ours, by their parameter α. The area under each is one.
SURROGATES = {
    their.ATan: lambda a: {"name": "arctan", "sharpness": a},
    their.Sigmoid: lambda a: {"name": "sigmoid", "sharpness": a},
    their.PiecewiseExp: lambda a: {"name": "exponential", "scale": a / 2, "sharpness": a},
    their.PiecewiseQuadratic: lambda a: {"name": "triangle", "height": a, "width": 1 / a},
    their.Rect: lambda a: {"name": "rectangle", "height": a, "width": 1 / a},
}


def kind(spec: NeuronSpec) -> str | None:
    """`if` or `lif`, SpikingJelly's name of the same neuron; None if it has none."""
    if spec.strict or spec.multi_spike or spec.v_min is not None or _surrogate(spec) is None:
        return None
    if spec.decay == 1.0:
        return "if"
    # LIFNode leaks towards v_reset, ours towards 0; its time constant is finite and above 1.
    return "lif" if spec.decay > 0.0 and spec.v_reset == 0.0 else None


def multi_step(x: Tensor, v: Tensor | None, spec: NeuronSpec) -> tuple[Tensor, Tensor]:
    """Spikes `[T, N, *]` and the state after the last step, by SpikingJelly's functions; for a `kind` that it has."""
    if v is None:
        v = torch.full(x.shape[1:], spec.v_start, device=x.device, dtype=torch.float32)
    reset = spec.v_reset if spec.reset == "hard" else None
    options = (spec.threshold, reset, _surrogate(spec), spec.detach_reset)
    if kind(spec) == "if":
        spikes, v, _ = functional.if_multi_step(x, v, *options)
    else:
        tau = 1.0 / (1.0 - spec.decay)  # v - v/τ = decay · v
        spikes, v, _ = functional.lif_multi_step(x, v, tau, False, *options)
    return spikes, v


def implementation(spec: NeuronSpec, device: torch.device) -> str:
    """What SpikingJelly says it runs there."""
    return f"spikingjelly-{functional.neuron_implementation(kind(spec), device)['implementation']}"


@cache
def _surrogate(spec: NeuronSpec) -> nn.Module | None:
    """SpikingJelly's surrogate that is the same, if there is one: α is our height where there is one, or sharpness."""
    ours = spec.surrogate.parameters(spec.threshold)
    alpha = ours.get("height", ours.get("sharpness"))
    for theirs, same in SURROGATES.items():
        given = same(alpha) if alpha else {}
        if given.pop("name", None) == spec.surrogate.name and all(isclose(ours[key], given[key]) for key in given):
            return theirs(alpha)
    return None
