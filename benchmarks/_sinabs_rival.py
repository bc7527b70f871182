"""Run by sinabs's own interpreter: the 3C1FC network of `case.npz` on one recording, one event a time step."""

import json
import sys
import time

import numpy as np
import sinabs.activation as activation
import sinabs.layers as layers
import torch
from torch import nn

case = np.load(sys.argv[1])
torch.set_num_threads(1)


def neurons() -> nn.Module:
    return layers.IAFSqueeze(
        batch_size=1,
        spike_threshold=1.0,
        min_v_mem=-1.0,
        spike_fn=activation.SingleSpike,
        reset_fn=activation.MembraneSubtract(),
    )


network = nn.Sequential(
    nn.Conv2d(2, 8, 3, padding=1, bias=False),
    neurons(),
    layers.SumPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1, bias=False),
    neurons(),
    layers.SumPool2d(2),
    nn.Conv2d(16, 16, 3, padding=1, stride=2, bias=False),
    neurons(),
    nn.Flatten(),
    nn.Linear(256, 10, bias=False),
    neurons(),
)
with torch.no_grad():
    for i, parameter in enumerate(p for p in network.parameters() if p.ndim > 1):
        parameter.copy_(torch.tensor(case[f"weight{i}"]))
    frames = torch.zeros(len(case["x"]), 2, 34, 34)
    frames[np.arange(len(frames)), case["p"].astype(int), case["y"].astype(int), case["x"].astype(int)] = 1
    network(frames[:10])
    for module in network:
        if hasattr(module, "reset_states"):
            module.reset_states()
    start = time.process_time()
    counts = network(frames).sum(0)
print(json.dumps({"seconds": time.process_time() - start, "counts": counts.tolist()}))
