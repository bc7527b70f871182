"""What the network of a cell is to be, before it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from snn import models
from snn.models.stages import Network
from snn.neurons.spec import NeuronSpec


@dataclass(frozen=True)
class Blueprint:
    """A network as the configuration describes it.

    name: the network in the registry; values: its parameters by key, those that are configured; input_shape: (C, H, W)
    of a frame; classes: K; neuron: that of all spiking layers; steps: T of the training, needed by normalisations that
    have a gain for each time step.
    """

    name: str
    values: dict[str, Any]
    input_shape: tuple[int, int, int]
    classes: int
    neuron: NeuronSpec
    steps: int | None = None

    def build(self, activation: Callable[[], nn.Module] | None = None, **values: Any) -> Network:
        """The network, its initial weights drawn from torch's global generator.

        activation: makes one layer of neurons, a module `[T, N, *]` -> `[T, N, *]`; None: the configured spiking
        neurons. values: parameters of the network that replace the configured ones.
        ConfigError for unknown networks, bad parameters, and inputs of which the stages leave nothing.
        """
        from snn.neurons import make_neuron  # loads SpikingJelly, which takes seconds; planning does without

        values = self.values | values
        make = activation or (lambda: make_neuron(self.neuron))
        return models.build(self.name, values, self.input_shape, self.classes, make, self.steps)
