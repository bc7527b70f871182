"""Spiking neurons: charge, fire, reset; with a surrogate for the spike's derivative.

    from snn.neurons import NeuronSpec, make_neuron, implementation

`NeuronSpec` costs no torch (the configuration embeds it); the rest is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from snn.neurons.spec import NeuronSpec, SurrogateSpec

if TYPE_CHECKING:
    from snn.neurons.neuron import Neuron, implementation, make_neuron
    from snn.neurons.surrogates import Surrogate

__all__ = ["Neuron", "NeuronSpec", "Surrogate", "SurrogateSpec", "implementation", "make_neuron"]

_HOME = {"Neuron": "neuron", "implementation": "neuron", "make_neuron": "neuron", "Surrogate": "surrogates"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
