"""Surrogate derivatives of the spike, ds/du = g(u): one shape and up to three numbers each.

Every surrogate of the suite depends on the membrane only through its distance to the threshold, so each is

    g(u) = a · shape(|z|; b), and 0 for |z| > c,   z = u - θ

with the shapes below. The fused kernels (`snn/kernels/neuron.py`) take the same `(shape, a, b, c)`. So there is one
place where a parameter of the configuration becomes a number of a formula: `Surrogate.constants`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snn.kernels.shapes import EXPONENTIAL, LORENTZ, SECH2, TRIANGLE, WINDOW
from snn.neurons.spec import NeuronSpec

SHAPE = {
    "rectangle": WINDOW,
    "boxcar": WINDOW,
    "triangle": TRIANGLE,
    "exponential": EXPONENTIAL,
    "arctan": LORENTZ,
    "sigmoid": SECH2,
    "dspike": SECH2,
}


class Constants(NamedTuple):
    """g(u) = a · shape(|z|; b), and 0 for |z| > c.

    WINDOW: 1[|z| < b]    TRIANGLE: max(0, 1 - b|z|)    EXPONENTIAL: exp(-b|z|)
    LORENTZ: 1/(1 + (bz)²)    SECH2: 1 - tanh²(bz) = 4e/(1+e)², e = exp(-2b|z|)
    """

    shape: int
    a: float
    b: float
    c: float


class Surrogate(nn.Module):
    """The surrogate derivative of one neuron; see `SurrogateSpec` for the formulas and their units.

    **Dspike and the chain rule.** D_b is a function of x = u/(2θ), which puts the threshold at ½. Backpropagation
    needs ds/du = D_b'(x) · dx/du = D_b'(x)/(2θ). With that factor the area under g is one, as it is for the spike's
    own step; at the paper's threshold of 0.5 the factor is 1.

    **Periodic** (ours): z is taken from the nearest positive multiple of θ, z = u - θ·max(1, ⌊u/θ + ½⌋). A
    multi-spike neuron's ⌊u/θ⌋ steps at every multiple; the published form sees the first step only, so the
    gradient of a unit that fires often vanishes.

    `temperature` (Dspike's b) may be set at any time; the next forward pass uses it. It is not in the state dict, since
    inference does not depend on it: a method that changes it has to save it.
    """

    def __init__(self, spec: NeuronSpec) -> None:
        super().__init__()
        self.name = spec.surrogate.name
        self.threshold = spec.threshold
        self.periodic = spec.surrogate.periodic
        self._parameters_in_force = spec.surrogate.parameters(spec.threshold)

    @property
    def temperature(self) -> float:
        """b of Dspike, without unit; AttributeError for the other surrogates, ValueError if set to b ≤ 0."""
        if self.name != "dspike":
            raise AttributeError(f"surrogate {self.name!r} has no temperature")
        return self._parameters_in_force["temperature"]

    @temperature.setter
    def temperature(self, value: float) -> None:
        if self.name != "dspike":
            raise AttributeError(f"surrogate {self.name!r} has no temperature")
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"the temperature must be positive and finite, not {value}")
        self._parameters_in_force["temperature"] = float(value)

    @property
    def constants(self) -> Constants:
        """The numbers of the formula, at the present temperature."""
        p, shape = self._parameters_in_force, SHAPE[self.name]
        if shape == WINDOW:
            return Constants(shape, p["height"], p["width"] / 2, math.inf)
        if shape == TRIANGLE:
            return Constants(shape, p["height"], 1 / p["width"], math.inf)
        if shape == EXPONENTIAL:
            return Constants(shape, p["scale"], p["sharpness"], math.inf)
        if shape == LORENTZ:
            return Constants(shape, p["sharpness"] / 2, math.pi * p["sharpness"] / 2, math.inf)
        if self.name == "sigmoid":  # σ(1 - σ) = sech²/4 at half the argument
            return Constants(shape, p["sharpness"] / 4, p["sharpness"] / 2, math.inf)
        b, scale = p["temperature"], 2 * self.threshold
        return Constants(shape, b / (2 * math.tanh(b / 2)) / scale, b / scale, self.threshold)

    def gradient(self, u: Tensor, constants: Constants | None = None) -> Tensor:
        """g(u) of the membrane u before the reset, of u's shape, in 1/(unit of u)."""
        shape, a, b, c = constants or self.constants
        if self.periodic:
            z = (u - self.threshold * (u / self.threshold + 0.5).floor().clamp_min(1)).abs()
        else:
            z = (u - self.threshold).abs()
        if shape == WINDOW:
            return a * (z < b).to(u.dtype)
        if shape == TRIANGLE:
            return a * (1 - b * z).clamp_min(0)
        if shape == EXPONENTIAL:
            return a * torch.exp(-b * z)
        if shape == LORENTZ:
            return a / (1 + (b * z).square())
        # 1 - tanh² loses its digits to cancellation in the tails; in terms of e it does not.
        e = torch.exp(-2 * b * z)
        return (4 * a) * e / (1 + e).square() * (z <= c)

    def forward(self, u: Tensor, *, strict_threshold: bool, multi_spike: bool) -> Tensor:
        """Number of spikes of the membrane u before the reset, of u's shape; its derivative is `gradient`.

        strict_threshold: fire at u > θ instead of u ≥ θ; multi_spike: ⌊u/θ⌋ spikes, 0 for negative u.
        """
        return _Spike.apply(u, self, strict_threshold, multi_spike)

    def extra_repr(self) -> str:
        shown = ", ".join(f"{key}={value:g}" for key, value in self._parameters_in_force.items())
        return f"{self.name}, {shown}" + (", periodic" if self.periodic else "")


class _Spike(torch.autograd.Function):
    """s(u) in the forward pass; in the backward pass the incoming gradient times g(u)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, surrogate: Surrogate, strict_threshold: bool, multi_spike: bool) -> Tensor:
        ctx.save_for_backward(u)
        ctx.surrogate, ctx.constants = surrogate, surrogate.constants
        theta = surrogate.threshold
        if multi_spike:
            return (u / theta).floor().clamp_min(0)
        return (u > theta if strict_threshold else u >= theta).to(u.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (u,) = ctx.saved_tensors
        return grad * ctx.surrogate.gradient(u, ctx.constants), None, None, None
