"""snnTorch: `Leaky` neurons, soft reset, BETA 1 is no leak. Run by its own Python: write_snntorch.py FOLDER BETA."""

import sys

import networks
import snntorch
import torch
from snntorch.export_nir import export_to_nir
from torch import nn

beta = float(sys.argv[2])


def neurons(*shape):
    """One constant a neuron: with a single number for a layer snnTorch 1.0.0 makes no graph that nir 1.0.8 accepts."""
    constants = {"beta": torch.full(shape, beta), "threshold": torch.ones(shape)}
    return snntorch.Leaky(**constants, reset_mechanism="subtract", init_hidden=True)


w = {name: torch.from_numpy(values) for name, values in networks.weights().items()}
net = nn.Sequential(
    nn.Conv2d(2, 1, 1, bias=False), neurons(1, 8, 8), nn.Conv2d(1, 3, 3, padding=1, bias=False), neurons(3, 8, 8),
    nn.Flatten(), nn.Linear(w["last"].shape[1], 4, bias=False), neurons(4),
)  # fmt: skip
net[0].weight.data, net[2].weight.data, net[5].weight.data = w["first"], w["second"], w["last"]
seen = {1: [], 3: [], 6: []}
with torch.no_grad():
    for frame in torch.from_numpy(networks.frames()):
        x = frame[None]
        for i, layer in enumerate(net):
            x = layer(x)
            if i in seen:
                seen[i].append(x[0])
graph = export_to_nir(net, torch.from_numpy(networks.frames()[:1]), ignore_dims=[0])
networks.write(networks.folder(), graph, *(torch.stack(spikes) for spikes in seen.values()))
