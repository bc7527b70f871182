"""sinabs (nir 1.0.4): `IAF`, soft reset and the chip's lower bound. Run by its own Python: write_sinabs.py FOLDER."""

import networks
import sinabs.layers as sl
import torch
from sinabs.nir import to_nir
from torch import nn

w = {name: torch.from_numpy(values) for name, values in networks.weights().items()}


def neurons():
    return sl.IAFSqueeze(batch_size=1, spike_threshold=torch.tensor([1.0]), min_v_mem=torch.tensor([-1.0]))


net = nn.Sequential(
    nn.Conv2d(2, 1, 1, bias=False), neurons(), nn.Conv2d(1, 3, 3, padding=1, bias=False), neurons(),
    nn.Flatten(), nn.Linear(w["last"].shape[1], 4, bias=False), neurons(),
)  # fmt: skip
net[0].weight.data, net[2].weight.data, net[5].weight.data = w["first"], w["second"], w["last"]
x, seen = torch.from_numpy(networks.frames()), []
with torch.no_grad():
    for layer in net:
        x = layer(x)
        if isinstance(layer, sl.IAFSqueeze):
            seen.append(x)
graph = to_nir(net, torch.from_numpy(networks.frames()[:1]))
graph.infer_types()  # nir 1.0.4 cannot write a convolution whose input has no shape
networks.write(networks.folder(), graph, *seen)
