"""Synaptic operations are those that SpikingJelly counts on a clock-driven network, one spike a step."""

from __future__ import annotations

import numpy as np
from spikingjelly.activation_based import op_counter

from benchmarks import _clock
from benchmarks.engine import layers_of
from snn.events import Engine, EventNetwork, Population, Synapse


def test_synaptic_operations_equal_spikingjellys(stream):
    rng = np.random.default_rng(0)

    def w(*shape):  # multiples of 1/16 below θ: sums are exact, no event leaves anything above it
        return np.clip(np.rint(rng.normal(4, 8, shape)), -15, 15) / 16

    network = EventNetwork(
        (2, 9, 11),
        [Population("a", (4, 9, 11)), Population("b", (6, 5, 6)), Population("c", (3, 1, 1))],
        [
            Synapse("input", "a", "conv", w(4, 2, 3, 3), padding=1),
            Synapse("a", "b", "conv", w(6, 4, 3, 3), padding=1, stride=2),
            Synapse("b", "c", "linear", w(3, 36), pool=2),  # of 5 x 6 the last row is dropped
        ],
    )
    recordings = [stream(150, network.input_shape, seed) for seed in range(2)]
    columns = [np.stack([p, y, x], 1) for _, x, y, p in recordings]
    counter = op_counter.SynOpCounter()
    with op_counter.DispatchCounterMode([counter]):
        clock_driven = _clock.run(layers_of(network), columns, network.input_shape)
    ours = [Engine(network).run(*recording) for recording in recordings]
    assert [r.spikes.tolist() for r in ours] == clock_driven["spikes"]
    assert min(map(min, clock_driven["spikes"])) > 0
    assert sum(r.synops.sum() for r in ours) == counter.get_total()
