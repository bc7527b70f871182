"""SpikingJelly's own IF and LIF, for which it has kernels on a GPU, where a `NeuronSpec` means the same neuron."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isclose
from typing import Any

import torch
from spikingjelly.activation_based import functional, surrogate
from torch import Tensor, nn

from snn.neurons.spec import NeuronSpec

# For each of SpikingJelly's surrogates that this project has too: our name and parameters, from its parameter α.
# The area under each is one.
SURROGATES: dict[type[nn.Module], Callable[[float], dict[str, Any]]] = {
    surrogate.ATan: lambda alpha: {"name": "arctan", "sharpness": alpha},
    surrogate.Sigmoid: lambda alpha: {"name": "sigmoid", "sharpness": alpha},
    surrogate.PiecewiseExp: lambda alpha: {"name": "exponential", "scale": alpha / 2, "sharpness": alpha},
    surrogate.PiecewiseQuadratic: lambda alpha: {"name": "triangle", "height": alpha, "width": 1 / alpha},
    surrogate.Rect: lambda alpha: {"name": "rectangle", "height": alpha, "width": 1 / alpha},
}


def kind(spec: NeuronSpec) -> str | None:
    """`if`, `lif` or `plif`: which of SpikingJelly's neurons is the same; None if there is none."""
    if spec.strict_threshold or spec.multi_spike or spec.v_min is not None or _surrogate(spec) is None:
        return None
    if spec.decay == 1.0:
        return "if"
    # LIFNode leaks towards v_reset, ours towards 0; its time constant is finite and above 1.
    if spec.decay == 0.0 or spec.v_reset != 0.0:
        return None
    return "plif" if spec.learned_decay else "lif"


def multi_step(x: Tensor, v: Tensor | None, spec: NeuronSpec, w: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Spikes `[T, N, *]` and the state `[N, *]` after the last step, by SpikingJelly's functions.

    x `[T, N, *]`: input current; v `[N, *]`: state before the first step, None: at rest; w: the parameter of a learned
    decay. `kind(spec)` must not be None.
    """
    if v is None:
        v = torch.full(x.shape[1:], spec.v_start, device=x.device, dtype=torch.float32)
    reset = spec.v_reset if spec.reset == "hard" else None
    options = (spec.threshold, reset, _surrogate(spec), spec.detach_reset)
    if kind(spec) == "if":
        spikes, v, _ = functional.if_multi_step(x, v, *options)
    elif w is not None:
        spikes, v, _ = functional.plif_multi_step(x, v, w, False, *options)
    else:
        tau = 1.0 / (1.0 - spec.decay)  # v - v/τ = decay · v
        spikes, v, _ = functional.lif_multi_step(x, v, tau, False, *options)
    return spikes, v


def implementation(spec: NeuronSpec, device: torch.device) -> str:
    """What SpikingJelly reports that it runs on this device."""
    return f"spikingjelly-{functional.neuron_implementation(kind(spec), device)['implementation']}"


@cache
def _surrogate(spec: NeuronSpec) -> nn.Module | None:
    """SpikingJelly's surrogate with the same derivative, None if there is none. Its α is our height or sharpness."""
    parameters = spec.surrogate.parameters(spec.threshold)
    alpha = parameters.get("height", parameters.get("sharpness"))
    for function, ours in SURROGATES.items():
        candidate = ours(alpha) if alpha else {}
        same_shape = candidate.pop("name", None) == spec.surrogate.name
        if same_shape and all(isclose(parameters[key], value) for key, value in candidate.items()):
            return function(alpha)
    return None
