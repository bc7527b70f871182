"""Spikes of each neuron of a network's first layer, and how well two such counts agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from snn.events import Deployment, EventNetwork


class Agreement(NamedTuple):
    """Of counts with the chip's, over all neurons and recordings.

    cosine: of the two counts as vectors; exact, within_one: fraction of neurons whose count differs by 0, by at most 1;
    difference: Σ|ours − chip| / Σ chip; ratio: Σ ours / Σ chip; more, fewer: number of neurons with more, fewer spikes
    than on the chip.
    """

    cosine: float
    exact: float
    within_one: float
    difference: float
    ratio: float
    more: int
    fewer: int


def agreement(ours: np.ndarray, chip: np.ndarray) -> Agreement:
    """ours, chip: counts of equal shape."""
    a, b = ours.ravel().astype(float), chip.ravel().astype(float)
    distance = np.abs(a - b)
    return Agreement(
        cosine=float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))),
        exact=float((distance == 0).mean()),
        within_one=float((distance <= 1).mean()),
        difference=float(distance.sum() / b.sum()),
        ratio=float(a.sum() / b.sum()),
        more=int((a > b).sum()),
        fewer=int((a < b).sum()),
    )


def first_layer(network: EventNetwork) -> EventNetwork:
    """The first population alone, with the synapses that lead to it from the input."""
    first = network.populations[0]
    synapses = [synapse for synapse in network.synapses if synapse.target == first.name]
    return EventNetwork(network.input_shape, [first], synapses)


def spike_counts(network: EventNetwork, deployment: Deployment, recordings: Iterable[np.ndarray]) -> np.ndarray:
    """Spikes of each neuron of the first layer, int64 [recordings, C, H, W]; recordings: structured events of each."""
    layer = first_layer(network)
    engine = deployment.engine(layer)
    shape = layer.populations[0].shape
    counts: list[np.ndarray] = []
    for events in recordings:
        trace = engine.run(events["t"], events["x"], events["y"], events["p"], trace=True).trace
        assert trace is not None, "it was asked for"
        place = np.ravel_multi_index(tuple(trace[0][:, 2:].T), shape)
        counts.append(np.bincount(place, minlength=int(np.prod(shape))).reshape(shape))
    return np.array(counts)
