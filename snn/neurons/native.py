"""Where a neuron is one that SpikingJelly has kernels for: its own IF and LIF, on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based import surrogate as their
from torch import Tensor

from snn.neurons.spec import NeuronSpec


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


def _surrogate(spec: NeuronSpec) -> Callable[[Tensor], Tensor] | None:
    p = spec.surrogate.parameters(spec.threshold)
    if spec.surrogate.name == "arctan":
        return their.ATan(p["sharpness"])
    if spec.surrogate.name == "sigmoid":
        return their.Sigmoid(p["sharpness"])
    if spec.surrogate.name == "triangle" and p["height"] * p["width"] == 1.0:
        return their.PiecewiseQuadratic(p["height"])
    if spec.surrogate.name == "exponential" and p["scale"] == p["sharpness"] / 2:
        return their.PiecewiseExp(p["sharpness"])
    return None
