"""No training at all: the network with the weights that it comes with.

For networks from NIR files (`snn/models/nir.py`), which were trained elsewhere: they are evaluated, deployed and
perturbed like the networks that this project trains, and stand beside them in every table. Of any other network these
are its initial weights, i.e. the untrained control. There is no source: nothing is computed.
"""

from __future__ import annotations

from snn.models.stages import Network
from snn.training.method import Method


class AsGiven(Method[Network]):
    trains = False


METHOD = AsGiven
