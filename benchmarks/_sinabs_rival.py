"""Run by sinabs's own interpreter: the network and recordings of `case.npz`, one spike a time step (`_clock.py`)."""

import json
import sys

import numpy as np
import sinabs.activation as activation
import sinabs.layers as layers
import torch
from _clock import run


def iaf(shape: tuple):
    node = layers.IAF(
        spike_threshold=1.0, min_v_mem=-1.0, spike_fn=activation.SingleSpike, reset_fn=activation.MembraneSubtract()
    )
    return lambda current: node(current.transpose(0, 1).contiguous()).transpose(0, 1)


torch.set_num_threads(1)
case = np.load(sys.argv[1])
network = [
    {**how, "weight": case[f"weight{i}"], "shape": tuple(how["shape"])}
    for i, how in enumerate(json.loads(str(case["layers"])))
]
recordings = np.split(case["events"], case["offsets"][1:-1])
print(json.dumps(run(network, recordings, tuple(case["input_shape"]), iaf)))
