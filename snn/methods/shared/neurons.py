"""The layers of neurons of a network, and a change of their surrogate."""

from __future__ import annotations

from torch import nn

from snn.neurons import Neuron, Surrogate, SurrogateSpec


def neurons(network: nn.Module) -> dict[str, Neuron]:
    """The layers of neurons by name, in order of computation."""
    return {name: m for name, m in network.named_modules() if isinstance(m, Neuron)}


def hidden_neurons(network: nn.Module) -> dict[str, Neuron]:
    """The layers of neurons by name, but for those of the readout."""
    return {name: neuron for name, neuron in neurons(network).items() if not name.startswith("readout.")}


def use_surrogate(network: nn.Module, surrogate: SurrogateSpec) -> None:
    """Give all neurons but those of a spiking readout another surrogate; whether it is periodic stays as it is.

    The readout keeps the configured one: a surrogate that is 0 below some membrane, as Dspike's below 0, gives no
    gradient to an output neuron that is inhibited, so that a class which is never predicted is never learnt.
    """
    for neuron in hidden_neurons(network).values():
        own = surrogate.model_copy(update={"periodic": neuron.spec.surrogate.periodic})
        neuron.spec = neuron.spec.model_copy(update={"surrogate": own})
        neuron.surrogate_function = Surrogate(neuron.spec)
