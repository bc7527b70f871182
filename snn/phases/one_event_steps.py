"""A trained network clock-driven at one event a time step: the finest steps that there are.

Between two events nothing happens to neurons without a leak, so that no step is needed there, and T is the number of a
recording's events. In the first layer this is the event-driven network spike for spike (tests/models/test_nir.py). In
later layers a step still adds up the spikes that one event has caused, which the engine takes one after another: what
is left between the two is the order of spikes alone.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch

from snn.data.store import EventStore
from snn.models.stages import Network
from snn.training.evaluate import NO_OUTPUT, decide, is_spiking

MODE = "clock-events"

VALUES = 1 << 21
"""Numbers in the frames of one pass, at most: 8 MB. A recording of many steps runs in several passes."""


@torch.no_grad()
def predictions(network: Network, store: EventStore, indices: np.ndarray, device: str) -> np.ndarray:
    """Predicted classes [n] of the recordings; -1 without any output."""
    return np.array([predict(network, store.events(int(i)), store.sensor.shape, device) for i in indices], np.int64)


def predict(network: Network, events: np.ndarray, shape: tuple[int, int, int], device: str) -> int:
    """The predicted class of one recording (structured, fields x, y, p); shape: (P, H, W) of the sensor."""
    if not len(events):
        return NO_OUTPUT
    outputs, most = [], max(1, VALUES // prod(shape))
    for first in range(0, len(events), most):
        part = events[first : first + most]
        frames = torch.zeros(len(part), 1, *shape, device=device)
        p, y, x = (torch.from_numpy(part[key].astype(np.int64)) for key in "pyx")
        frames[torch.arange(len(part)), 0, p, y, x] = 1
        outputs.append(network(frames, fresh=first == 0))
    return int(decide(torch.cat(outputs), is_spiking(network)).item())
