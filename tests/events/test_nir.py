"""NIR in and out: what both can express survives the round trip; what NIR cannot express is refused by name."""

from __future__ import annotations

from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest

from snn.errors import DataError, UserError
from snn.events import Engine, EventNetwork, Population, Synapse, _hdf5, from_nir, to_nir


def test_round_trip_through_a_file(residual, stream, tmp_path):
    to_nir(residual, tmp_path / "network.nir", extensions=True)
    back = from_nir(tmp_path / "network.nir")
    assert [(p.name, p.shape, p.v_min, p.reset) for p in back.populations] == [
        (p.name, p.shape, p.v_min, p.reset) for p in residual.populations
    ]
    assert (back.classes, back.meta, back.output) == (residual.classes, residual.meta, residual.output)
    for a, b in zip(back.synapses, residual.synapses, strict=True):
        assert (a.source, a.target, a.kind, a.pool, a.stride) == (b.source, b.target, b.kind, b.pool, b.stride)
        assert np.float32(a.scale) == np.float32(b.scale)
        assert (a.weight is None) == (b.weight is None)
        assert a.weight is None or a.weight.tolist() == b.weight.tolist()
    events = stream(500, residual.input_shape)
    one, other = (Engine(n, order="depth").run(*events, trace=True) for n in (residual, back))
    for a, b in zip(one.trace, other.trace, strict=True):
        assert a.tolist() == b.tolist()
        assert len(a)


def test_plain_nir_holds_what_nir_means(stream, tmp_path):
    rng = np.random.default_rng(1)
    network = EventNetwork(
        (2, 6, 6),
        [
            Population("a", (3, 3, 3), v_min=None, reset="hard"),
            Population("b", (4, 1, 1), v_min=None, reset="hard", tau_us=2000.0),
            Population("c", (2, 1, 1), spiking=False),
        ],
        [
            Synapse("input", "a", "conv", rng.normal(0.3, 0.3, (3, 2, 2, 2)), stride=2),
            Synapse("a", "b", "linear", rng.normal(0.3, 0.3, (4, 27))),
            Synapse("b", "c", "linear", rng.normal(0.3, 0.3, (2, 4))),
        ],
    )
    graph = to_nir(network, tmp_path / "plain.nir")
    assert {type(n).__name__ for n in graph.nodes.values()} >= {"Conv2d", "IF", "Flatten", "Linear", "LIF", "I"}
    assert not graph.metadata
    events = stream(300, network.input_shape)
    one, other = (Engine(n).run(*events) for n in (network, from_nir(tmp_path / "plain.nir")))
    np.testing.assert_array_equal(one.spikes, other.spikes)
    np.testing.assert_array_equal(one.counts, other.counts)


def test_soft_reset_and_clip_are_refused_without_extensions(one_neuron):
    with pytest.raises(UserError, match=r"'neuron'.*soft reset.*extensions=True"):
        to_nir(one_neuron(0.5))
    with pytest.raises(UserError, match=r"'neuron'.*lower clip"):
        to_nir(one_neuron(0.5, reset="hard"))
    with pytest.raises(UserError, match=r"'neuron'.*initial potential"):
        to_nir(one_neuron(0.5, spiking=False, v0=0.5))


def test_the_initial_potential_travels_as_metadata(one_neuron, tmp_path):
    for spiking in (True, False):
        to_nir(one_neuron(0.5, spiking=spiking, v0=0.25), tmp_path / "network.nir", extensions=True)
        assert from_nir(tmp_path / "network.nir").populations[0].v0 == 0.25


def test_grouped_convolutions_are_refused():
    network = EventNetwork(
        (2, 3, 3),
        [Population("a", (2, 3, 3), v_min=None, reset="hard")],
        [Synapse("input", "a", "conv", np.ones((2, 1, 3, 3)), padding=1, groups=2)],
    )
    with pytest.raises(UserError, match=r"input → a.*grouped"):
        to_nir(network)


def foreign(*between, neuron=None):
    """A graph as another tool would write it: input 1x4x4, `between`, IF, output."""
    neuron = neuron or nir.IF(r=np.ones((2, 1, 1)), v_threshold=np.ones((2, 1, 1)))
    nodes = {"input": nir.Input({"input": np.array([1, 4, 4])})}
    nodes |= {f"n{i}": node for i, node in enumerate(between)} | {"spikes": neuron}
    nodes["output"] = nir.Output({"output": np.array([2, 1, 1])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def conv(bias=0.0, dilation=1, k=2):
    return nir.Conv2d((2, 2), np.full((2, 1, k, k), 4.0, np.float32), 1, 0, dilation, 1, np.full(2, bias))


def test_average_pooling_of_another_tool_is_folded():
    pool = nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    network = from_nir(foreign(pool, conv()), reset="soft", v_min=-1.0)
    assert network.synapses[0].pool == 2
    np.testing.assert_array_equal(network.synapses[0].weight, np.ones((2, 1, 2, 2)))
    assert (network.populations[0].reset, network.populations[0].v_min) == ("soft", -1.0)
    assert Engine(network).run([0], [3], [3], [0]).counts.tolist() == [1, 1]


def test_weights_before_the_output_are_a_readout():
    graph = foreign(neuron=nir.IF(r=np.ones((1, 4, 4)), v_threshold=np.ones((1, 4, 4))))
    graph.nodes["flat"] = nir.Flatten({"input": np.array([1, 4, 4])}, 0, -1)
    graph.nodes["fc"] = nir.Linear(np.ones((2, 16), np.float32))
    graph.edges = [("input", "spikes"), ("spikes", "flat"), ("flat", "fc"), ("fc", "output")]
    network = from_nir(graph)
    assert not network.population("output").spiking
    assert Engine(network).run([0, 1], [0, 1], [0, 0], [0, 0]).counts.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([conv(bias=0.1)], "'n0'.*bias"),
        ([conv(dilation=2)], "'n0'.*dilation"),
        ([conv(), conv()], "'n1'.*no neurons between"),
        ([nir.Delay(np.array([1.0]))], "'n0'.*Delay"),
        ([nir.SumPool2d(np.array([2, 2]), np.array([1, 1]), np.array([0, 0])), conv()], "'n0'.*side by side"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(nodes, message):
    with pytest.raises(DataError, match=message):
        from_nir(foreign(*nodes))


def test_neurons_that_cannot_be_run_are_refused_by_name():
    thresholds = nir.IF(r=np.ones((2, 1, 1)), v_threshold=np.array([1.0, 2.0]).reshape(2, 1, 1))
    with pytest.raises(DataError, match=r"'spikes'.*v_threshold differs"):
        from_nir(foreign(conv(k=4), neuron=thresholds))
    one = np.ones((2, 1, 1))
    with pytest.raises(DataError, match=r"'spikes'.*CubaLIF"):
        from_nir(foreign(conv(k=4), neuron=nir.CubaLIF(one, one, one, one * 0, one)))


def test_a_file_that_is_not_nir(tmp_path):
    (tmp_path / "x.nir").write_text("nothing")
    with pytest.raises(DataError, match=r"x\.nir"):
        from_nir(tmp_path / "x.nir")


def test_a_file_that_asks_for_a_terabyte(residual, tmp_path):
    to_nir(residual, tmp_path / "network.nir", extensions=True)
    with h5py.File(tmp_path / "network.nir", "r+") as stored:
        del stored["node/nodes/stem/r"]
        stored.create_dataset("node/nodes/stem/r", (2**38,), "f4")
    with pytest.raises(DataError, match=r"network\.nir: .*'r' declares more data than"):
        from_nir(tmp_path / "network.nir")


def test_links_are_not_followed(residual, tmp_path):
    """Groups that hold each other twice, thirty times over, would be a thousand million groups."""
    to_nir(residual, tmp_path / "tree.nir", extensions=True)
    with h5py.File(tmp_path / "tree.nir", "r+") as stored:
        stored["node/loop"] = stored["node"]
    with pytest.raises(DataError, match=r"tree\.nir: .*too many groups"):
        from_nir(tmp_path / "tree.nir")
    to_nir(residual, tmp_path / "link.nir", extensions=True)
    with h5py.File(tmp_path / "link.nir", "r+") as stored:
        stored["node/elsewhere"] = h5py.ExternalLink("other.nir", "/node")
    with pytest.raises(DataError, match=r"link\.nir: .*'elsewhere' is a link"):
        from_nir(tmp_path / "link.nir")


def test_a_file_that_hdf5_never_finishes_reading(residual, tmp_path, monkeypatch):
    """A damaged heap of texts sends the HDF5 library round in a circle for ever."""
    monkeypatch.setattr(_hdf5, "SECONDS", 3)
    to_nir(residual, tmp_path / "network.nir", extensions=True)
    content = (tmp_path / "network.nir").read_bytes()
    heap = content.index(b"GCOL")
    (tmp_path / "network.nir").write_bytes(content[: heap + 16] + bytes(64) + content[heap + 80 :])
    with pytest.raises(DataError, match=r"network\.nir: .*HDF5 does not finish reading it within 3 s"):
        from_nir(tmp_path / "network.nir")


def test_a_crash_of_hdf5_is_one_line(residual, tmp_path, monkeypatch):
    to_nir(residual, tmp_path / "network.nir", extensions=True)
    script = tmp_path / "crash.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(_hdf5, "__file__", str(script))
    with pytest.raises(DataError, match=r"network\.nir: .*HDF5 fails reading it, with exit status -11"):
        from_nir(tmp_path / "network.nir")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: setattr(g.nodes["spikes"], "r", np.zeros(0)), "'spikes': r must be numbers"),
        (lambda g: setattr(g.nodes["spikes"], "v_threshold", "high"), "'spikes': v_threshold must be numbers"),
        (lambda g: setattr(g.nodes["n0"], "weight", np.ones(3)), "'n0': its weight must be 4-dimensional"),
        (lambda g: setattr(g.nodes["n0"], "stride", (0, 0)), "'n0': stride must be a whole number from 1"),
        (lambda g: g.edges.append(("n0", "nowhere")), "an edge leads from 'n0' to 'nowhere'"),
        (lambda g: g.metadata.update(snn_events="[1]"), "metadata 'snn_events' is not a mapping"),
        (lambda g: g.metadata.update(snn_events="{"), "metadata 'snn_events' is not JSON"),
        (lambda g: g.metadata.update(snn_events='{"populations": [1]}'), "holds no mapping of populations"),
    ],
)
def test_graphs_with_impossible_values_are_refused_by_name(change, message):
    graph = foreign(conv(k=4))
    graph.metadata = {}
    change(graph)
    with pytest.raises(DataError, match=message):
        from_nir(graph)
