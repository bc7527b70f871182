"""The engine beside dense arithmetic: convolutions of the summed input, and a clock-driven network, in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn.events import Engine, EventNetwork, Population, Synapse

from .strategies import networks, recordings

functional = torch.nn.functional
torch.set_num_threads(1)


def current(synapse, source_shape, target_shape, x):
    """The synapse's dense image of a map of counts or spikes [C, H, W]."""
    x = functional.avg_pool2d(x[None], synapse.pool)[0] * synapse.pool**2
    if synapse.kind == "identity":
        return x * synapse.scale
    weight = torch.tensor(synapse.weight, dtype=x.dtype)
    if synapse.kind == "linear":
        return (weight @ x.reshape(-1)).reshape(target_shape)
    return functional.conv2d(x[None], weight, None, synapse.stride, synapse.padding, 1, synapse.groups)[0]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "pool", "k"), [(1, 1, 1, 3), (2, 1, 1, 3), (1, 0, 2, 2), (3, 2, 1, 5)])
def test_membranes_below_threshold_are_a_convolution(stream, stride, padding, pool, k, groups):
    rng = np.random.default_rng(0)
    shape, c_out = (2, 13, 11), 8
    out = [(n // pool + 2 * padding - k) // stride + 1 for n in shape[1:]]
    synapse = Synapse("input", "a", "conv", rng.normal(size=(c_out, 2 // groups, k, k)), stride, padding, groups, pool)
    network = EventNetwork(shape, [Population("a", (c_out, *out), spiking=False)], [synapse])
    t, x, y, p = stream(2000, shape)
    counts = torch.zeros(shape, dtype=torch.float64)
    counts.index_put_((torch.tensor(p), torch.tensor(y), torch.tensor(x)), torch.ones(2000).double(), accumulate=True)
    expected = current(synapse, shape, (c_out, *out), counts)
    result = Engine(network).run(t, x, y, p)
    np.testing.assert_allclose(result.counts, expected.reshape(-1).numpy(), atol=2e-4)
    reach = current(
        Synapse("input", "a", "conv", np.ones((c_out, 2 // groups, k, k)), stride, padding, groups, pool),
        shape,
        (c_out, *out),
        counts,
    )
    assert result.synops[0] == round(float(reach.sum()))


class ClockDriven:
    """The same network clock-driven, one event a time step: a dense convolution a layer, then IAF on every neuron.

    A dense step cannot say which neurons an event reached, and only those may fire what an earlier event left above θ.
    The networks here therefore have weights below θ: nothing is ever left above it.
    """

    def __init__(self, network):
        self.network = network
        self.v = {p.name: torch.zeros(p.shape) for p in network.populations}

    def spike(self, name, spikes):
        """Follow a map with one spike in it to the end; yields (population, neuron)."""
        for synapse in self.network.synapses:
            if synapse.source != name:
                continue
            population = self.network.population(synapse.target)
            v = self.v[synapse.target] + current(synapse, spikes.shape, population.shape, spikes)
            fired = v >= population.threshold
            v = v - fired * population.threshold
            self.v[synapse.target] = v.clamp(min=-float("inf") if population.v_min is None else population.v_min)
            for y, x, c in fired.permute(1, 2, 0).nonzero().tolist():
                yield synapse.target, (c, y, x)
                one = torch.zeros(population.shape)
                one[c, y, x] = 1
                yield from self.spike(synapse.target, one)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_clock_driven_network_with_one_event_a_step_gives_the_same_spikes(data):
    drawn = data.draw(networks(spiking_output=True, leak=False))
    populations = [Population(p.name, p.shape, v_min=p.v_min if p.v_min != 0 else None) for p in drawn.populations]
    # Multiples of 1/8 below θ = 1: every sum is exact, in whatever order torch adds.
    synapses = [
        Synapse(s.source, s.target, "identity", pool=s.pool, scale=0.75)
        if s.kind == "identity"
        else Synapse(
            s.source, s.target, s.kind, np.clip(np.round(s.weight * 8) / 8, -0.875, 0.875),
            s.stride, s.padding, s.groups, s.pool,
        )
        for s in drawn.synapses
    ]  # fmt: skip
    network = EventNetwork(drawn.input_shape, populations, synapses)
    t, x, y, p = data.draw(recordings(network.input_shape))
    clock_driven, expected = ClockDriven(network), {q.name: [] for q in populations}
    for root in range(len(t)):
        frame = torch.zeros(network.input_shape)
        frame[p[root], y[root], x[root]] = 1
        for name, neuron in clock_driven.spike("input", frame):
            expected[name].append([root, int(t[root]), *neuron])
    result = Engine(network, order="depth").run(t, x, y, p, trace=True)
    for population, trace in zip(populations, result.trace, strict=True):
        assert trace.tolist() == expected[population.name]
