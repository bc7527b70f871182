"""Running: batches, threads, checkpoints, invalid events, memory."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse

FIELDS = ("prediction", "counts", "first_spike_us", "spikes", "synops", "n_events", "saturated")


@pytest.fixture
def recordings(residual, stream):
    """Twenty recordings of different length; one is empty, one a single event."""
    lengths = [0, 1, *np.random.default_rng(3).integers(2, 900, 18)]
    return [stream(int(n), residual.input_shape, seed) for seed, n in enumerate(lengths)]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("mode", ["float", "int8"])
def test_a_batch_is_its_recordings_one_by_one(residual, recordings, batch, mode, threads):
    engine = Engine(residual, mode)
    marks = {"times_us": [0, 500, 5000], "fractions": [0.1, 0.5, 1.0]}
    seen = []
    result = engine.run_batch(
        *batch(recordings), threads=threads, checkpoints=marks, progress=lambda *a: seen.append(a)
    )
    for i, columns in enumerate(recordings):
        alone = engine.run(*columns, checkpoints=marks)
        for name in (*FIELDS, "over_time", "over_events"):
            np.testing.assert_array_equal(getattr(result, name)[i], getattr(alone, name), err_msg=name)
    assert seen[-1] == (20, 20)
    assert seen == sorted(seen)
    assert threads > 1 or len(seen) >= 8
    assert (result.counts.shape, result.spikes.shape, result.synops.shape) == ((20, 3), (20, 4), (20, 5))
    assert (result.over_time.shape, result.over_events.shape) == ((20, 3), (20, 3))
    assert result.spikes.sum() > 1000
    np.testing.assert_array_equal(result.over_events[:, -1], result.prediction)


def test_a_batch_of_nothing(residual, batch):
    events, _ = batch([(np.zeros(0, int),) * 4])
    result = Engine(residual).run_batch(events, np.array([0]), checkpoints={"fractions": [1.0]})
    assert (result.prediction.shape, result.counts.shape, result.over_events.shape) == ((0,), (0, 3), (0, 1))


@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("mode", ["float", "int8"])
def test_no_events_and_one_event(one_neuron, mode, spiking):
    engine = Engine(one_neuron(1.0, spiking=spiking), mode)
    none = engine.run([], [], [], [], trace=True)
    assert (none.prediction, none.n_events, none.counts[0], none.first_spike_us[0]) == (-1, 0, 0, -1)
    one = engine.run([7], [0], [0], [0], trace=True)
    assert (one.prediction, one.n_events, one.counts[0]) == (0, 1, 1)
    assert one.first_spike_us[0] == (0 if spiking else -1)
    assert one.trace[0].tolist() == ([[0, 7, 0, 0, 0]] if spiking else [])


def test_invalid_events_are_refused(residual):
    engine = Engine(residual)

    def run(t, x=0, y=0, p=0, **how):
        n = len(t)
        return engine.run(t, *(np.broadcast_to(c, n) for c in (x, y, p)), **how)

    with pytest.raises(UserError, match="event 2: time goes backwards, from 5 to 3 µs; sort=True"):
        run([1, 5, 3, 7])
    with pytest.raises(UserError, match=r"event 1: the time counter wraps, from 4294967290 to 3"):
        run([2**32 - 6, 3])
    with pytest.raises(UserError, match="wraps"):
        run([2**31 - 6, -(2**31)])
    with pytest.raises(UserError, match="wraps"):  # sorting would put the end before the beginning
        run([2**32 - 6, 3], sort=True)
    with pytest.raises(UserError, match="event 0: negative time"):
        run([-3, 5])
    with pytest.raises(UserError, match=r"event 1: \(x, y\) = \(9, 0\) lies outside the sensor of 9 x 9"):
        run([1, 2], x=[0, 9])
    with pytest.raises(UserError, match=r"\(x, y\) = \(0, -1\)"):
        run([1], y=-1)
    with pytest.raises(UserError, match="event 0: polarity 2, but the network's input has 2 channels"):
        run([1], p=2)
    with pytest.raises(UserError, match="t must hold whole numbers"):
        run([0.5])
    with pytest.raises(UserError, match="equally long; x"):
        engine.run([1, 2], [0], [0], [0])
    with pytest.raises(UserError, match="times_us"):
        run([1], checkpoints={"times": [3]})
    with pytest.raises(UserError, match="fractions"):
        run([1], checkpoints={"fractions": [1.1]})
    for checkpoints in ({"fractions": ["a"]}, {"times_us": [[1], [1, 2]]}, {"times_us": [float("nan")]}, [0.5], "all"):
        with pytest.raises(UserError, match="checkpoints"):
            run([1], checkpoints=checkpoints)
    assert run([1], checkpoints={"times_us": [1e300], "fractions": []}).times_us.tolist() == [2**62]
    with pytest.raises(UserError, match="t must be a list of whole numbers"):
        run([[1], [1, 2]])
    with pytest.raises(UserError, match="t holds 18446744073709551615"):
        run(np.array([2**64 - 1], np.uint64))


def test_sorting_on_request_keeps_ties_in_order(residual, stream):
    t, *rest = stream(400, residual.input_shape)
    order = np.random.default_rng(1).permutation(400)
    order = order[np.argsort(t[order] // 40, kind="stable")][::-1]
    shuffled = [c[order] for c in (t, *rest)]
    stable = np.argsort(shuffled[0], kind="stable")
    engine = Engine(residual)
    one, other = engine.run(*shuffled, sort=True), engine.run(*(c[stable] for c in shuffled))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_refused_piece_leaves_the_state_as_it_was(residual, stream):
    t, x, y, p = stream(200, residual.input_shape)
    engine = Engine(residual)
    state = engine.state()
    engine.feed(state, t[:100], x[:100], y[:100], p[:100])
    with pytest.raises(UserError, match="event 0: time goes backwards"):
        engine.feed(state, t[:10], x[:10], y[:10], p[:10])
    with pytest.raises(UserError, match="outside"):
        engine.feed(state, t[100:], x[100:] + 100, y[100:], p[100:])
    engine.feed(state, t[100:], x[100:], y[100:], p[100:])
    np.testing.assert_array_equal(engine.result(state).counts, engine.run(t, x, y, p).counts)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_names_the_recording_with_an_invalid_event(residual, recordings, batch, threads):
    events, offsets = batch(recordings)
    events["x"][offsets[5] + 2] = 99
    with pytest.raises(UserError, match=r"recording 5: event 2: \(x, y\) = \(99"):
        Engine(residual).run_batch(events, offsets, threads=threads)
    with pytest.raises(UserError, match="offsets"):
        Engine(residual).run_batch(events, offsets + 1)
    with pytest.raises(UserError, match="fields t, x, y, p"):
        Engine(residual).run_batch(np.zeros(3), offsets)
    with pytest.raises(UserError, match="threads"):
        Engine(residual).run_batch(events, offsets, threads=0)
    with pytest.raises(UserError, match="threads"):
        Engine(residual).run_batch(events, offsets, threads="two")
    with pytest.raises(UserError, match="offsets"):
        Engine(residual).run_batch(events, np.array([0, 2**64 - 1], np.uint64))


def test_a_stride_beyond_the_kernel_keeps_no_weights_for_positions_that_meet_nothing(stream):
    """The layout of stride 2^20 would otherwise take terabytes."""
    network = EventNetwork(
        (1, 3, 3),
        [Population("a", (1, 1, 1))],
        [Synapse("input", "a", "conv", np.ones((1, 1, 2, 2)), stride=2**20)],
    )
    result = Engine(network).run(*stream(200, (1, 3, 3)), trace=True)
    _, x, y, _ = stream(200, (1, 3, 3))
    assert result.trace[0][:, 0].tolist() == np.flatnonzero((x < 2) & (y < 2)).tolist()


def test_more_neurons_than_memory_holds_are_refused():
    shape = (1, 2**14, 2**14)
    network = EventNetwork(shape, [Population("a", shape)], [Synapse("input", "a", "identity")])
    with pytest.raises(UserError, match="more than 268435456 neurons"):
        Engine(network)


def test_only_a_network_makes_an_engine():
    with pytest.raises(UserError, match="needs an EventNetwork, not str"):
        Engine("network.npz")


def test_unknown_modes_and_orders(residual):
    with pytest.raises(UserError, match="did you mean 'float'"):
        Engine(residual, "flaot")
    with pytest.raises(UserError, match="did you mean 'depth'"):
        Engine(residual, order="deep")


def test_a_memory_map_can_be_run(residual, recordings, batch, tmp_path):
    events, offsets = batch(recordings)
    events.tofile(tmp_path / "events.bin")
    mapped = np.memmap(tmp_path / "events.bin", events.dtype, "r")
    one, other = (Engine(residual).run_batch(e, offsets) for e in (events, mapped))
    np.testing.assert_array_equal(one.counts, other.counts)


def test_queues_grow_with_the_spikes():
    """Each event fires all 4096 neurons of a layer, and these all of the next: queues grow, results stay exact."""
    network = EventNetwork(
        (1, 1, 1),
        [Population("wide", (64, 8, 8)), Population("narrow", (3, 1, 1)), Population("out", (2, 1, 1))],
        [
            Synapse("input", "wide", "linear", np.ones((4096, 1))),
            Synapse("wide", "narrow", "linear", np.ones((3, 4096))),
            Synapse("narrow", "out", "linear", np.full((2, 3), 0.5)),
        ],
    )
    zeros = np.zeros(50, int)
    result = Engine(network).run(np.arange(50), zeros, zeros, zeros)
    assert result.spikes.tolist() == [50 * 4096, 50 * 4096 * 3, 50 * 4096 * 3]
    merged = EventNetwork(
        (1, 1, 1),
        [*network.populations[:2], Population("out", (2, 1, 1))],
        [*network.synapses, Synapse("input", "out", "linear", np.zeros((2, 1)))],
    )
    for order in ("breadth", "depth"):
        assert Engine(merged, order=order).run(np.arange(50), zeros, zeros, zeros).spikes.tolist() == [
            50 * 4096,
            50 * 4096 * 3,
            50 * 4096 * 3,
        ]


def test_ten_million_events_in_bounded_memory(one_neuron):
    """A stream fed in pieces keeps nothing but its state."""
    engine = Engine(one_neuron(0.2))
    state, zeros = engine.state(), np.zeros(1_000_000, np.int64)
    engine.feed(state, zeros, zeros, zeros, zeros)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(9):
        engine.feed(state, zeros, zeros, zeros, zeros)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    result = engine.result(state)
    assert (result.n_events, result.counts[0]) == (10_000_000, 2_000_000)


def test_without_a_place_for_the_cache_it_compiles_all_the_same(monkeypatch):
    from snn.events import _kernel

    real = _kernel.njit

    def no_cache(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(_kernel, "njit", no_cache)
    assert _kernel.compiled(lambda n: n + 1)(1) == 2


@pytest.mark.parametrize("mode", ["float", "int8"])
def test_a_long_recording_of_a_batch_is_run_part_by_part(residual, recordings, batch, mode, monkeypatch):
    events, offsets = batch(recordings)
    marks = {"times_us": [0, 500, 5000], "fractions": [0.0, 0.1, 0.5, 1.0]}
    whole = Engine(residual, mode).run_batch(events, offsets, checkpoints=marks)
    monkeypatch.setattr("snn.events.engine.LONG", 100)
    monkeypatch.setattr("snn.events.engine.PIECE", 1)
    parts = Engine(residual, mode).run_batch(events, offsets, checkpoints=marks)
    for name in (*FIELDS, "over_time", "over_events"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name), err_msg=name)
    number = next(i for i in range(20) if offsets[i + 1] - offsets[i] > 300)
    events["p"][offsets[number] + 250] = 2
    with pytest.raises(UserError, match=f"recording {number}: event 250: polarity 2"):
        Engine(residual, mode).run_batch(events, offsets)
