"""RateBP: rate-based backpropagation (Yu et al.; NeurIPS 2024; arXiv 2410.11488).

Two passes a batch. (i) T steps forward without a graph: each layer of neurons gives its mean rate r = mean_t s[t] and
an eligibility e, each normalisation the statistics of all T·N frames. (ii) One pass over mean rates with a graph, which
is differentiated: its input is mean_t x[t]; linear layers act on rates; a neuron passes the value r and the gradient e,

    rate = stop(r) + e·c - stop(e·c),      c: its input in (ii)                     so that d rate/dc = e

    e = (1/T) Σ_t f[t] g(u[t]),      f[0] = 1,      f[t+1] = 1 + f[t] · ∂u[t+1]/∂u[t]
        soft reset, detached            ∂u[t+1]/∂u[t] = λ
        soft reset, in the graph        λ (1 - θ g(u[t]))
        hard reset, detached            λ (1 - s[t])                                                          [ours]
        hard reset, in the graph        λ ((1 - s[t]) + (v_reset - u[t]) g(u[t]))
        with a lower bound              the same times 1[not clipped at t]                                    [ours]

    BatchNorm in (ii)    μ = stop(μ_all) + (μ_r - stop(μ_r)), the variance likewise;  γ (c - μ)/sqrt(σ² + eps) + β
    ScaleNorm in (ii)    P = stop(P_all) + (P_r - stop(P_r));  g c/sqrt(P + eps)                                  [ours]
    L = gradient_scale · CE(decode(o), y), its value from (i), its graph from (ii)

u[t]: membrane before the reset, g: the surrogate, λ: decay, θ: threshold; ·_all: over the currents of all steps, ·_r:
over those of the rates. e is what back-propagation through time with this surrogate gives for a current that is shifted
by the same amount at every step, e = Σ_τ ∂r/∂I[τ]. With T = 1 the method is standard direct training.

The published code multiplies the gradient of the loss by 1/T; the derivation does not ask for it, so `gradient_scale`
is 1 [ours]. For a hard, detached reset it uses the factor of the reset in the graph; here it has its own. Multi-spike
neurons work as they are: g is the surrogate of the number of spikes. Refused for maximum pooling, which does not
commute with the mean, for perturbed neurons, whose factors differ from neuron to neuron, and for other normalisations.

Both passes are computed block by block, so what is kept for backward does not grow with T.
Time steps: T at `FORWARD` and one with backward.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.config.blocks import Model, Train
from snn.errors import ConfigError
from snn.models.norm import ScaleNorm
from snn.models.stages import (
    ConvStage,
    DenseStage,
    Network,
    ResidualStage,
    blocks,
    channels_last,
    over_time,
    pooled,
)
from snn.neurons import Neuron
from snn.neurons.spec import NeuronSpec
from snn.training.method import FORWARD, Method, StepResult

Signal = tuple[Tensor, Tensor]
"""(the sequence `[T, N, ...]` of pass (i), without graph; the rates or mean currents `[N, ...]` of pass (ii))."""


class RateBP(Method[Network]):
    paper = "Yu et al., Advancing Training Efficiency of Deep SNNs through Rate-based Backpropagation, NeurIPS 2024"
    indivisible = "its gradient takes statistics of the batch itself, beside the normalisation layers"

    class Params(Model):
        gradient_scale: float = Field(1.0, gt=0, description="factor on the gradient; the published code has 1/T")

    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        if neuron.learned_decay:
            raise ConfigError("ratebp: no gradient reaches a learned decay; set neuron.learned_decay: false")

    def prepare(self, network: Network) -> Network:
        for name, block in blocks(network):
            if isinstance(block, ConvStage) and block.pool > 1 and block.pooling == "max":
                raise ConfigError(
                    f"{name}: ratebp needs `pooling: avg` or `stride`; a maximum is not that of the rates"
                )
        for name, module in network.named_modules():
            if isinstance(module, Neuron) and type(module) is not Neuron:
                raise ConfigError(f"{name}: ratebp has no eligibility for {type(module).__name__}")
            if hasattr(module, "reset_running_stats") and type(module) not in (ScaleNorm, nn.BatchNorm2d):
                raise ConfigError(f"{name}: ratebp has no rule for {type(module).__name__}; use norm: scale or batch")
        return network

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        steps = x.shape[0]
        signal = x, x.mean(0)
        for name, block in blocks(model):
            signal = through_block(name, block, (channels_last(signal[0]), signal[1]))
        outputs, rate = through_readout(model, signal)
        # The logits of the rates: decoding is a mean or a sum over time, and a sum is T means.
        of_rates = self.run.decode(rate[None]) * (steps if self.run.train.logits == "sum" else 1)
        logits = self.run.decode(outputs)
        loss = cross_entropy(logits + (of_rates - of_rates.detach()), y)
        (self.params.gradient_scale * loss).backward()
        return StepResult(loss.item(), logits, steps * FORWARD + 1)


def through_block(name: str, block: nn.Module, signal: Signal) -> Signal:
    """Both passes through one block of a network."""
    if isinstance(block, ConvStage):
        spikes, rate = through_neuron(block.neuron, weighted(block.conv, block.norm, signal))
        return pooled(spikes, block.pool), pooled(rate[None], block.pool)[0]
    if isinstance(block, DenseStage):
        flat = signal[0].flatten(2), signal[1].flatten(1)
        current = weighted(block.linear, block.norm, flat, as_map=True)
        return through_neuron(block.neuron, current)
    if isinstance(block, ResidualStage):
        inner = through_neuron(block.neuron1, weighted(block.conv1, block.norm1, signal))
        current = weighted(block.conv2, block.norm2, inner)
        if block.shortcut is not None:
            signal = weighted(block.shortcut, block.shortcut_norm, signal)
        return through_neuron(block.neuron2, (current[0] + signal[0], current[1] + signal[1]))
    raise ConfigError(f"{name} ({type(block).__name__}): ratebp has no rule for this block")


def through_readout(network: Network, signal: Signal) -> Signal:
    """(the readout `[T, N, K]`, its mean over time with the graph of pass (ii), `[N, K]`)."""
    readout = network.readout
    with torch.no_grad():
        current = readout.linear(pooled(signal[0], readout.pool).flatten(2))
    mean = readout.linear(pooled(signal[1][None], readout.pool)[0].flatten(1))
    if readout.neuron is None:
        return current, mean
    return through_neuron(readout.neuron, (current, mean))


def weighted(layer: nn.Module, norm: nn.Module, signal: Signal, as_map: bool = False) -> Signal:
    """norm(layer(signal)); as_map: the layer's output gets height and width 1 before the normalisation."""
    with torch.no_grad():
        current = over_time(layer, signal[0])
    mean = layer(signal[1])
    if as_map:
        current, mean = current[..., None, None], mean[..., None, None]
    if isinstance(norm, nn.Identity):
        return current, mean
    with torch.no_grad():
        normalised = over_time(norm, current)
        every = current.flatten(0, 1)
    return normalised, normalised_rates(norm, every, mean)


def normalised_rates(norm: nn.Module, every: Tensor, mean: Tensor) -> Tensor:
    """The normalisation of pass (ii): mean `[N, C, H, W]` with the statistics of the currents of all steps,
    `[T·N, C, H, W]`, whose gradient is that of the statistics of `mean`."""

    def statistic(of: Tensor, spread: bool) -> Tensor:
        return of.var((0, 2, 3), correction=0) if spread else of.mean((0, 2, 3))

    def value_of_all(a: Tensor, r: Tensor, spread: bool = False) -> Tensor:
        graph = statistic(r, spread)
        return (statistic(a, spread) + (graph - graph.detach())).view(1, -1, 1, 1)

    if isinstance(norm, ScaleNorm):
        power = value_of_all(every.square(), mean.square())
        return mean * norm.weight.view(1, -1, 1, 1) * torch.rsqrt(power + norm.eps)
    assert isinstance(norm, nn.BatchNorm2d), type(norm)
    centre, variance = value_of_all(every, mean), value_of_all(every, mean, spread=True)
    gain, shift = norm.weight.view(1, -1, 1, 1), norm.bias.view(1, -1, 1, 1)
    return gain * (mean - centre) * torch.rsqrt(variance + norm.eps) + shift


def through_neuron(neuron: nn.Module, current: Signal) -> Signal:
    """(spikes, rate with the gradient e) of a layer of neurons."""
    assert isinstance(neuron, Neuron), type(neuron)
    spikes, e = spikes_and_eligibility(neuron, current[0])
    e, c = e.to(current[1]), current[1]
    return spikes, spikes.mean(0) + e * (c - c.detach())


@torch.no_grad()
def spikes_and_eligibility(neuron: Neuron, current: Tensor) -> Signal:
    """(spikes `[T, N, ...]`, eligibility e `[N, ...]`) of neurons at rest for a current `[T, N, ...]`."""
    spec, spikes = neuron.spec, torch.empty_like(current)
    v = torch.full_like(current[0], spec.v_start)
    f, total = torch.ones_like(v), torch.zeros_like(v)
    for t, x in enumerate(current):
        u = spec.decay * v + x
        s = neuron.surrogate(u, strict_threshold=spec.strict_threshold, multi_spike=spec.multi_spike)
        g = neuron.surrogate.gradient(u)
        total += f * g
        in_graph = 0.0 if spec.detach_reset else g
        if spec.reset == "soft":
            v, dv = u - spec.threshold * s, 1 - spec.threshold * torch.as_tensor(in_graph)
        else:
            v, dv = (1 - s) * u + s * spec.v_reset, (1 - s) + (spec.v_reset - u) * in_graph
        if spec.v_min is not None:
            dv = dv * (v >= spec.v_min)
            v = v.clamp_min(spec.v_min)
        f = 1 + f * spec.decay * dv
        spikes[t] = s
    return spikes, total / len(current)


METHOD = RateBP
