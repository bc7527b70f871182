"""Local tandem learning: locality, the online closed form, what is kept for backward, the targets, the teacher."""

from __future__ import annotations

import copy
import weakref

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from snn.errors import ConfigError
from snn.methods.shared.teacher import activations, percentile
from snn.neurons import NeuronSpec

NAMES = ["ltl-offline", "ltl-online"]
# The published neuron: leak, hard reset, boxcar of half-width 0.2 and height 1.
LIF = NeuronSpec(decay=0.904837, threshold=0.6, reset="hard", surrogate={"name": "boxcar", "width": 0.4})
NORMALISED = {"norm": "scale", "readout": "spiking"}


@pytest.fixture
def teacher(network):
    def build(name="3c1fc", params=None):
        t = network(name, params, relu=True)
        with torch.no_grad():
            for p in t.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
        return t.eval().requires_grad_(False)

    return build


def grads(model):
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("net", "params"), [("3c1fc", NORMALISED), ("resnet8", NORMALISED), ("vgg11", NORMALISED | {"width": 1 / 16})]
)
def test_a_layers_loss_reaches_that_layers_weights_only(name, net, params, method, network, teacher, batch):
    """Two targets that differ in one layer give two gradients that differ in that layer's weights only."""
    x, y = batch()
    m = method(name, teacher=teacher(net, params))
    model = m.prepare(network(net, params, LIF)).train()
    m.start_epoch(model, 1, (x, y))
    targets = m.targets(x)
    m.targets = lambda x: targets
    m.step(model, x, y)
    before = copy.deepcopy(grads(model))
    for layer in m.layers:
        model.zero_grad()
        m.targets = lambda x, layer=layer: targets | {layer: 1 - targets[layer]}
        m.step(model, x, y)
        reached = {k for k, g in grads(model).items() if not torch.equal(g, before[k])}
        stage, _, neuron = layer.rpartition(".")
        own = {
            "neuron": ["conv", "linear", "norm"],
            "neuron1": ["conv1", "norm1"],
            "neuron2": ["conv2", "norm2", "shortcut", "shortcut_norm"],
        }
        assert reached, layer
        assert reached <= {f"{stage}.{part}.weight" for part in own[neuron]}, layer


def test_offline_is_the_published_loss(method, network, teacher, batch):
    """Against the same computed with one graph and detached inputs."""
    from spikingjelly.activation_based import functional

    x, y = batch()
    m = method("ltl-offline", teacher=teacher())
    model = m.prepare(network(spec=LIF)).train()
    result = m.step(model, x, y)
    collected, h, loss = [], x, 0.0
    functional.reset_net(model)
    reference = copy.deepcopy(model)
    reference.zero_grad()
    targets = m.targets(x)
    for i, stage in enumerate(reference.stages):
        handle = stage.neuron.register_forward_hook(lambda _m, _i, s: collected.append(s))
        stage.neuron.reset()
        h = stage(h.detach())
        handle.remove()
        loss = loss + mse_loss(collected[-1].sum(0) / 4, targets[f"stages.{i}.neuron"])
    logits = reference.readout(h.detach()).mean(0)
    loss = loss + cross_entropy(logits, y)
    loss.backward()
    assert result.loss == pytest.approx(loss.item())
    assert torch.allclose(result.logits, logits)
    assert result.time_steps == pytest.approx(4 + 1 / 3)
    assert all(torch.allclose(g, grads(reference)[k], atol=1e-8) for k, g in grads(model).items())


def test_the_online_gradient_is_the_closed_form(method, network, teacher, batch):
    """(2/N)(C[t]/t - â)(1/t) boxcar(u[t]) s_{l-1}[t]ᵀ, summed over the steps, for each convolution."""
    x, y = batch(t=5)
    m = method("ltl-online", warm=0.4, teacher=teacher())
    model = m.prepare(network(spec=LIF)).train()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)  # so that the last layer fires, too
    m.step(model, x, y)

    targets, spikes = m.targets(x), {}
    record = [
        s.neuron.register_forward_hook(lambda _m, _i, o, i=i: spikes.__setitem__(i, o))
        for i, s in enumerate(model.stages)
    ]
    inputs, h = [], x
    with torch.no_grad():
        model(x)
        for stage in model.stages:
            inputs.append(h)
            stage.neuron.reset()
            h = stage(h)
        for handle in record:
            handle.remove()
        for i, stage in enumerate(model.stages):
            conv, v, count = stage.conv, 0.0, 0.0
            expected = torch.zeros_like(conv.weight)
            for t in range(1, 6):
                u = LIF.decay * v + conv(inputs[i][t - 1])
                s = (u >= 0.6).float()
                v = torch.where(s > 0, 0.0, u)
                assert torch.equal(s, spikes[i][t - 1])
                count = count + s
                if t <= 2:  # T_warm = 0.4 · 5
                    continue
                boxcar = ((u - 0.6).abs() < 0.2).float()
                error = 2 / u.numel() * (count / t - targets[f"stages.{i}.neuron"]) / t * boxcar
                expected += torch.nn.grad.conv2d_weight(
                    inputs[i][t - 1], conv.weight.shape, error, conv.stride, conv.padding
                )
            assert expected.abs().max() > 0
            assert torch.allclose(conv.weight.grad, expected, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("logits", ["mean", "sum"])
@pytest.mark.parametrize(("net", "params"), [("3c1fc", None), ("resnet8", NORMALISED)])
def test_offline_is_online_at_one_step(logits, net, params, method, network, teacher, batch):
    x, y = batch(t=1)
    results = []
    for name, more in (("ltl-offline", {}), ("ltl-online", {"warm": 0.0})):
        m = method(name, teacher=teacher(net, params), train={"logits": logits}, percentile=99.0, **more)
        model = m.prepare(network(net, params, LIF)).train()
        m.start_epoch(model, 1, (x, y))
        results.append((m.step(model, x, y), grads(model)))
    (a, ga), (b, gb) = results
    assert torch.equal(a.logits, b.logits)
    assert a.loss == pytest.approx(b.loss)
    assert all(torch.allclose(ga[k], gb[k], atol=1e-8) for k in ga)


def test_online_logits_are_the_evaluations(method, network, teacher, batch):
    x, y = batch()
    m = method("ltl-online", teacher=teacher("resnet8", NORMALISED))
    model = m.prepare(network("resnet8", NORMALISED, LIF)).train()
    m.start_epoch(model, 1, (x, y))
    result = m.step(model, x, y)
    assert torch.allclose(result.logits, model.eval()(x).mean(0), atol=1e-6)
    assert result.time_steps == pytest.approx(1 + (3 + 1) / 3)


class Held:
    """Bytes held for backward now, and the most there were at once."""

    def __init__(self):
        self.now = self.most = 0

    def pack(self, tensor):
        box = Box(tensor)
        size = tensor.numel() * tensor.element_size()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(box, self._free, size)
        return box

    def _free(self, size):
        self.now -= size


class Box:
    def __init__(self, tensor):
        self.tensor = tensor


def held(m, model, x, y):
    bytes_ = Held()
    with torch.autograd.graph.saved_tensors_hooks(bytes_.pack, lambda box: box.tensor):
        m.step(model, x, y)
    return bytes_.most


def test_what_is_kept_for_backward(method, network, teacher, batch):
    """Back-propagation through time: O(L·N·T). Offline: O(N·T) of one layer. Online: flat in T."""
    bytes_held = {}
    for name in ("sdt", *NAMES):
        for t in (4, 16):
            m = method(name, teacher=teacher("resnet8", {}))
            model = m.prepare(network("resnet8", {}, LIF)).train()
            m.start_epoch(model, 1, batch(t=4))
            bytes_held[name, t] = held(m, model, *batch(t=t))
    assert bytes_held["ltl-online", 16] == bytes_held["ltl-online", 4]
    assert bytes_held["sdt", 16] > 3.5 * bytes_held["sdt", 4]
    assert bytes_held["ltl-offline", 16] > 3 * bytes_held["ltl-offline", 4]
    assert bytes_held["ltl-online", 16] < bytes_held["ltl-offline", 16] / 4
    assert bytes_held["ltl-offline", 16] < bytes_held["sdt", 16] / 2


@pytest.mark.parametrize("name", ["ltl-offline", "ltl-online"])
def test_the_history_has_each_layers_mean_local_loss(name, method, network, teacher, batch):
    m = method(name, teacher=teacher())
    model = m.prepare(network())
    of_batches = []
    for seed in (1, 2):
        x, y = batch(seed=seed)
        m.start_epoch(model, 1, (x, y))
        m.step(model, x, y)
        of_batches.append(m.end_epoch(model))
    m.start_epoch(model, 2, (x, y))
    for seed in (1, 2):
        m.step(model, *batch(seed=seed))
    both = m.end_epoch(model)
    assert list(both) == [f"local_loss_{layer}" for layer in m.layers]
    for column, value in both.items():
        assert value == pytest.approx((of_batches[0][column] + of_batches[1][column]) / 2)
        assert value > 0


def test_targets_are_the_teachers_activations_by_percentile(method, network, teacher, batch):
    x, _ = batch()
    t = teacher()
    m = method("ltl-offline", teacher=t, percentile=95.0, clip=0.5)
    m.prepare(network())
    h = x.sum(0)
    for i, stage in enumerate(t.stages):
        a = stage.conv(h).clamp(0, 0.5)
        full = np.percentile(a.numpy(), 95.0)
        assert torch.allclose(m.targets(x)[f"stages.{i}.neuron"], (a / full).clamp(0, 1), atol=1e-5)
        h = torch.nn.functional.avg_pool2d(a, stage.pool) if stage.pool > 1 else a


@pytest.mark.parametrize("p", [0.1, 37, 99, 99.9, 100])
def test_percentiles_are_numpys(p):
    a = torch.rand(3, 7, 11, generator=torch.Generator().manual_seed(0))
    assert percentile(a, p).item() == pytest.approx(np.percentile(a.numpy(), p), rel=1e-6)
    assert percentile(torch.tensor([2.0]), p) == 2.0


def test_silent_layers_give_targets_and_no_nan(method, network, teacher, batch):
    t = teacher()
    t.stages[1].conv.weight.fill_(-1.0)
    m = method("ltl-offline", teacher=t)
    m.prepare(network())
    targets = m.targets(batch()[0])
    assert (targets["stages.1.neuron"] == 0).all()
    assert all(torch.isfinite(a).all() for a in targets.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_teacher_is_deterministic_and_left_alone(name, method, network, teacher, batch):
    x, y = batch()
    t = teacher("resnet8", {})
    before = copy.deepcopy(t.state_dict())
    m = method(name, teacher=t)
    model = m.prepare(network("resnet8", {})).train()
    m.start_epoch(model, 1, (x, y))
    first, second = m.targets(x), m.targets(x)
    assert all(torch.equal(first[l], second[l]) for l in first)
    m.step(model, x, y)
    assert all(torch.equal(v, before[k]) for k, v in t.state_dict().items())
    assert not any(a.requires_grad for a in activations(t, x, m.layers).values())
    assert not any(module._forward_hooks for net in (t, model) for module in net.modules()), "evaluation sees no hook"


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_is_set_once_and_frozen(name, method, network, teacher, batch):
    x, y = batch()
    m = method(name, teacher=teacher("resnet8", {}))
    model = m.prepare(network("resnet8", {})).train()
    m.start_epoch(model, 1, (x, y))
    buffers = {k: b.clone() for k, b in model.named_buffers()}
    assert any((b != 1).any() for k, b in buffers.items() if k.endswith("running_power"))
    m.step(model, x, y)
    m.start_epoch(model.train(), 2, batch(seed=5))
    m.step(model, x, y)
    assert all(torch.equal(b, buffers[k]) for k, b in model.named_buffers())


@pytest.mark.parametrize("name", NAMES)
def test_a_teacher_of_another_layout_is_refused(name, method, network, teacher):
    with pytest.raises(ConfigError, match=r"stages\.3"):
        method(name, teacher=teacher("resnet8", {})).prepare(network())
    with pytest.raises(ConfigError, match="learns from a teacher"):
        method(name).prepare(network())


@pytest.mark.parametrize("name", NAMES)
def test_the_teacher_sees_a_static_image_once(name, method, network, teacher, batch):
    image = batch(t=1)[0]
    m = method(name, teacher=teacher())
    m.prepare(network(spec=LIF))
    want = m.targets(image)
    m.run.static = True
    got = m.targets(image.expand(4, -1, -1, -1, -1))
    assert all(torch.equal(got[layer], want[layer]) for layer in m.layers)
