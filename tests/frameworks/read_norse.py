"""Norse runs a network that this project wrote. Run by its own Python: read_norse.py FOLDER, which holds ours.nir."""

import networks
import nir
import norse.torch as norse
import numpy as np
import torch

network = norse.from_nir(nir.read(networks.folder() / "ours.nir"))
state, spikes = None, []
with torch.no_grad():
    for frame in torch.from_numpy(networks.frames()):
        out, state = network(frame[None], state)
        spikes.append(out[0].numpy())
np.savez(networks.folder() / "read.npz", second=np.stack(spikes))
