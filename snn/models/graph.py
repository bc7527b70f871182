"""Any network of the event-driven engine, clock-driven: branches, thresholds and leaks of their own in each layer.

A chain of stages (`snn/models/stages.py`) is what methods train. What a file from elsewhere holds beyond that, e.g. two
layers that lead into one, is computed here as it is: evaluated at any T, deployed and perturbed, but not trained. In a
time step every population sums the currents of all spikes that arrive in the step and fires once at most; the engine
takes these spikes one after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from snn.errors import ConfigError
from snn.events import EventNetwork, Population, Synapse
from snn.models import ttm
from snn.models.stages import Network, channels_last, over_time, pooled


class Graph(Network):
    """The clock-driven form of `network`: `[T, N, C, H, W]` -> `[T, N, K]`.

    neurons: makes the layer of neurons of a population that spikes, with this decay a time step; step_us: how long a
    time step is, needed where a population leaks: decay = exp(-step_us / τ). ConfigError where it is missing.
    """

    untrainable: ClassVar[str] = (
        "the network is no chain of layers with equal neurons, and cannot be trained here; use `methods: [as-given]`"
    )

    def __init__(
        self, network: EventNetwork, neurons: Callable[[Population, float], nn.Module], step_us: float | None
    ) -> None:
        layers = {}
        for population in network.populations:
            decay = decay_of(population, step_us)
            neuron = neurons(population, decay) if population.spiking else Accumulator(decay)
            synapses = [synapse for synapse in network.synapses if synapse.target == population.name]
            layers[population.name] = Layer(population, synapses, neuron)
        readout: Any = layers.pop(network.output)
        super().__init__(list(layers.values()), readout)
        self.network = network

    def forward(
        self,
        x: Tensor,
        steps: Sequence[int] | None = None,
        collect: list[Tensor] | None = None,
        transform: Callable[[Tensor, int], Tensor] = ttm.transform,
        fresh: bool = True,
    ) -> Tensor:
        if steps is not None:
            raise ConfigError(self.untrainable)
        from spikingjelly.activation_based import functional  # takes seconds to import; planning does without

        if fresh:
            functional.reset_net(self)
        layers: dict[str, Any] = {layer.name: layer for layer in (*self.stages, self.readout)}
        outputs = {"input": channels_last(x)}
        for name in (population.name for population in self.network.populations):
            outputs[name] = layers[name](outputs)
            if collect is not None and name != self.network.output:
                collect.append(outputs[name])
        return outputs[self.network.output].flatten(2)

    def event_network(self, classes: Sequence[str], meta: dict[str, Any]) -> EventNetwork:
        """The event-driven form, with the weights that the layers have now."""
        layers: list[Any] = [*self.stages, self.readout]
        now = {synapse: replace(synapse, weight=weight) for layer in layers for synapse, weight in layer.weights()}
        synapses = [now.get(synapse, synapse) for synapse in self.network.synapses]
        return replace(self.network, synapses=synapses, classes=tuple(classes), meta=meta)


class Layer(nn.Module):
    """One population: the currents of all its synapses, summed, into its neurons. `[T, N, C, H, W]` of each source ->
    the same of the population."""

    def __init__(self, population: Population, synapses: Sequence[Synapse], neuron: nn.Module) -> None:
        super().__init__()
        self.name, self.spiking, self.of = population.name, population.spiking, list(synapses)
        self.synapses = nn.ModuleList(weights_of(synapse) for synapse in synapses)
        self.neuron = neuron
        self.shape = population.shape

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        currents = []
        for synapse, weights in zip(self.of, self.synapses, strict=True):
            x = outputs[synapse.source]
            if synapse.pool > 1:
                x = pooled(x, synapse.pool) * synapse.pool**2  # the sum over a window
            x = x * synapse.scale if synapse.weight is None else over_time(flattening(weights), x)
            currents.append(x.unflatten(2, self.shape) if x.ndim == 3 else x)
        return self.neuron(channels_last(sum(currents[1:], currents[0])))

    def weights(self) -> Iterator[tuple[Synapse, np.ndarray]]:
        """The weights of each synapse that has any, float32."""
        for synapse, weights in zip(self.of, self.synapses, strict=True):
            if synapse.weight is not None:
                yield synapse, np.ascontiguousarray(weights.get_parameter("weight").detach().cpu().numpy(), np.float32)


class Accumulator(nn.Module):
    """An output that does not spike: what its membrane gains in each step, `[T, N, ...]` -> the same, so that the sum
    over time is its membrane at the end. A v0 that all neurons share decides nothing."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay

    def forward(self, x: Tensor) -> Tensor:
        if self.decay == 1.0:
            return x
        before, gains = torch.zeros_like(x[0]), []
        for current in x:
            after = self.decay * before + current
            gains.append(after - before)
            before = after
        return torch.stack(gains)


def decay_of(population: Population, step_us: float | None) -> float:
    """Factor of the membrane from step to step."""
    if population.tau_us is None:
        return 1.0
    if step_us is None:
        raise ConfigError(
            f"{population.name!r} leaks with a time constant of {population.tau_us:g} µs: say how long a time step of "
            "the clock-driven evaluation is, variants.<name>.params.step_us"
        )
    return math.exp(-step_us / population.tau_us)


def weights_of(synapse: Synapse) -> nn.Module:
    """The layer that holds the synapse's weights; nothing for an identity."""
    if synapse.weight is None:
        return nn.Identity()
    weight = torch.from_numpy(synapse.weight.copy())
    if synapse.kind == "linear":
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        linear.weight.data = weight
        return linear
    return convolution(synapse, weight)


def convolution(synapse: Synapse, weight: Tensor) -> nn.Conv2d:
    """The convolution of a synapse, with this weight."""
    out, inner, rows, columns = weight.shape
    stride, padding, groups = synapse.stride, synapse.padding, synapse.groups
    conv = nn.Conv2d(inner * groups, out, (rows, columns), stride, padding, groups=groups, bias=False)
    conv.weight.data = weight
    return conv


def flattening(weights: Any) -> Callable[[Tensor], Tensor]:
    """The layer; a linear one takes its input flattened in (C, H, W) order."""
    return (lambda x: weights(x.flatten(1))) if weights.weight.ndim == 2 else weights
