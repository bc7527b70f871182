"""Dspike whose temperature is updated more often, on more data, and not before the network has learnt something [ours].

`snn/methods/dspike.py` with other defaults. The published update, once an epoch on one batch and first of all before
the first iteration, has little to go on: in a short training there are a handful of updates, and in a network that has
not learnt anything few finite differences are not zero. Here there are 8 updates in an epoch, on 4 batches each, after
the first tenth of the iterations, by half of the published form's change of b.
"""

from __future__ import annotations

from pydantic import Field

from snn.methods.dspike import Dspike


class FrequentDspike(Dspike):
    class Params(Dspike.Params):
        change: float = Field(0.2, gt=0, description="Δb, the change of b in one update")
        updates_per_epoch: int = Field(8, ge=1, description="updates of b in an epoch, evenly spaced")
        batches: int = Field(4, ge=1, description="batches of an update, fewer if its part of the epoch has fewer")
        warmup: float = Field(0.1, ge=0, lt=1, description="fraction of all iterations before the first update")


METHOD = FrequentDspike
