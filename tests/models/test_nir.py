"""A network from a NIR file is a cell: the same network clock-driven and event-driven, or refused by name."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import nir
import numpy as np
import pytest
import torch
from jobs import do

from snn.data.store import open_event_store
from snn.errors import ConfigError, DataError
from snn.events import Engine, from_nir, load
from snn.models.export import export
from snn.models.graph import Accumulator, Graph
from snn.models.nir import Params, build
from snn.neurons import Neuron, NeuronSpec, make_neuron
from snn.phases import one_event_steps

SPEC = NeuronSpec(v_min=-1.0)


def graph(classes=10, threshold=1.0, pool=2, neurons=None):
    """Convolution 5x5 with stride 2, IF, sum pooling, convolution, IF, pooling, two linear layers with IF."""
    rng = np.random.default_rng(0)

    def w(*shape):
        return rng.normal(0.05, 0.25, shape).astype(np.float32)

    def spikes(*shape):
        if neurons:
            return neurons(shape)
        return nir.IF(r=np.ones(shape), v_threshold=np.full(shape, threshold), v_reset=np.zeros(shape))

    def pooling(k):
        return nir.SumPool2d(np.array([k, k]), np.array([k, k]), np.array([0, 0]))

    nodes = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "a": nir.Conv2d((34, 34), w(4, 2, 5, 5), 2, 1, 1, 1, np.zeros(4)),
        "1": spikes(4, 16, 16),
        "pool1": pooling(pool),
        "b": nir.Conv2d((16 // pool, 16 // pool), w(8, 4, 3, 3), 1, 1, 1, 1, np.zeros(8)),
        "2": spikes(8, 16 // pool, 16 // pool),
        "pool2": pooling(2),
        "flat": nir.Flatten({"input": np.array([8, 16 // pool // 2, 16 // pool // 2])}, 0, -1),
        "c": nir.Linear(w(12, 8 * (16 // pool // 2) ** 2)),
        "3": spikes(12),
        "d": nir.Linear(w(classes, 12) * 4),
        "4": spikes(classes),
        "output": nir.Output({"output": np.array([classes])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


@pytest.fixture
def written(tmp_path):
    """written(**graph) -> parameters of the network."""

    def write(**options):
        path = tmp_path / "network.nir"
        nir.write(path, graph(**options))
        return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}

    return write


def built(params, spec=SPEC, classes=10, shape=(2, 34, 34)):
    return build("nir", Params(**params), shape, classes, lambda: make_neuron(spec))


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_exported_again_it_is_the_network_of_the_file(written, pool):
    params = written(pool=pool)
    back = export(built(params), SPEC, (2, 34, 34), [str(i) for i in range(10)])
    original = from_nir(params["file"], reset="soft", v_min=-1.0)
    for one, other in zip(back.synapses, original.synapses, strict=True):
        assert (one.kind, one.pool, one.stride, one.padding) == (other.kind, other.pool, other.stride, other.padding)
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6 if pool == 3 else 0)
    assert [(p.shape, p.threshold, p.v_min, p.reset) for p in back.populations] == [
        (p.shape, p.threshold, p.v_min, p.reset) for p in original.populations
    ]


def test_clock_driven_at_one_event_a_step_its_first_layer_is_the_engines(written):
    params = written()
    rng, n = np.random.default_rng(1), 300
    x, y, p = rng.integers(0, 34, n), rng.integers(0, 34, n), rng.integers(0, 2, n)
    frames = torch.zeros(n, 1, 2, 34, 34)
    frames[torch.arange(n), 0, p, y, x] = 1
    first = built(params).eval().stages[0]
    with torch.no_grad():
        spikes = first.neuron(first.conv(frames[:, 0])[:, None])[:, 0]
    trace = Engine(from_nir(params["file"], reset="soft", v_min=-1.0)).run(np.arange(n), x, y, p, trace=True).trace[0]
    assert len(trace) > 100
    assert torch.nonzero(spikes).tolist() == sorted(trace[:, [0, 2, 3, 4]].tolist())


def test_as_a_cell_it_has_all_phases(written, make_job, tiny_store):
    params = written()
    overlay = {
        "variants": {"elsewhere": {"base": "nir", "params": params, "neuron": {"v_min": -1.0}}},
        "matrix": {"methods": ["as-given"], "networks": ["elsewhere"]},
        "deploy": {"lower_bounds": [None]},
    }
    for phase in ("train", "sweep", "deploy", "robustness"):
        e = do(make_job("as-given", phase, network="elsewhere", **overlay), phase)
        assert e.folder.record(phase)["status"] == "ok", e.folder.record(phase)["reason"]
    assert len(e.folder.rows("train", "history.csv")) == 1, "nothing is trained"
    modes = {row["mode"] for row in e.folder.rows("deploy", "metrics.csv")}
    assert modes >= {"clock", "event-float", "event-int8", "event-float@v_min=none"}
    predictions = e.folder.predictions("deploy")
    engine, store = Engine(from_nir(params["file"], reset="soft", v_min=-1.0)), open_event_store(tiny_store)
    for i, predicted in zip(predictions["index"], predictions["event-float//accuracy"], strict=True):
        events = store.events(int(i))
        assert engine.run(*(events[key] for key in "txyp")).prediction == predicted
    assert load(e.folder.network_file).populations[0].shape == (4, 16, 16)


def one_layer(leak):
    """Flattening and one linear layer, with weights below the threshold: no spike is ever left over."""
    rng, one = np.random.default_rng(0), np.ones(10)
    neurons = nir.IF(r=one, v_threshold=one, v_reset=one * 0)
    if leak:
        neurons = nir.LIF(tau=one * leak, r=one * leak, v_leak=one * 0, v_threshold=one, v_reset=one * 0)
    nodes = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "flat": nir.Flatten({"input": np.array([2, 34, 34])}, 0, -1),
        "w": nir.Linear(rng.uniform(-0.8, 0.9, (10, 2 * 34 * 34)).astype(np.float32)),
        "1": neurons,
        "output": nir.Output({"output": np.array([10])}),
    }
    return nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)


@pytest.mark.parametrize("leak", [None, 0.02])
def test_a_cell_at_one_event_a_step(leak, tmp_path, make_job, monkeypatch):
    monkeypatch.setattr(one_event_steps, "VALUES", 2 * 34 * 34 * 100)  # several passes a recording
    path = tmp_path / "network.nir"
    nir.write(path, one_layer(leak))
    params = {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "step_us": 75_000.0}
    overlay = {
        "variants": {"elsewhere": {"base": "nir", "params": params, "neuron": {"v_min": -1.0}}},
        "deploy": {"one_event_steps": True},
        "train": {"epochs": 1},
    }
    for phase in ("train", "deploy"):
        e = do(make_job("as-given", phase, network="elsewhere", **overlay), phase)
    predictions, record = e.folder.predictions("deploy"), e.folder.record("deploy")
    if leak:
        assert "clock-events: neurons leak" in record["reason"]
        assert "clock-events//accuracy" not in predictions
    else:
        assert record["reason"] == ""
        assert len(set(predictions["event-float//accuracy"])) > 1
        np.testing.assert_array_equal(predictions["clock-events//accuracy"], predictions["event-float//accuracy"])


def test_another_method_trains_it_further(written, make_job):
    overlay = {"variants": {"elsewhere": {"base": "nir", "params": written()}}, "train": {"epochs": 1}}
    e = make_job("sdt", network="elsewhere", **overlay)
    before = {name: value.clone() for name, value in e.build_network().named_parameters()}
    do(e)
    after = dict(e.load_network()[0].named_parameters())
    assert before.keys() == after.keys()
    assert not any(torch.equal(before[name], after[name]) for name in before)


def leaky(shape):
    one = np.ones(shape)
    return nir.LIF(tau=one * 0.01, r=one, v_leak=one * 0, v_threshold=one, v_reset=one * 0)


def branched(leak=None):
    """Two convolutions of different thresholds that meet in one population, beside a third one that skips it."""
    rng = np.random.default_rng(0)

    def w(*shape):
        return rng.normal(0.1, 0.3, shape).astype(np.float32)

    def spikes(threshold, *shape):
        one = np.ones(shape)
        if leak:
            return nir.LIF(tau=one * leak, r=one * leak, v_leak=one * 0, v_threshold=one * threshold, v_reset=one * 0)
        return nir.IF(r=one, v_threshold=one * threshold, v_reset=one * 0)

    pool = np.array([2, 2])
    nodes = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "shrink": nir.SumPool2d(pool, pool, np.array([0, 0])),
        "a": nir.Conv2d((17, 17), w(3, 2, 3, 3), 1, 1, 1, 1, np.zeros(3)),
        "1": spikes(1.0, 3, 17, 17),
        "b": nir.Conv2d((17, 17), w(3, 3, 3, 3), 1, 1, 1, 1, np.zeros(3)),
        "skip": nir.Scale(np.full((3, 17, 17), 0.5)),
        "2": spikes(0.75, 3, 17, 17),
        "pool": nir.AvgPool2d(pool, pool, np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([3, 8, 8])}, 0, -1),
        "c": nir.Linear(w(10, 192) * 4),
        "3": spikes(2.0, 10),
        "output": nir.Output({"output": np.array([10])}),
    }
    names = ["input", "shrink", "a", "1", "b", "2", "pool", "flat", "c", "3", "output"]
    return nir.NIRGraph(nodes, [("1", "skip"), ("skip", "2"), *pairwise(names)], type_check=False)


@pytest.fixture
def written_graph(tmp_path):
    def write(**options):
        path = tmp_path / "network.nir"
        nir.write(path, branched(**options))
        return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}

    return write


def test_branches_and_thresholds_are_computed_as_the_engine_computes_them(written_graph):
    """One event at a time, long apart: what a step adds up is then mostly one spike after another."""
    params = written_graph()
    network, events = built(params).eval(), from_nir(params["file"], reset="soft", v_min=-1.0)
    assert isinstance(network, Graph)
    rng, n = np.random.default_rng(1), 400
    x, y, p = rng.integers(0, 34, n), rng.integers(0, 34, n), rng.integers(0, 2, n)
    frames = torch.zeros(n, 1, 2, 34, 34)
    frames[torch.arange(n), 0, p, y, x] = 1
    layers = []
    with torch.no_grad():
        out = network(frames, collect=layers)
        pieces = [network(part, fresh=i == 0) for i, part in enumerate(frames.split(150))]
    np.testing.assert_array_equal(torch.cat(pieces), out)
    result = Engine(events).run(np.arange(n), x, y, p, trace=True)
    first, second, last = result.trace
    assert len(first) > 100
    assert torch.nonzero(layers[0][:, 0]).tolist() == sorted(first[:, [0, 2, 3, 4]].tolist()), "one event a step"
    assert layers[1].sum().item() == pytest.approx(len(second), rel=0.1)
    assert out.sum().item() == pytest.approx(len(last), rel=0.1)
    assert out.shape == (n, 1, 10)


def test_a_leak_of_a_graph_is_that_of_a_time_step(written_graph):
    params = written_graph(leak=0.02) | {"step_us": 10_000.0}
    network = built(params)
    neurons = [m for m in network.modules() if isinstance(m, Neuron)]
    assert [m.spec.threshold for m in neurons] == [1.0, 0.75, 2.0]
    assert all(m.spec.decay == pytest.approx(np.exp(-0.5)) for m in neurons)
    back = export(network, SPEC, (2, 34, 34), list("abcdefghij"), {"a": 1})
    assert [p.tau_us for p in back.populations] == [20_000] * 3


def test_a_graph_as_a_cell_has_all_phases(written_graph, make_job, tiny_store):
    params = written_graph(leak=0.02) | {"step_us": 75_000.0}
    overlay = {
        "variants": {"elsewhere": {"base": "nir", "params": params, "neuron": {"v_min": -1.0}}},
        "matrix": {"methods": ["as-given"], "networks": ["elsewhere"]},
    }
    for phase in ("train", "sweep", "deploy", "probe", "robustness"):
        e = do(make_job("as-given", phase, network="elsewhere", **overlay), phase)
        assert e.folder.record(phase)["status"] == "ok", e.folder.record(phase)["reason"]
    given = from_nir(params["file"], reset="soft", v_min=-1.0)
    deployed = load(e.folder.network_file)
    for one, other in zip(deployed.synapses, given.synapses, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
    assert [(p.name, p.threshold, p.tau_us) for p in deployed.populations] == [
        (p.name, p.threshold, p.tau_us) for p in given.populations
    ]
    assert {row["metric"] for row in e.folder.rows("sweep", "metrics.csv")} >= {"accuracy", "spikes"}
    with pytest.raises(ConfigError, match=r"no chain of layers .* use `methods: \[as-given\]`"):
        make_job("sdt", network="elsewhere", **overlay | {"matrix": {"networks": ["elsewhere"]}}).build_network()


def test_an_output_that_leaks_ends_at_its_membrane():
    gains = Accumulator(0.5)(torch.ones(3, 1, 1))
    assert gains.flatten().cumsum(0).tolist() == [1.0, 1.5, 1.75]
    assert Accumulator(1.0)(torch.ones(3, 1, 1)).sum().item() == 3.0


@pytest.mark.parametrize(
    ("options", "how", "message"),
    [
        ({}, {"classes": 8}, "10 outputs, the data 8 classes"),
        ({}, {"shape": (2, 28, 28)}, r"takes \(2, 34, 34\)"),
        ({"threshold": 2.0}, {}, r"'1' has threshold 2.0, the configuration 1.0; set it in variants"),
        ({"neurons": leaky}, {}, r"'1' leaks with a time constant of 10000 µs: say how long a time step"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(written, options, how, message):
    with pytest.raises(ConfigError, match=message):
        built(written(**options), **how)


def test_another_file_is_refused_with_its_checksum(written):
    params = written()
    with pytest.raises(DataError, match=f"has the SHA-256 {params['sha256']}, not aaaa; another file"):
        built(params | {"sha256": "aaaa"})
    with pytest.raises(DataError, match="no such file, and no url"):
        built(params | {"file": params["file"] + "x"})
    with pytest.raises(ConfigError, match="which NIR file"):
        built({})
