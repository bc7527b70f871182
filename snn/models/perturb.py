"""What hardware does to a network: device mismatch, weights of few bits, membrane noise, silent neurons.

The protocol of LTL's robustness study; levels from the mixed-signal literature (Büchel et al. 2021) [told].

    mismatch σ   w' = w·(1 + σε),  θ_i = θ·(1 + σε_i),  d_i = d·(1 + σε_i) within [0, 1]      ε: standard normal
    bits b       w' = Δ·clip(round(w/Δ), ±(2^(b-1) - 1)),  one Δ a layer, of least squared error
    noise n      u[t] = d·v[t-1] + x[t] + n·θ·ξ[t]                                            ξ: standard normal
    silenced p   s[t] = 0 for round(p·n) of the n neurons of a layer

w: weight, w': what the chip computes with; θ_i, d_i: threshold and decay of one neuron, i over [C, H, W].

A *chip* is a seed: ε and the order in which neurons fall silent are drawn from it by layer and stay as they are; the
level only scales them, so that a chip at a higher level is the same chip, made worse. Only ξ is new at every step.

A chip has no normalisation: `folded` puts it into the weights first, and the grid of the bits is that of the folded
weights, as in event-driven deployment. Gradients pass through all of it, so that a network can learn on the chip:
through the rounding straight [ours], the weight that learns staying a float beside the grid, which does not move.

Ours, where the specification is silent: a decay of 1 is no leak at all and has nothing to vary; a threshold is kept
above a twentieth of θ; the lower clip and the reset level of a neuron vary with its threshold, of which they are
multiples on a chip; neurons of the readout are not silenced, since without one its class can never be the answer;
biases (of a folded BatchNorm) are neither rounded nor varied.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.models.norm import ScaleNorm
from snn.neurons import Neuron
from snn.runtime.seeds import derive

LEAST_THRESHOLD = 0.05


@dataclass(frozen=True)
class Disturbance:
    """Levels by kind; 0 is none of it. `mismatch`: σ; `bits`: of a weight; `noise`: in units of θ a step; `silenced`:
    share of the neurons of a layer."""

    mismatch: float = 0.0
    bits: int = 0
    noise: float = 0.0
    silenced: float = 0.0


def disturbed(network: nn.Module, how: Disturbance, chip: int, input_shape: tuple[int, int, int]) -> nn.Module:
    """A copy of `network` on the chip of this seed; its state dict has the same keys and holds the undisturbed weights.

    input_shape: (C, H, W) of a frame, from which the number of neurons in each layer follows.
    """
    functional.reset_net(network)  # what it remembers of its last input is no part of the copy
    network = copy.deepcopy(network)
    shapes, device = neuron_shapes(network, input_shape), next(network.parameters()).device
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            network.set_submodule(name, _on_chip(name, module, how, chip))
        elif isinstance(module, Neuron):
            network.set_submodule(name, DisturbedNeuron.drawn(name, module, shapes[name], how, chip).to(device))
    return network


def neuron_shapes(network: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """[C, H, W] (or [K]) of each layer of neurons by name, from one blank frame."""
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str):
        return lambda _module, _inputs, output: found.__setitem__(name, tuple(output.shape[2:]))

    handles = [m.register_forward_hook(note(name)) for name, m in network.named_modules() if isinstance(m, Neuron)]
    training, device = network.training, next(network.parameters()).device
    with torch.no_grad():
        network.eval()(torch.zeros(1, 1, *input_shape, device=device))
    network.train(training)
    for handle in handles:
        handle.remove()
    functional.reset_net(network)
    return found


def restart_noise(network: nn.Module, stream: int) -> None:
    """Begin the membrane noise anew, by the number of its stream: two evaluations then meet the same noise."""
    for module in network.modules():
        if isinstance(module, DisturbedNeuron):
            module.restart_noise(stream)


# --- neurons


class DisturbedNeuron(Neuron):
    """A layer of neurons on a chip. Shapes, state and surrogate as in `Neuron`.

    thresholds, decays: factor of θ and the decay of each neuron; alive: 1, or 0 for a silent neuron; all [C, H, W], or
    None for "as specified". noise: n.

    A threshold of m·θ is an input of x/m in a neuron whose membrane is counted in units of its own threshold, noise is
    one more input current, and a silent neuron's spikes do not leave it. So whatever implementation the neuron has
    computes the disturbed one too; decays of their own go step by step.
    """

    takes_factor = False

    def __init__(
        self,
        neuron: Neuron,
        thresholds: Tensor | None = None,
        decays: Tensor | None = None,
        noise: float = 0.0,
        alive: Tensor | None = None,
        noise_seed: int = 0,
    ):
        super().__init__(neuron.spec)
        self.surrogate_function = neuron.surrogate_function
        for key, value in (("thresholds", thresholds), ("decays", decays), ("alive", alive)):
            self.register_buffer(key, value, persistent=False)  # moves with the network, and is none of its weights
        self.noise = noise
        self.noise_seed, self.stream, self.generator = noise_seed, 0, None
        self.train(neuron.training)

    @classmethod
    def drawn(cls, name: str, neuron: Neuron, shape: tuple[int, ...], how: Disturbance, chip: int) -> DisturbedNeuron:
        """The layer `name` on the chip of this seed."""
        thresholds = decays = alive = None
        if how.mismatch:
            thresholds = (1 + how.mismatch * _normal(shape, chip, "threshold", name)).clamp_min(LEAST_THRESHOLD)
            if neuron.spec.decay < 1:
                decays = neuron.spec.decay * (1 + how.mismatch * _normal(shape, chip, "decay", name))
                decays = decays.clamp(0, 1)
        if how.silenced and not name.startswith("readout."):
            alive = torch.ones(shape).flatten()
            order = torch.randperm(alive.numel(), generator=_generator(chip, "silenced", name))
            alive[order[: round(how.silenced * alive.numel())]] = 0
            alive = alive.view(shape)
        return cls(neuron, thresholds, decays, how.noise, alive, derive(chip, "disturbance", "noise", name))

    def restart_noise(self, stream: int) -> None:
        self.stream, self.generator = stream, None

    def _way(self, device: torch.device, dtype: torch.dtype):
        return "steps" if self.decays is not None else super()._way(device, dtype)

    def neuronal_charge(self, x: Tensor) -> None:
        if self.decays is None:
            return super().neuronal_charge(x)
        self.v = self.decays * (self.v if isinstance(self.v, Tensor) else torch.full_like(x, self.v)) + x

    def multi_step_forward(self, x_seq: Tensor) -> Tensor:
        if self.noise:
            x_seq = x_seq + self.noise * self.spec.threshold * self._noise_like(x_seq)
        if self.thresholds is not None:
            x_seq = x_seq / self.thresholds.to(x_seq.dtype)
        spikes = super().multi_step_forward(x_seq)
        return spikes if self.alive is None else spikes * self.alive

    def _noise_like(self, x: Tensor) -> Tensor:
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(derive(self.noise_seed, "disturbance", self.stream))
        *steps, channels = (*x.shape[:2], *x.shape[3:], x.shape[2])
        noise = torch.randn(*steps, channels, generator=self.generator, device=x.device, dtype=x.dtype)
        return noise.movedim(-1, 2)  # channels last in memory, as the currents are


# --- weights


class OnChip:
    """Mixed into a convolution or linear layer: it computes with what the chip holds of its weights."""

    def forward(self, x: Tensor) -> Tensor:
        # Found before the parameter of this name, by whatever way the layer itself uses its weights.
        self.__dict__["weight"] = self.held(self._parameters["weight"])
        try:
            return super().forward(x)
        finally:
            del self.__dict__["weight"]


class Held(nn.Module):
    """Weights w -> what the chip holds of them, w'; differentiable, the grid and the deviations fixed."""

    def __init__(self, weight: Tensor, how: Disturbance, chip: int, name: str):
        super().__init__()
        weight = weight.detach()
        self.top = 2 ** (how.bits - 1) - 1 if how.bits else 0
        deviation = how.mismatch * _normal(weight.shape, chip, "weight", name) if how.mismatch else torch.zeros(())
        self.register_buffer("factor", (1 + deviation).to(weight), persistent=False)
        self.register_buffer("step", best_step(weight, self.top), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        if self.top:
            rounded = to_grid(w.detach(), self.step, self.top)
            w = rounded + (w - w.detach())  # exactly the grid forward, the identity backward
        return w * self.factor


def to_grid(w: Tensor, step: Tensor, top: int) -> Tensor:
    """The nearest of the 2·top + 1 multiples of `step` around zero."""
    return step * (w / step).round().clamp(-top, top)


def best_step(w: Tensor, top: int, candidates: int = 50) -> Tensor:
    """Δ of least squared error among equal fractions of the one that just reaches the largest weight.

    That one itself would be no fair test of two or three bits: hardly any weight is as large as the largest, and the
    rest becomes zero [ours].
    """
    whole = w.abs().max().clamp_min(torch.finfo(w.dtype).tiny) / max(top, 1)
    steps = [whole * i / candidates for i in range(1, candidates + 1)] if top else [whole]
    return min(steps, key=lambda step: float((to_grid(w, step, top) - w).square().sum()))


def _on_chip(name: str, layer: nn.Module, how: Disturbance, chip: int) -> nn.Module:
    """The layer with its own parameters, computing with what the chip holds of them."""
    kind = type(f"Chip{type(layer).__name__}", (OnChip, type(layer)), {})
    new = kind.__new__(kind)
    new.__dict__ = {key: value.copy() if isinstance(value, dict) else value for key, value in vars(layer).items()}
    new.held = Held(layer.weight, how, chip, name)
    return new


# --- before it goes on the chip


@torch.no_grad()
def folded(network: nn.Module) -> nn.Module:
    """A copy without normalisation: each one's factor (in evaluation) is in the weights of the layer before it, the
    shift of a BatchNorm in that layer's bias. The same function, but for rounding."""
    functional.reset_net(network)
    network = copy.deepcopy(network)
    for module in network.modules():
        before = None
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d | ScaleNorm) and isinstance(before, nn.Conv2d | nn.Linear):
                _fold(before, child)
                setattr(module, name, nn.Identity())
            elif hasattr(child, "reset_running_stats"):
                raise ConfigError(f"{name} ({type(child).__name__}): no layer before it to fold it into")
            before = child
    return network


def _fold(layer: nn.Conv2d | nn.Linear, norm: nn.Module) -> None:
    if isinstance(norm, ScaleNorm):
        factor = norm.scale()
        if layer.bias is not None:
            layer.bias.mul_(factor)
    else:
        factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        bias = 0.0 if layer.bias is None else layer.bias
        layer.bias = nn.Parameter(norm.bias + factor * (bias - norm.running_mean))
    layer.weight.mul_(factor.view(-1, *[1] * (layer.weight.ndim - 1)))


def _generator(chip: int, *what: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(chip, "disturbance", *what))


def _normal(shape: tuple[int, ...], chip: int, *what: str) -> Tensor:
    return torch.randn(shape, generator=_generator(chip, *what))
