"""Cases worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse

MODES = ("float", "int8")


def feed(network, n, mode="float", dt=1, **how):
    """n events at the only pixel."""
    zeros = np.zeros(n, np.int64)
    return Engine(network, mode).run(dt * np.arange(n), zeros, zeros, zeros, trace=True, **how)


def fired_at(result):
    return result.trace[0][:, 0].tolist()


@pytest.mark.parametrize("mode", MODES)
def test_five_fifths_fire_once(one_neuron, mode):
    """0.2 five times is exactly θ = 1. In integers: weight 127, θ = 635 = 5 · 127."""
    assert fired_at(feed(one_neuron(0.2), 5, mode)) == [4]
    assert fired_at(feed(one_neuron(0.2), 4, mode)) == []
    assert fired_at(feed(one_neuron(0.25), 12, mode)) == [3, 7, 11]


@pytest.mark.parametrize("mode", MODES)
def test_one_spike_an_event_and_the_remainder_later(mode):
    """One event of 3.5 θ: one spike at once (2.5 θ remain). Events of weight 0 then release two more; 0.5 stays."""
    network = EventNetwork(
        (2, 1, 1),
        [Population("neuron", (1, 1, 1))],
        [Synapse("input", "neuron", "linear", np.array([[3.5, 0.0]], np.float32))],
    )
    result = Engine(network, mode).run(np.arange(6), [0] * 6, [0] * 6, [0, 1, 1, 1, 1, 1], trace=True)
    assert fired_at(result) == [0, 1, 2]
    alone = Engine(network, mode).run([0, 10**9], [0, 0], [0, 0], [0, 1], trace=True)
    assert fired_at(alone) == [0, 1]  # nothing happens between events, however long


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("v_min", "expected"), [(-1.0, [11, 13, 15]), (0.0, [9, 11, 13, 15]), (None, [])])
def test_lower_clip(mode, v_min, expected):
    """Eight inhibitions of −1, then eight of +0.5: the clip decides how far below 0 they start."""
    network = EventNetwork(
        (2, 1, 1),
        [Population("neuron", (1, 1, 1), v_min=v_min)],
        [Synapse("input", "neuron", "linear", np.array([[-1.0, 0.5]], np.float32))],
    )
    result = Engine(network, mode).run(np.arange(16), [0] * 16, [0] * 16, [0] * 8 + [1] * 8, trace=True)
    assert fired_at(result) == expected


@pytest.mark.parametrize("mode", MODES)
def test_pooling_drops_what_it_cuts_off(mode):
    """5 x 5 pooled by 2 is 2 x 2: row 4 and column 4 meet nothing; the others meet the neuron of their window."""
    network = EventNetwork(
        (1, 5, 5),
        [Population("neuron", (1, 2, 2))],
        [Synapse("input", "neuron", "conv", np.ones((1, 1, 1, 1)), pool=2)],
    )
    y, x = np.divmod(np.arange(25), 5)
    result = Engine(network, mode).run(np.zeros(25, int), x, y, np.zeros(25, int), trace=True)
    expected = [[i, 0, 0, i // 5 // 2, i % 5 // 2] for i in range(25) if i // 5 < 4 and i % 5 < 4]
    assert result.trace[0].tolist() == expected
    assert result.synops.tolist() == [16]


def test_int16_saturates_at_the_top():
    """θ = 1 of weight 100: v grows by 127 − 1 an event, up to 32767, enough for 32767 − 1 further spikes."""
    network = EventNetwork(
        (2, 1, 1),
        [Population("neuron", (1, 1, 1), threshold=0.01)],
        [Synapse("input", "neuron", "linear", np.array([[1.0, 0.0]], np.float32))],
    )
    n = 40_000
    p = np.r_[np.zeros(300, int), np.ones(n, int)]
    result = Engine(network, "int8").run(np.arange(n + 300), 0 * p, 0 * p, p)
    # 127, less 1 a spike: event i leaves 126 i; 260 · 126 = 32760, then each event ends at 32767 − 1 = 32766.
    assert result.counts.tolist() == [300 + 32766]


def test_int16_saturates_at_the_bottom():
    """Without a clip, −127 an event ends at −32768; the way up from there to θ = 127 takes ceil(32895 / 127) = 260."""
    network = EventNetwork(
        (2, 1, 1),
        [Population("neuron", (1, 1, 1), v_min=None)],
        [Synapse("input", "neuron", "linear", np.array([[-1.0, 1.0]], np.float32))],
    )
    p = np.r_[np.zeros(1000, int), np.ones(400, int)]
    result = Engine(network, "int8").run(np.arange(1400), 0 * p, 0 * p, p, trace=True)
    assert fired_at(result)[0] == 1000 + 259


def test_a_readout_saturates_and_says_so(one_neuron):
    result = feed(one_neuron(1.0, spiking=False), 300, "int8")
    assert result.saturated == 1
    assert result.counts[0] == pytest.approx(32767 / 127)
    assert feed(one_neuron(1.0, spiking=False), 200, "int8").saturated == 0


@pytest.mark.parametrize("mode", MODES)
def test_hard_reset_forgets_the_remainder(one_neuron, mode):
    assert fired_at(feed(one_neuron(0.75, reset="hard"), 6, mode)) == [1, 3, 5]
    assert fired_at(feed(one_neuron(0.75, reset="soft"), 6, mode)) == [1, 2, 3, 5]


@pytest.mark.parametrize("mode", MODES)
def test_leak_in_microseconds(one_neuron, mode):
    """0.75 now and 0.75 after Δt: fires while 0.75 · (1 + exp(−Δt / 1000 µs)) ≥ 1, so up to Δt = 1098 µs."""
    network = one_neuron(0.75, tau_us=1000.0)
    for dt, expected in [(0, [1]), (1090, [1]), (1110, [])]:
        assert fired_at(feed(network, 2, mode, dt)) == expected


@pytest.mark.parametrize("mode", MODES)
def test_initial_membranes(one_neuron, mode):
    """v0 = 0.5 and weights of 0.25: θ = 1 is met by the second event, then by every fourth one. In integers: 254 + 2 ·
    127 = 508."""
    network = one_neuron(0.25, v0=0.5)
    assert fired_at(feed(network, 8, mode)) == [1, 5]
    engine = Engine(network, mode)
    events = np.zeros(6, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "i8")])
    assert engine.run_batch(events, [0, 2, 3, 6]).counts.tolist() == [[1], [0], [1]]  # each recording begins at v0
    assert fired_at(feed(one_neuron(0.25, v0=3.0), 3, mode)) == [0, 1, 2]  # above θ: at the first event, not before


@pytest.mark.parametrize("mode", MODES)
def test_initial_membranes_leak_from_the_first_event_on(mode):
    """Two input pixels; the second one's event comes Δt after the first one's: 0.75 exp(−Δt / 1000 µs) + 0.5 ≥ 1 up to
    Δt = 405 µs, whatever the time of the first event."""
    network = EventNetwork(
        (2, 1, 1),
        [Population("neurons", (2, 1, 1), tau_us=1000.0, v0=0.75)],
        [Synapse("input", "neurons", "linear", np.array([[0.0, 0.5], [0.01, 0.0]]))],
    )
    for begin in (0, 10**9):
        for dt, spikes in [(0, 1), (400, 1), (410, 0)]:
            result = Engine(network, mode).run([begin, begin + dt], [0, 0], [0, 0], [0, 1])
            assert result.counts.tolist() == [spikes, 0]


@pytest.mark.parametrize("mode", MODES)
def test_an_output_that_does_not_spike_begins_at_v0(one_neuron, mode):
    engine = Engine(one_neuron(1.0, spiking=False, v0=-2.0), mode)
    assert engine.run([], [], [], []).counts.tolist() == [-2.0]
    assert engine.run([5], [0], [0], [0]).counts.tolist() == [-1.0]


def test_initial_membranes_that_int16_cannot_hold_are_refused(one_neuron):
    with pytest.raises(UserError, match=r"'neuron'.*v0 is 127000.*int16"):
        Engine(one_neuron(1.0, v0=1000.0), "int8")


def test_ties_go_to_the_class_that_was_first():
    network = EventNetwork(
        (2, 1, 1),
        [Population("out", (2, 1, 1))],
        [Synapse("input", "out", "linear", np.eye(2))],
    )
    engine = Engine(network)
    for p, expected in [([0, 1], 0), ([1, 0], 1), ([1, 0, 0, 1], 0), ([0, 1, 1, 0], 1), ([], -1)]:
        n = len(p)
        assert engine.run(np.arange(n), [0] * n, [0] * n, np.array(p, int)).prediction == expected


def test_first_spikes_count_from_the_first_event(one_neuron):
    result = Engine(one_neuron(0.5)).run([100, 103, 110], [0] * 3, [0] * 3, [0] * 3)
    assert result.first_spike_us.tolist() == [3]


def test_flatten_order_is_channel_row_column():
    """Only the weight of (c, y, x) = (1, 0, 2) is not 0; flat index 1 · 6 + 0 · 3 + 2 = 8."""
    weight = np.zeros((1, 12), np.float32)
    weight[0, 8] = 1
    network = EventNetwork((2, 2, 3), [Population("out", (1, 1, 1))], [Synapse("input", "out", "linear", weight)])
    c, y, x = np.unravel_index(np.arange(12), (2, 2, 3))
    assert fired_at(Engine(network).run(np.arange(12), x, y, c, trace=True)) == [8]


def test_depth_first_differs_from_breadth_first_at_a_merge():
    """input → a, a → b, and a and b → sum by weights 1 and −1. Two spikes of a: breadth-first sum sees a a b b
    (fires twice, then −1 −1), depth-first, with b ahead of a in the file, b a b a."""
    network = EventNetwork(
        (1, 1, 1),
        [Population("a", (2, 1, 1)), Population("b", (2, 1, 1)), Population("sum", (1, 1, 1))],
        [
            Synapse("input", "a", "linear", np.ones((2, 1))),
            Synapse("a", "b", "identity"),
            Synapse("a", "sum", "linear", np.array([[0.5, 0.5]])),
            Synapse("b", "sum", "linear", np.array([[-0.5, -0.5]])),
        ],
    )
    # breadth: +½ +½ → spike, −½ −½ → −1. depth, a's first spike: to b (and on, −½), then to sum (+½); the second alike.
    breadth, depth = (Engine(network, order=o).run([0], [0], [0], [0]) for o in ("breadth", "depth"))
    assert breadth.counts.tolist() == [1]
    assert depth.counts.tolist() == [0]


def test_thresholds_that_int16_cannot_hold_are_refused(one_neuron):
    with pytest.raises(UserError, match=r"'neuron'.*127000.*int16"):
        Engine(one_neuron(0.001), "int8")
    with pytest.raises(UserError, match=r"'neuron'.*threshold is 0"):
        Engine(one_neuron(1000.0), "int8")
    Engine(one_neuron(0.001), "float")
