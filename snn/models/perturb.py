"""Simulated hardware non-idealities: device mismatch, weights of few bits, membrane noise, dead neurons.

The protocol of LTL's robustness study; levels from the mixed-signal literature (Büchel et al. 2021) [secondary source].

    mismatch σ        w' = w·(1 + σε),  θ_i = θ·(1 + σε_i),  d_i = d·(1 + σε_i) within [0, 1]   ε: standard normal
    bits b            w' = Δ·clip(round(w/Δ), ±(2^(b-1) - 1)),  one Δ a layer, of least squared error
    noise n           u[t] = d·v[t-1] + x[t] + n·θ·ξ[t]                                         ξ: standard normal
    dead_fraction p   s[t] = 0 for round(p·n) of the n neurons of a layer

w: weight, w': the weight that the chip computes with; θ_i, d_i: threshold and decay of one neuron, i over [C, H, W].

A *simulated chip* is a seed. ε and the order in which neurons die are drawn from it for each layer and stay as they
are; the level only scales them. So the chip at a higher level is the same chip with larger deviations. Only ξ is drawn
anew at every step.

Chips have no normalisation: fold it into the weights first (`snn.models.fold`), so that the rounded weights are those
of event-driven deployment. Gradients pass through all of it, so that a network can learn on the simulated chip; through
the rounding they pass straight [ours]: the learning weights stay floats, and Δ does not change.

Ours, where the specification is silent: a decay of 1 is no leak and is not varied; a threshold is at least a twentieth
of θ; the lower clip and the reset level of a neuron vary with its threshold, of which they are multiples on a chip;
readout neurons do not die, since then their class could never be the answer; biases (of a folded BatchNorm) are neither
rounded nor varied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn
from torch.nn import functional as F

from snn.errors import ConfigError
from snn.models.fold import M, copied
from snn.neurons import Neuron
from snn.neurons.neuron import Backend
from snn.runtime.seeds import derive

LEAST_THRESHOLD = 0.05


@dataclass(frozen=True)
class Perturbation:
    """Levels by kind; 0 is none of it. `mismatch`: σ; `bits`: of a weight; `noise`: n, in units of θ at each step;
    `dead_fraction`: part of the neurons of each layer that never spike."""

    mismatch: float = 0.0
    bits: int = 0
    noise: float = 0.0
    dead_fraction: float = 0.0


def perturbed(network: M, perturbation: Perturbation, chip_seed: int, input_shape: tuple[int, int, int]) -> M:
    """A copy of `network` on the simulated chip of this seed.

    Its state dict has the keys of `network` and holds the unperturbed weights. input_shape: (C, H, W) of a frame, from
    which the number of neurons in each layer follows. ConfigError for a layer that cannot be perturbed.
    """
    network = copied(network)
    shapes, device = neuron_shapes(network, input_shape), next(network.parameters()).device
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            network.set_submodule(name, _perturbed_layer(name, module, perturbation, chip_seed))
        elif isinstance(module, Neuron):
            neuron = PerturbedNeuron.drawn(name, module, shapes[name], perturbation, chip_seed)
            network.set_submodule(name, neuron.to(device))
    return network


def neuron_shapes(network: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """[C, H, W] (or [K]) of each layer of neurons by name, from the forward pass of one blank frame (C, H, W)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        return lambda _module, _inputs, output: shapes.__setitem__(name, tuple(output.shape[2:]))

    handles = [m.register_forward_hook(note(name)) for name, m in network.named_modules() if isinstance(m, Neuron)]
    training, device = network.training, next(network.parameters()).device
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, *input_shape, device=device))
    network.train(training)
    for handle in handles:
        handle.remove()
    functional.reset_net(network)
    return shapes


def restart_noise(network: nn.Module, stream: int) -> None:
    """Draw the membrane noise from the stream of this number, from its beginning: two evaluations that restart the
    same stream have the same noise."""
    for module in network.modules():
        if isinstance(module, PerturbedNeuron):
            module.restart_noise(stream)


# --- neurons


class PerturbedNeuron(Neuron):
    """A layer of neurons on a simulated chip. Shapes, state and surrogate as in `Neuron`.

    thresholds: factor of θ of each neuron; decay_factors: factor of its decay; alive: 1, or 0 for a dead neuron; all
    [C, H, W], or None for "as specified". noise: n.

    A threshold of m·θ is computed as an input of x/m into a neuron whose membrane is measured in units of its own
    threshold; noise is one more input current; the spikes of a dead neuron are multiplied by 0. So every
    implementation of the neuron can compute the perturbed one. Only decays of their own need the step-by-step one.
    """

    accepts_factor = False
    thresholds: Tensor | None
    decay_factors: Tensor | None
    alive: Tensor | None

    def __init__(
        self,
        neuron: Neuron,
        thresholds: Tensor | None = None,
        decay_factors: Tensor | None = None,
        noise: float = 0.0,
        alive: Tensor | None = None,
        noise_seed: int = 0,
    ):
        super().__init__(neuron.spec)
        self.surrogate_function = neuron.surrogate_function
        if neuron.spec.learned_decay:
            self.w = neuron.w
        for key, value in (("thresholds", thresholds), ("decay_factors", decay_factors), ("alive", alive)):
            self.register_buffer(key, value, persistent=False)  # moves with the network, but is not a weight of it
        self.noise = noise
        self.noise_seed, self.stream = noise_seed, 0
        self.generator: torch.Generator | None = None
        self.train(neuron.training)

    @classmethod
    def drawn(
        cls, name: str, neuron: Neuron, shape: tuple[int, ...], perturbation: Perturbation, chip_seed: int
    ) -> PerturbedNeuron:
        """The layer `name`, of neurons of this shape [C, H, W], on the simulated chip of this seed."""
        thresholds = decay_factors = alive = None
        if sigma := perturbation.mismatch:
            thresholds = (1 + sigma * _normal(shape, chip_seed, "threshold", name)).clamp_min(LEAST_THRESHOLD)
            if neuron.spec.decay < 1:
                decay_factors = 1 + sigma * _normal(shape, chip_seed, "decay", name)
        if perturbation.dead_fraction and not name.startswith("readout."):
            alive = torch.ones(shape).flatten()
            order = torch.randperm(alive.numel(), generator=_generator(chip_seed, "silenced", name))
            alive[order[: round(perturbation.dead_fraction * alive.numel())]] = 0
            alive = alive.view(shape)
        noise_seed = derive(chip_seed, "disturbance", "noise", name)
        return cls(neuron, thresholds, decay_factors, perturbation.noise, alive, noise_seed)

    def restart_noise(self, stream: int) -> None:
        """Draw the noise from the stream of this number, from its beginning."""
        self.stream, self.generator = stream, None

    @property
    def decays(self) -> Tensor | None:
        """The decay of each neuron, within [0, 1]; None for "as specified"."""
        return None if self.decay_factors is None else (self.decay * self.decay_factors).clamp(0, 1)

    def _backend(self, device: torch.device, dtype: torch.dtype) -> Backend:
        return "steps" if self.decay_factors is not None else super()._backend(device, dtype)

    def neuronal_charge(self, x: Tensor) -> None:
        decays = self.decays
        if decays is None:
            return super().neuronal_charge(x)
        self.v = decays * (self.v if isinstance(self.v, Tensor) else torch.full_like(x, self.v)) + x

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        if self.noise:
            x_seq = x_seq + self.noise * self.spec.threshold * self._noise_like(x_seq)
        if self.thresholds is not None:
            x_seq = x_seq / self.thresholds.to(x_seq.dtype)
        spikes = super().multi_step_forward(x_seq)
        return spikes if self.alive is None else spikes * self.alive

    def _noise_like(self, x: Tensor) -> Tensor:
        """Standard normal numbers of the shape of x [T, N, C, ...]."""
        if self.generator is None:
            seed = derive(self.noise_seed, "disturbance", self.stream)
            self.generator = torch.Generator(x.device).manual_seed(seed)
        shape = (*x.shape[:2], *x.shape[3:], x.shape[2])
        noise = torch.randn(shape, generator=self.generator, device=x.device, dtype=x.dtype)
        return noise.movedim(-1, 2)  # channels last in memory, as the currents are


# --- weights


class WeightPerturbation(nn.Module):
    """Weights w -> the weights w' that the chip computes with; differentiable, deviations and Δ are fixed.

    The weights are rounded first, then deviate: w' = Δ·clip(round(w/Δ))·(1 + σε).
    """

    factor: Tensor
    step: Tensor

    def __init__(self, weight: Tensor, perturbation: Perturbation, chip_seed: int, name: str):
        super().__init__()
        weight, sigma = weight.detach(), perturbation.mismatch
        self.top = 2 ** (perturbation.bits - 1) - 1 if perturbation.bits else 0
        deviation = sigma * _normal(weight.shape, chip_seed, "weight", name) if sigma else torch.zeros(())
        self.register_buffer("factor", (1 + deviation).to(weight), persistent=False)
        self.register_buffer("step", best_step(weight, self.top), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        if self.top:
            rounded = to_grid(w.detach(), self.step, self.top)
            w = rounded + (w - w.detach())  # exactly the rounded value forward, the identity backward
        return w * self.factor


class PerturbedConv2d(nn.Conv2d):
    """A convolution with the parameters of `layer` that computes with their perturbed values."""

    def __init__(self, layer: nn.Conv2d, perturbation: WeightPerturbation):
        padding = layer.padding if isinstance(layer.padding, str) else _pair(layer.padding)
        super().__init__(
            layer.in_channels, layer.out_channels, _pair(layer.kernel_size), _pair(layer.stride), padding,
            _pair(layer.dilation), layer.groups, layer.bias is not None, layer.padding_mode, device="meta",
        )  # fmt: skip
        self.weight, self.bias = layer.weight, layer.bias
        self.perturbation = perturbation
        self.convolution = type(layer)._conv_forward  # a subclass may compute it in its own way
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self, x, self.perturbation(self.weight), self.bias)


class PerturbedLinear(nn.Linear):
    """A linear layer with the parameters of `layer` that computes with their perturbed values."""

    def __init__(self, layer: nn.Linear, perturbation: WeightPerturbation):
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.perturbation = perturbation
        self.train(layer.training)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.perturbation(self.weight), self.bias)


def to_grid(w: Tensor, step: Tensor, top: int) -> Tensor:
    """w rounded to the nearest of the 2·top + 1 multiples of `step` around zero."""
    return step * (w / step).round().clamp(-top, top)


def best_step(w: Tensor, top: int, candidates: int = 50) -> Tensor:
    """Δ of least squared error among equal fractions of the one that just reaches the largest weight.

    With that one itself, two or three bits would be no fair test: hardly any weight is as large as the largest, and the
    others would become zero [ours].
    """
    whole = w.abs().max().clamp_min(torch.finfo(w.dtype).tiny) / max(top, 1)
    steps = [whole * i / candidates for i in range(1, candidates + 1)] if top else [whole]
    return min(steps, key=lambda step: float((to_grid(w, step, top) - w).square().sum()))


def _perturbed_layer(
    name: str, layer: nn.Conv2d | nn.Linear, perturbation: Perturbation, chip_seed: int
) -> PerturbedConv2d | PerturbedLinear:
    if type(layer).forward not in (nn.Conv2d.forward, nn.Linear.forward):
        raise ConfigError(f"{name} ({type(layer).__name__}): its forward may not use its weights as a plain layer does")
    weights = WeightPerturbation(layer.weight, perturbation, chip_seed, name)
    return PerturbedConv2d(layer, weights) if isinstance(layer, nn.Conv2d) else PerturbedLinear(layer, weights)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]


def _generator(chip_seed: int, *stream: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(chip_seed, "disturbance", *stream))


def _normal(shape: tuple[int, ...], chip_seed: int, *stream: str) -> Tensor:
    return torch.randn(shape, generator=_generator(chip_seed, *stream))
