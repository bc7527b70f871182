"""Event-driven spiking networks: exact, clockless, fast. A small library of its own.

    >>> from snn.events import load
    >>> engine = load("network.npz").engine(mode="int8")
    >>> engine.run(t, x, y, p).prediction

Time stamps are microseconds. The semantics are in `docs/events.md`. Importing this package is cheap: the compiler
is imported when the first engine is made.
"""

from snn.events.network import EventNetwork, Population, Synapse, load
from snn.events.nir import from_nir, to_nir
from snn.events.result import RunResult

__all__ = ["EventNetwork", "Population", "RunResult", "Synapse", "from_nir", "load", "to_nir"]
