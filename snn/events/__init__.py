"""Event-driven spiking networks, run exactly and fast. A small library of its own.

    >>> from snn.events import Engine, load
    >>> engine = Engine(load("network.npz"), mode="int8")
    >>> engine.run(t, x, y, p).prediction

Time stamps are microseconds. The semantics are in `docs/events.md`. Importing this package is cheap: the compiler
is imported when the first engine is made.
"""

from snn.events._file import load, save
from snn.events.deployment import Deployment
from snn.events.engine import Engine
from snn.events.network import EventNetwork, Population, Synapse
from snn.events.nir import from_nir, to_nir
from snn.events.result import RunResult

__all__ = [
    "Deployment",
    "Engine",
    "EventNetwork",
    "Population",
    "RunResult",
    "Synapse",
    "from_nir",
    "load",
    "save",
    "to_nir",
]
