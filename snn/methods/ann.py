"""ANN: the same network with ReLU in place of spiking neurons, trained normally on frames summed over time.

A control (what the architecture reaches without spikes or time) and the teacher of local tandem learning.
"""

from __future__ import annotations

from snn.methods.sdt import SDT


class ANN(SDT):
    paper = ""
    activation = "relu"
    timeless = True


METHOD = ANN
