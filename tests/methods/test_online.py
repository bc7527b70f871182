"""SLTT, SLTT-K and OTTT: gradients against BPTT, closed forms and SpikingJelly's online learning; memory flat in T."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import find, parameters
from snn.methods.ottt import Trace
from snn.methods.shared.online import loss_of_step
from snn.models.stages import ConvStage, Network, Readout
from snn.neurons import NeuronSpec, make_neuron
from snn.phases.probe.memory import KeptForBackward

T, CLASSES = 6, 4
SOFT = {"reset": "soft", "detach_reset": True, "surrogate": {"name": "sigmoid"}}


def spec(decay=0.5, **changes):
    return NeuronSpec(decay=decay, **(SOFT | changes))


def chain(layers, neuron, readout="membrane"):
    """A network in double precision of this number of convolutions, with weights that make it fire."""
    torch.manual_seed(0)
    stages, channels = [], 2
    for pool in [2, 1, 1][:layers]:
        conv = nn.Conv2d(channels, 5, 3, 1, 1, bias=True)
        stages.append(ConvStage(conv, nn.Identity(), lambda: make_neuron(neuron), pool))
        channels = 5
    output = make_neuron(neuron) if readout == "spiking" else None
    network = Network(stages, Readout(5 * 6 * 6, CLASSES, output)).double()
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(2.5)
    return network


@pytest.fixture
def data(batch):
    def draw(t=T):
        x, y = batch(t=t)
        return x.double(), y

    return draw


def grads(network):
    return {name: p.grad.clone() for name, p in network.named_parameters()}


def weights(gradients):
    """Without biases, whose published gradient has no trace."""
    return {name: g for name, g in gradients.items() if name.endswith("weight")}


def trained(m, network, x, y):
    model = m.prepare(network).train()
    result = m.step(model, x, y)
    return result, grads(model)


def bptt(network, x, y, mse_weight=0.05, target="one"):
    """The gradients of the same loss through all of time."""
    z = network.train()(x)
    sum(loss_of_step(z[t], y, mse_weight, target) / len(z) for t in range(len(z))).backward()
    return grads(network)


assert_close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-13)


def assert_differ(a, b, names):
    for k in names:
        assert (a[k] - b[k]).abs().max() > 1e-3 * b[k].abs().max(), k


@pytest.mark.parametrize("target", ["one", "one-hot"])
def test_the_loss_of_a_step_is_the_formula(target):
    z, y = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    phi = torch.ones(5, 3) if target == "one" else one_hot(y, 3).float()
    assert loss_of_step(z, y, 0.3, target).isclose(0.7 * cross_entropy(z, y) + 0.3 * ((z - phi) ** 2).mean())


# --- SLTT


def test_sltt_without_memory_is_bptt(method, data):
    x, y = data()
    result, own = trained(method("sltt"), chain(3, spec(decay=0.0)), x, y)
    network = chain(3, spec(decay=0.0))
    assert_close(own, bptt(network, x, y))
    assert torch.allclose(result.logits, network(x).mean(0))
    assert result.time_steps == T


def test_sltt_with_memory_is_not_bptt(method, data):
    x, y = data()
    _, own = trained(method("sltt"), chain(3, spec()), x, y)
    assert_differ(own, bptt(chain(3, spec()), x, y), ["stages.0.conv.weight", "stages.1.conv.weight"])


def test_sltt_at_one_step_is_tet(method, batch, network):
    x, y = batch(t=1)
    a, b = method("sltt", mse_weight=1e-3), method("tet", regularisation=1e-3, target=1.0)
    (ra, ga), (rb, gb) = trained(a, network(), x, y), trained(b, network(), x, y)
    assert ra.loss == pytest.approx(rb.loss)
    assert torch.allclose(ra.logits, rb.logits)
    assert_close(ga, gb, rtol=1e-5)


@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("readout", ["membrane", "spiking"])
def test_sltts_gradient_is_the_closed_form(readout, detach_reset, method, data):
    """δ_l[t] = (W_{l+1}ᵀ δ_{l+1}[t]) ⊙ g(u_l[t]) and ∂L/∂W_l = Σ_t δ_l[t] a_{l-1}[t]ᵀ by layer, without the reset."""
    x, y = data()
    neuron = spec(decay=0.7, detach_reset=detach_reset)
    network = chain(2, neuron, readout)
    _, own = trained(method("sltt"), chain(2, neuron, readout), x, y)
    g = make_neuron(neuron).double().surrogate.gradient
    (c1, c2), linear = (stage.conv for stage in network.stages), network.readout.linear
    total = {name: torch.zeros_like(p) for name, p in network.named_parameters()}

    def fire(v, current):
        u = 0.7 * v + current
        s = (u >= 1).double()
        return u, s, u - s

    v1 = v2 = vo = 0.0
    with torch.no_grad():
        for t in range(T):
            u1, s1, v1 = fire(v1, c1(x[t]))
            p1 = nn.functional.avg_pool2d(s1, 2)
            u2, s2, v2 = fire(v2, c2(p1))
            a2 = s2.flatten(1)
            o = linear(a2)
            uo, so, vo = fire(vo, o)
            z = so if readout == "spiking" else o
            ce = (z.softmax(1) - one_hot(y, CLASSES)) / len(y)
            d = (0.95 * ce + 0.05 * 2 * (z - 1) / z.numel()) / T
            d = d * g(uo) if readout == "spiking" else d
            total["readout.linear.weight"] += d.T @ a2
            d2 = (d @ linear.weight).view_as(s2) * g(u2)
            total["stages.1.conv.weight"] += torch.nn.grad.conv2d_weight(p1, c2.weight.shape, d2, 1, 1)
            total["stages.1.conv.bias"] += d2.sum((0, 2, 3))
            back = torch.nn.grad.conv2d_input(p1.shape, c2.weight, d2, 1, 1)
            d1 = nn.functional.interpolate(back, scale_factor=2) / 4 * g(u1)
            total["stages.0.conv.weight"] += torch.nn.grad.conv2d_weight(x[t], c1.weight.shape, d1, 1, 1)
            total["stages.0.conv.bias"] += d1.sum((0, 2, 3))
    assert_close(own, total)


def test_sltt_k_draws_k_steps_for_the_batch_and_pays_for_the_others_forward(method, network, batch):
    m = method("sltt-k", steps=2)
    draws = [m.learning_steps(T) for _ in range(200)]
    assert {len(d) for d in draws} == {2}
    assert set().union(*draws) == set(range(T))
    result = method("sltt-k", steps=2).step(network(), *batch(t=T))
    assert result.time_steps == pytest.approx(2 + 4 / 3)


def test_sltt_k_has_the_gradients_of_its_steps_with_the_loss_over_t(method, data):
    """It equals SLTT's gradient with the loss of the other steps left out."""
    x, y = data()
    m = method("sltt-k", steps=2)
    _, own = trained(m, chain(2, spec()), x, y)
    learning = method("sltt-k", steps=2).learning_steps(T)
    parts = []
    for t in learning:
        one = method("sltt")
        one.learning_steps = lambda steps, t=t: {t}
        parts.append(trained(one, chain(2, spec()), x, y)[1])
    assert_close(own, {k: sum(part[k] for part in parts) for k in own})


@pytest.mark.parametrize("steps", [T, 20])
def test_sltt_k_of_all_steps_is_sltt(steps, method, network, batch):
    x, y = batch(t=T)
    (a, ga), (b, gb) = (trained(m, network(), x, y) for m in (method("sltt-k", steps=steps), method("sltt")))
    assert a.loss == b.loss
    assert a.time_steps == b.time_steps == T
    assert all(torch.equal(ga[k], gb[k]) for k in ga)


# --- OTTT


def test_the_trace_of_the_specification():
    trace = Trace(0.5)
    assert [trace.follow(torch.tensor(a)).item() for a in (1.0, 0.0, 1.0, 1.0)] == [1.0, 0.5, 1.25, 1.625]


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_with_one_hidden_layer_ottt_is_bptt(decay, method, data):
    x, y = data()
    _, own = trained(method("ottt"), chain(1, spec(decay)), x, y)
    assert_close(weights(own), weights(bptt(chain(1, spec(decay)), x, y, target="one-hot")))


def test_the_published_readout_takes_a_trace_that_bptt_does_not(method, data):
    x, y = data()
    _, own = trained(method("ottt", readout_trace=True), chain(1, spec()), x, y)
    reference = bptt(chain(1, spec()), x, y, target="one-hot")
    assert_differ(own, reference, ["readout.linear.weight"])
    assert_close(own["stages.0.conv.weight"], reference["stages.0.conv.weight"])


def test_a_spiking_readout_has_a_membrane_and_so_the_trace(method, data):
    x, y = data()
    x = x[..., :6, :6].repeat(1, 1, 3, 1, 1)[:, :, :5]
    _, own = trained(method("ottt"), chain(0, spec(), "spiking"), x, y)
    assert_close(own, bptt(chain(0, spec(), "spiking"), x, y, target="one-hot"))


def test_with_two_hidden_layers_the_last_is_exact_and_the_first_is_not(method, data):
    x, y = data()
    _, own = trained(method("ottt"), chain(2, spec()), x, y)
    reference = bptt(chain(2, spec()), x, y, target="one-hot")
    exact = ["stages.1.conv.weight", "readout.linear.weight"]
    assert_close({k: own[k] for k in exact}, {k: reference[k] for k in exact})
    assert_differ(own, reference, ["stages.0.conv.weight"])


def test_a_reset_in_the_graph_makes_the_difference(method, data):
    x, y = data()
    _, own = trained(method("ottt"), chain(1, spec(detach_reset=False)), x, y)
    assert_differ(own, bptt(chain(1, spec(detach_reset=False)), x, y, target="one-hot"), ["stages.0.conv.weight"])


def test_ottt_without_memory_is_sltt(method, data):
    x, y = data()
    (a, ga), (b, gb) = (
        trained(m, chain(3, spec(decay=0.0)), x, y) for m in (method("ottt"), method("sltt", target="one-hot"))
    )
    assert a.loss == pytest.approx(b.loss)
    assert_close(ga, gb)


def test_the_first_layer_without_a_trace_has_sltts_gradient(method, data):
    x, y = data()
    _, own = trained(method("ottt", input_trace=False), chain(2, spec()), x, y)
    _, sltt = trained(method("sltt", target="one-hot"), chain(2, spec()), x, y)
    _, traced = trained(method("ottt"), chain(2, spec()), x, y)
    assert_close(own["stages.0.conv.weight"], sltt["stages.0.conv.weight"])
    assert_differ(own, traced, ["stages.0.conv.weight"])
    assert torch.equal(own["stages.1.conv.weight"], traced["stages.1.conv.weight"])


def test_layers_are_left_as_they_were(method, network, batch):
    m, model = method("ottt"), network("resnet8", {"norm": "scale"})
    m.step(m.prepare(model).train(), *batch(t=3))
    assert not any("forward" in module.__dict__ for module in model.modules())


@pytest.mark.parametrize("name", ["sltt", "sltt-k", "ottt", "ltl-online"])
def test_gains_of_time_steps_are_refused_by_the_layer(name, method, network, blueprint):
    temporal = blueprint(params={"norm": "tebn"}, steps=4).build()
    with pytest.raises(ConfigError, match=r"stages\.0\.norm: norm: tebn and tescale need all time steps"):
        method(name, teacher=network(relu=True)).prepare(temporal)


@pytest.mark.parametrize(
    ("neuron", "words"),
    [
        ({"reset": "hard"}, "which a hard reset discards"),
        ({"decay": 0.5, "learned_decay": True}, "learned_decay: false"),
    ],
)
def test_neurons_without_a_trace_are_refused_with_the_reason(neuron, words):
    with pytest.raises(ConfigError, match=words):
        find("ottt").check(parameters("ottt", {}), 4, Train(), NeuronSpec(**neuron))


# --- SpikingJelly's online learning


def spikingjellys(layers, node, container):
    """The network of `chain` as a sequence of their modules, with the same weights."""
    network, modules = chain(layers, spec()), []
    for stage in network.stages:
        modules += [stage.conv, node(), *([nn.AvgPool2d(2)] if stage.pool > 1 else [])]
    return container(*modules, nn.Flatten(), network.readout.linear), network


@pytest.mark.parametrize("name", ["sltt", "ottt"])
def test_the_gradients_are_spikingjellys(name, method, data):
    from spikingjelly.activation_based import layer, neuron, surrogate
    from spikingjelly.activation_based.learning.online_learning import ottt_online_training

    options = {"tau": 2.0, "decay_input": False, "v_reset": None, "surrogate_function": surrogate.Sigmoid(4.0)}
    node = neuron.SLTTLIFNode if name == "sltt" else neuron.OTTTLIFNode
    container = nn.Sequential if name == "sltt" else layer.OTTTSequential
    model, ours = spikingjellys(2, lambda: node(**options), container)
    x, y = data()
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    loss = lambda z, y: loss_of_step(z, y, 0.05, "one") / T  # noqa: E731
    ottt_online_training(model.train(), optimizer, x.transpose(0, 1), y.expand(T, -1).T, loss, False)
    expected = grads(ours)
    code = {"input_trace": False, "readout_trace": True} if name == "ottt" else {}
    _, own = trained(method(name, target="one", **code), chain(2, spec()), x, y)
    assert_close(own, expected)


@pytest.mark.parametrize("name", ["sltt", "sltt-k", "ottt"])
def test_what_is_kept_for_backward_does_not_grow_with_t(name, method, network, batch):
    bytes_held = {}
    for t in (4, 16):
        m = method(name)
        model = m.prepare(network("resnet8", {"norm": "scale"})).train()
        x, y = batch(t=t)
        with KeptForBackward([x, *model.parameters(), *model.buffers()]) as memory:
            m.step(model, x, y)
        bytes_held[t] = memory.most
    assert bytes_held[16] == bytes_held[4] > 0
