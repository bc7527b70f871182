"""QCFS conversion and SRP: the activation, its equality with spiking neurons, the initial membrane in the engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jobs import do

from snn import methods
from snn.config.blocks import Train
from snn.config.validation import validate
from snn.errors import ConfigError
from snn.events import Engine, load
from snn.methods.ann_qcfs import QuantisedReLU
from snn.methods.qcfs import starting_at_half
from snn.methods.shared.neurons import neurons
from snn.methods.srp import SRPNetwork, SRPNeuron
from snn.neurons import NeuronSpec, make_neuron

IF = NeuronSpec()


def quantised(levels, bound=1.0):
    return QuantisedReLU(levels, bound).double()


# --- the activation


def test_the_vectors_of_the_specification():
    c = torch.tensor([-0.2, 0.1, 0.125, 0.3, 0.4, 0.625, 0.9, 1.3], dtype=torch.float64)
    assert quantised(4)(c).tolist() == [0, 0, 0.25, 0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize(("c", "d_c", "d_bound"), [(-0.4, 0, 0), (0.3, 1, -0.05), (0.62, 1, -0.12), (1.3, 0, 1)])
def test_the_gradients_of_the_specification(c, d_c, d_bound):
    layer, c = quantised(4), torch.tensor(c, dtype=torch.float64, requires_grad=True)
    layer(c).backward()
    assert c.grad.item() == d_c
    assert layer.bound.grad.item() == pytest.approx(d_bound, abs=1e-12)


@pytest.mark.parametrize("t", [2, 4, 8, 16])
@pytest.mark.parametrize("bound", [1.0, 2.5])
def test_neurons_that_start_at_half_their_threshold_are_this_activation_after_t_steps(t, bound):
    """At a constant current and T = L: 30,001 values between -λ and 2λ. θ is 1, so the current is c/λ."""
    c = torch.linspace(-1, 2, 30001, dtype=torch.float64)
    neuron = make_neuron(starting_at_half(IF)).double()
    counts = neuron((c).expand(t, -1)).sum(0)
    assert torch.equal(bound * counts / t, bound * quantised(t)(c))
    assert torch.allclose(bound * quantised(t)(c), quantised(t, bound)(bound * c), atol=1e-12)


def test_of_several_spikes_a_step_nothing_is_clipped_at_the_bound():
    """Why the published neuron has one spike a step; the method leaves the configured neuron as it is."""
    neuron = make_neuron(starting_at_half(NeuronSpec(multi_spike=True))).double()
    assert neuron(torch.full((4, 1), 1.6, dtype=torch.float64)).sum() > 4


# --- the initial membrane


@pytest.mark.parametrize("implementation", ["fused", "spikingjelly"])
def test_every_implementation_starts_at_the_initial_membrane_and_again_after_a_reset(implementation):
    spec = NeuronSpec(v_init=0.75, v_min=-1.0, implementation=implementation)
    neuron, x = make_neuron(spec), torch.full((3, 2), 0.3)
    expected = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])  # 1.05, then 0.35, 0.65
    assert torch.equal(neuron(x), expected)
    neuron.reset()
    assert torch.equal(neuron(x), expected)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"v_init": 1.0}, "v_init must lie below the threshold"),
        ({"v_init": -2.0, "v_min": -1.0}, "v_init must not lie below v_min"),
    ],
)
def test_an_initial_membrane_without_meaning_is_refused(block, words):
    with pytest.raises(ConfigError, match=words):
        validate(NeuronSpec, block, "neuron")


# --- the conversion


@pytest.fixture
def teacher(blueprint, batch):
    def build(name="3c1fc", params=None, levels=4):
        method = methods.find("ann-qcfs")
        torch.manual_seed(0)
        ann = method.build(method.Params(levels=levels, bound=1.5), blueprint(name, params, IF))
        with torch.no_grad():
            for p in ann.parameters():
                p.mul_(1.5)
            for _ in range(30):
                ann.train()(batch(t=1, n=8)[0])
        return ann.eval().requires_grad_(False)

    return build


def converted(method, blueprint, ann, x, name="qcfs", network="3c1fc", params=None, static=True, **more):
    m = method(name, t_train=len(x), teacher=ann, static=static, **more)
    model = m.prepare(methods.find(name).build(m.params, blueprint(network, params, IF)))
    m.before_evaluation(model, iter([x]))
    return m.strip(model).eval()


@pytest.mark.parametrize("norm", ["none", "scale", "batch"])
def test_the_first_layer_of_an_image_is_the_anns_at_t_equal_to_l(norm, method, blueprint, teacher, batch):
    params = {"norm": norm, "readout": "membrane"}
    ann = teacher(params=params, levels=4)
    image = batch(t=1)[0]
    model = converted(method, blueprint, ann, image.expand(4, -1, -1, -1, -1), params=params)
    outputs = {}
    for which, network in (("ann", ann), ("snn", model)):
        network.stages[0].neuron.register_forward_hook(lambda _m, _i, o, which=which: outputs.__setitem__(which, o))
    with torch.no_grad():
        model(image.expand(4, -1, -1, -1, -1)), ann(image)
    bound = ann.stages[0].neuron.bound
    close = (bound * outputs["snn"].mean(0) - outputs["ann"][0]).abs() < 1e-5
    assert close.float().mean() > 0.995, "but for currents at a step of the activation, by rounding"
    assert outputs["ann"].unique().numel() == 5


def test_images_approach_the_ann_and_a_mean_of_logits_has_its_scale(method, blueprint, teacher, batch):
    ann, image = teacher(levels=1024), batch(t=1, n=20)[0]
    error = {}
    for t in (4, 64, 1024):
        x = image.expand(t, -1, -1, -1, -1)
        with torch.no_grad():
            logits = converted(method, blueprint, ann, x)(x).mean(0)
        error[t] = ((logits - ann(image)[0]).norm() / ann(image)[0].norm()).item()
    assert error[1024] < 0.06
    assert error[1024] < error[64] < error[4]


@pytest.mark.parametrize(("network", "norm"), [("resnet8", "scale"), ("vgg11", "batch")])
def test_other_layouts_are_converted_too(network, norm, method, blueprint, teacher, batch):
    params = {"norm": norm, "readout": "membrane"} | ({"width": 1 / 16} if network == "vgg11" else {})
    ann, image = teacher(network, params, levels=64), batch(t=1, n=20)[0]
    x = image.expand(512, -1, -1, -1, -1)
    with torch.no_grad():
        logits = converted(method, blueprint, ann, x, network=network, params=params)(x).mean(0)
    assert (logits - ann(image)[0]).norm() < 0.2 * ann(image)[0].norm()


def test_it_is_trained_swept_and_deployed_with_its_initial_membrane(make_job, tmp_path):
    folder = tmp_path / "teacher"
    do(make_job("ann-qcfs", folder=folder))
    e = do(make_job("qcfs", teacher=folder))
    assert {spec.v_init for spec in (m.spec for m in neurons(e.build_network()).values())} == {0.5}
    for phase in ("sweep", "deploy", "robustness"):
        assert do(make_job("qcfs", phase), phase).folder.record(phase)["status"] == "ok"
    network = load(e.folder.network_file)
    assert {p.v0 for p in network.populations if p.spiking} == {0.5}
    without = do(make_job("sdt", folder=tmp_path / "sdt"))
    do(make_job("sdt", "deploy", folder=tmp_path / "sdt"), "deploy")
    assert {p.v0 for p in load(without.folder.network_file).populations} == {0.0}


def test_the_engine_starts_where_the_network_does(method, blueprint, teacher, batch):
    """One event at a time: clock-driven with a frame for each event, and event-driven."""
    from snn.data.format import EVENT
    from snn.models.export import export

    spec = starting_at_half(NeuronSpec(multi_spike=True))  # the engine fires as often as θ fits in
    network = blueprint(spec=spec, params={"readout": "spiking"}).build().eval()
    with torch.no_grad():
        for p in network.parameters():
            p.abs_().mul_(2)  # without inhibition the order of the spikes within a step does not matter
    rng = np.random.default_rng(0)
    events = np.zeros(200, EVENT)
    events["t"] = np.arange(200) * 10
    events["x"], events["y"], events["p"] = rng.integers(0, 12, 200), rng.integers(0, 12, 200), rng.integers(0, 2, 200)
    frames = torch.zeros(200, 1, 2, 12, 12)
    frames[torch.arange(200), 0, events["p"].astype(int), events["y"].astype(int), events["x"].astype(int)] = 1
    with torch.no_grad():
        expected = network(frames).sum(0)[0]
    result = Engine(export(network, spec, (2, 12, 12), list("abcd"))).run(*(events[k] for k in "txyp"))
    assert expected.sum() > 5
    assert np.allclose(result.counts, expected.numpy())


@pytest.mark.parametrize("name", ["qcfs", "srp"])
def test_neurons_without_a_rate_are_refused(name):
    with pytest.raises(ConfigError, match="not proportional"):
        methods.find(name).check(methods.parameters(name, {}), 4, Train(), NeuronSpec(decay=0.5))


# --- SRP


def test_a_neuron_that_ends_low_after_the_first_pass_does_not_spike_in_the_second():
    """Two neurons, u after the first step 1.7: a spike each. Then 0.7 - 1 = -0.3 is below, 0.7 + 0.1 = 0.8 above."""
    neuron = SRPNeuron(starting_at_half(IF), 2)
    first, second = torch.tensor([[1.2, 1.2], [-1.0, 0.1]]), torch.tensor([[0.6, 0.6], [0.0, 0.0], [0.9, 0.9]])
    spikes = neuron(torch.cat([first, second])[:, None])[:, 0]
    assert spikes.tolist() == [[1, 1], [0, 0], [0, 1], [0, 0], [0, 1]]
    assert torch.equal(neuron(torch.cat([first, second])[:, None])[:, 0], spikes), "each sequence starts anew"


@pytest.mark.parametrize("t", [3, 6])
def test_the_two_passes_are_those_of_the_converted_network(t, method, blueprint, teacher, batch):
    from spikingjelly.activation_based import functional

    ann, x = teacher(), batch(t=t, n=10)[0]
    plain = converted(method, blueprint, ann, x, static=False)
    model = converted(method, blueprint, ann, x, "srp", static=False, first=4)
    assert isinstance(model, SRPNetwork)
    assert model.state_dict().keys() == plain.state_dict().keys()
    masks, handles = {}, []
    with torch.no_grad():
        plain(x[torch.arange(4) % t])
        for name, neuron in neurons(plain).items():
            masks[name] = (neuron.v > 1e-3).float()
            handles.append(neuron.register_forward_hook(lambda _m, _i, s, name=name: s * masks[name]))
        expected = plain(x)
        for handle in handles:
            handle.remove()
        functional.reset_net(model)
        assert torch.equal(model(x), expected)
        assert not torch.equal(plain(x), expected), "the masks make a difference"


def test_its_cell_is_swept_with_the_first_pass_counted_and_refused_event_driven(make_job, tmp_path):
    folder = tmp_path / "teacher"
    do(make_job("ann-qcfs", folder=folder))
    spikes = {}
    for name, hyper in (("qcfs", {}), ("srp", {"first": 4})):
        more = {"methods": {name: hyper}}
        do(make_job(name, folder=tmp_path / name, teacher=folder, **more))
        e = do(make_job(name, "sweep", folder=tmp_path / name, **more), "sweep")
        rows = e.folder.rows("sweep", "metrics.csv")
        spikes[name] = {int(r["t_eval"]): float(r["value"]) for r in rows if r["metric"] == "spikes"}
    more = {"methods": {"srp": {"first": 4}}}
    for phase in ("deploy", "robustness"):
        record = do(make_job("srp", phase, folder=tmp_path / "srp", **more), phase).folder.record(phase)
        assert record["status"] == "refused"
        assert "first pass over a number of time steps" in record["reason"]
    assert set(spikes["srp"]) == {1, 3, 4}
    assert all(value > 0 for value in spikes["srp"].values())
