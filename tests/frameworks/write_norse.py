"""Norse: `IAFCell`, which resets to 0. Run by its own Python: write_norse.py FOLDER.

Its export knows no flattening, and convolutions only with a bias, which is 0 here.
"""

import networks
import norse.torch as norse
import torch
from norse.torch.utils.export_nir import to_nir
from torch import nn

w = {name: torch.from_numpy(values) for name, values in networks.weights().items()}


def neurons(*shape):
    """One threshold a neuron: of one number for a layer nir 1.0.8 does not know the shape."""
    return norse.IAFCell(norse.IAFParameters(v_th=torch.ones(shape)))


layers = [nn.Conv2d(2, 1, 1), neurons(1, 8, 8), nn.Conv2d(1, 3, 3, padding=1), neurons(3, 8, 8)]
for i, name in ((0, "first"), (2, "second")):
    layers[i].weight.data = w[name]
    layers[i].bias.data.zero_()
state, seen = {}, {1: [], 3: []}
with torch.no_grad():
    for frame in torch.from_numpy(networks.frames()):
        x = frame[None]
        for i, layer in enumerate(layers):
            if i in seen:
                x, state[i] = layer(x, state.get(i))
                seen[i].append(x[0])
            else:
                x = layer(x)
graph = to_nir(norse.SequentialState(*layers), torch.from_numpy(networks.frames()[0]))
graph.infer_types()  # a convolution whose input has no shape cannot be written
first, second = (torch.stack(spikes) for spikes in seen.values())
networks.write(networks.folder(), graph, first, second, second.flatten(1))
