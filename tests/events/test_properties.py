"""The engine equals the reference, spike for spike and in order, whatever the network, the events and the mode."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse

from .reference import Reference
from .strategies import networks, recordings

EXAMPLES = int(os.environ.get("SNN_EXAMPLES", "350"))
property_test = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def engine_of(network, mode, order="breadth"):
    try:
        return Engine(network, mode, order)
    except UserError as error:  # a threshold beyond int16, or no lower bound: they have tests of their own
        assert "int16" in str(error) or (mode == "dynapcnn" and "without a lower bound" in str(error))  # noqa: PT017
        return None


@pytest.mark.parametrize("order", ["breadth", "depth"])
@pytest.mark.parametrize("mode", ["float", "int8", "dynapcnn"])
@property_test
@given(st.data())
def test_equals_the_reference(mode, order, data):
    network = data.draw(networks())
    columns = data.draw(recordings(network.input_shape))
    engine = engine_of(network, mode, order)
    assume(engine is not None)
    expected = Reference(network, mode, order).run(list(zip(*(c.tolist() for c in columns), strict=True)))
    result = engine.run(*columns, trace=True)

    for population, trace in zip(network.populations, result.trace, strict=True):
        assert trace.tolist() == [list(s) for s in expected.trace[population.name]], population.name
    assert result.synops.tolist() == expected.synops
    assert result.spikes.tolist() == [len(s) for s in expected.trace.values()]
    assert result.counts.tolist() == expected.counts
    assert result.prediction == expected.prediction
    if network.population(network.output).spiking:
        assert result.first_spike_us.tolist() == expected.first_spike_us
    assert result.n_events == len(columns[0])


@pytest.mark.parametrize("mode", ["float", "int8"])
@property_test
@given(st.data())
def test_pieces_equal_the_whole(mode, data):
    network = data.draw(networks())
    columns = data.draw(recordings(network.input_shape, most=60))
    engine = engine_of(network, mode, data.draw(st.sampled_from(["breadth", "depth"])))
    assume(engine is not None)
    n = len(columns[0])
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=5)))
    state = engine.state(trace=True)
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        engine.feed(state, *(c[start:stop] for c in columns))
    assert_same(engine.result(state), engine.run(*columns, trace=True))


@property_test
@given(st.data())
def test_checkpoints_are_what_a_shorter_recording_gives(data):
    network = data.draw(networks())
    t, *rest = data.draw(recordings(network.input_shape, most=40))
    engine = Engine(network)
    times = data.draw(st.lists(st.integers(0, 12_000), max_size=4))
    fractions = data.draw(st.lists(st.floats(0, 1), max_size=4))
    result = engine.run(t, *rest, checkpoints={"times_us": times, "fractions": fractions})
    assert_same(result, engine.run(t, *rest))
    for elapsed, prediction in zip(times, result.over_time, strict=True):
        n = int(np.sum(t - t[0] <= elapsed)) if len(t) else 0
        assert prediction == engine.run(t[:n], *(c[:n] for c in rest)).prediction
    for fraction, prediction in zip(fractions, result.over_events, strict=True):
        n = int(fraction * len(t) + 1e-9)
        assert prediction == engine.run(t[:n], *(c[:n] for c in rest)).prediction


def assert_same(one, other):
    for name in ("prediction", "counts", "first_spike_us", "spikes", "synops", "n_events", "saturated"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    if one.trace is not None and other.trace is not None:
        for a, b in zip(one.trace, other.trace, strict=True):
            np.testing.assert_array_equal(a, b)


@settings(property_test, max_examples=max(EXAMPLES // 10, 1))
@given(st.data())
def test_saturation_equals_the_reference(data):
    """Long recordings of strong weights: int16 membranes reach both of their limits."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n_out = data.draw(st.sampled_from([1, 3, 9, 16]))
    weight = rng.choice([-1.0, -0.9, 0.3, 0.8, 1.0], (n_out, 2))
    population = Population("a", (n_out, 1, 1), threshold=0.05, v_min=data.draw(st.sampled_from([None, -1.0])))
    network = EventNetwork((2, 1, 1), [population], [Synapse("input", "a", "linear", weight)])
    p = np.repeat(rng.integers(0, 2, 4), rng.integers(100, 400, 4))
    zeros = np.zeros_like(p)
    reference = Reference(network, "int8")
    expected = reference.run([(0, 0, 0, int(c)) for c in p])
    result = Engine(network, "int8").run(zeros, zeros, zeros, p, trace=True)
    assert result.trace[0].tolist() == [list(s) for s in expected.trace["a"]]
    at_limits = sum(v in (-32768, 32767) for v in reference.v["a"].values())
    assert result.saturated == at_limits
