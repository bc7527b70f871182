"""The layers of neurons of a network, and a change of their surrogate."""

from __future__ import annotations

from torch import nn

from snn.neurons import Neuron, Surrogate, SurrogateSpec


def neurons(network: nn.Module) -> dict[str, Neuron]:
    """The layers of neurons by name, in order of computation."""
    return {name: m for name, m in network.named_modules() if isinstance(m, Neuron)}


def use_surrogate(network: nn.Module, surrogate: SurrogateSpec) -> None:
    """Give all neurons another surrogate; whether it is repeated at every multiple of the threshold stays."""
    for neuron in neurons(network).values():
        own = surrogate.model_copy(update={"periodic": neuron.spec.surrogate.periodic})
        neuron.spec = neuron.spec.model_copy(update={"surrogate": own})
        neuron.surrogate_function = Surrogate(neuron.spec)
