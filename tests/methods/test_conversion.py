"""Conversion: spike for spike what ann2snn computes, the ANN in the limit, and a plain network as a result."""

from __future__ import annotations

import logging

import pytest
import torch
from jobs import do
from torch import nn

from snn import models
from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import find, parameters
from snn.methods.conversion import convert
from snn.neurons import NeuronSpec, make_neuron

T, N = 16, 5
IF = NeuronSpec()


@pytest.fixture
def teacher(network, batch):
    """An ANN whose normalisation has statistics of the data, and weights that keep the signal alive."""

    def build(name, params):
        t = network(name, params, relu=True)
        g = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for p in t.parameters():
                p.mul_(1.5).add_(0.05 * torch.randn(p.shape, generator=g))
            for m in t.modules():
                if isinstance(m, nn.BatchNorm2d):
                    m.bias.uniform_(-0.1, 0.3, generator=g)
            for _ in range(30):
                t.train()(batch(t=T, n=N)[0].sum(0, keepdim=True))
        return t.eval().requires_grad_(False)

    return build


def converted(method, network, ann, x, name, params, spec=IF, train=None, **more):
    m = method("conversion", t_train=x.shape[0], teacher=ann, train=train, **more)
    model = m.prepare(network(name, params, spec).to(x.dtype))
    m.before_evaluation(model, iter([x]))
    return m.strip(model).eval()


@pytest.mark.parametrize("norm", ["none", "scale"])
def test_it_is_ann2snn_spike_for_spike(norm, method, network, teacher, batch):
    from spikingjelly.activation_based import ann2snn, functional

    params = {"norm": norm, "readout": "membrane"}
    ann = teacher("3c1fc", params).double()
    x = batch(t=T, n=N)[0].double()  # in double precision no membrane is at the threshold by rounding

    def plain(i):
        """One convolution without normalisation, which the recipe could not fold."""
        stage = ann.stages[i]
        conv = nn.Conv2d(stage.conv.in_channels, stage.conv.out_channels, 3, stage.conv.stride, 1, bias=False).double()
        factor = stage.norm.scale().view(-1, 1, 1, 1) if norm == "scale" else 1.0
        conv.weight.data = stage.conv.weight * factor
        return [conv, nn.ReLU(), *([nn.AvgPool2d(stage.pool)] if stage.pool > 1 else [])]

    linear = nn.Linear(ann.readout.linear.in_features, 4, bias=False).double()
    linear.weight.data = ann.readout.linear.weight
    chain = nn.Sequential(*plain(0), *plain(1), *plain(2), nn.Flatten(), linear)
    assert torch.allclose(chain(x.sum(0)), ann(x.sum(0, keepdim=True))[0], atol=1e-5)
    logging.disable()
    recipe = ann2snn.RateCodingRecipe([(x.sum(0), 0)], mode="99.9%")
    reference = ann2snn.Converter(recipe).convert(chain)
    logging.disable(logging.NOTSET)
    spikes = {}
    nodes = [m for n, m in reference.named_modules() if n.endswith("if_node")]
    for i, node in enumerate(nodes):
        node.register_forward_hook(lambda _m, _i, s, i=i: spikes.setdefault(i, []).append(s))
    functional.reset_net(reference)
    with torch.no_grad():
        outputs = torch.stack(
            [reference(T * x[t]) for t in range(T)]
        )  # its input is a rate: what x[t] would be for T steps

    model, mine = converted(method, network, ann, x, "3c1fc", params), {}
    for i, stage in enumerate(model.stages):
        stage.neuron.register_forward_hook(lambda _m, _i, s, i=i: mine.__setitem__(i, s))
    with torch.no_grad():
        assert torch.allclose(model(x), outputs)
    for i in range(3):
        assert torch.equal(mine[i], torch.stack(spikes[i]))
        assert mine[i].sum() > 100


@pytest.mark.parametrize("theta", [1.0, 0.6])
@pytest.mark.parametrize("logits", ["mean", "sum"])
@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("3c1fc", "none"),
        ("3c1fc", "scale"),
        ("3c1fc", "batch"),
        ("resnet8", "scale"),
        ("resnet14", "batch"),
        ("vgg11", "none"),
        ("vgg11", "scale"),
    ],
)
def test_with_many_steps_it_approaches_the_ann(name, norm, logits, theta, method, network, teacher, batch):
    """At constant input. Where it changes, spikes that later inhibition would take back do not come back at any T."""
    params = {"norm": norm, "readout": "membrane"} | ({"width": 1 / 16, "bias": True} if name == "vgg11" else {})
    ann = teacher(name, params)
    image = batch(t=T, n=N)[0].sum(0, keepdim=True)
    want = ann(image)[0]
    error = {}
    for t in (T, 64 * T):
        x = image.expand(t, -1, -1, -1, -1) / t
        spec = NeuronSpec(threshold=theta)
        model = converted(method, network, ann, x, name, params, spec, {"logits": logits}, percentile=100.0)
        with torch.no_grad():
            got = model(x)
        got = got.mean(0) if logits == "mean" else got.sum(0)
        error[t] = ((got - want).norm() / want.norm()).item()
    assert error[64 * T] < 0.1
    assert error[64 * T] < error[T] / 4


def test_of_a_static_image_the_ann_sees_one_and_the_network_t(method, network, teacher, batch):
    params = {"norm": "batch", "readout": "membrane"}
    ann = teacher("3c1fc", params)
    image = batch(t=T, n=N)[0].sum(0, keepdim=True)
    m = method("conversion", t_train=1024, teacher=ann, percentile=100.0)
    m.run.static = True
    model = m.prepare(network("3c1fc", params, IF))
    x = image.expand(1024, -1, -1, -1, -1)
    m.before_evaluation(model, iter([x]))
    with torch.no_grad():
        got, want = model.eval()(x).mean(0), ann(image)[0]
    assert (got - want).norm() < 0.1 * want.norm()


def test_spikes_do_not_exceed_one_a_step_where_activations_are_full(method, network, teacher, batch):
    """At the percentile 100 the largest activation of a layer is T spikes: a neuron of several spikes needs no more."""
    params = {"readout": "membrane"}
    ann = teacher("3c1fc", params)
    x = batch(t=1, n=N)[0].repeat(T, 1, 1, 1, 1)
    model, counts = (
        converted(method, network, ann, x, "3c1fc", params, NeuronSpec(multi_spike=True), percentile=100.0),
        {},
    )
    for i, stage in enumerate(model.stages):
        stage.neuron.register_forward_hook(lambda _m, _i, s, i=i: counts.__setitem__(i, s.sum(0)))
    with torch.no_grad():
        model(x)
    assert counts[0].max() == pytest.approx(T, abs=1)


def test_a_spiking_readout_predicts_what_the_ann_does(method, network, teacher, batch):
    params = {"norm": "scale", "readout": "spiking"}
    ann = teacher("3c1fc", params)
    x, _ = batch(t=T, n=40)
    x = x.repeat_interleave(32, 0) / 32
    model = converted(method, network, ann, x, "3c1fc", params)
    want = ann(x.sum(0, keepdim=True))[0]
    with torch.no_grad():
        got = model(x).sum(0)
    clear = want.max(1).values > 0
    assert (got.argmax(1) == want.argmax(1))[clear].float().mean() > 0.9


def test_it_is_a_plain_network_that_is_swept_and_deployed(make_job, tmp_path):
    do(make_job("ann", folder=tmp_path / "teacher"), "train")
    e = make_job("conversion", folder=tmp_path / "c", teacher=tmp_path / "teacher", train={"epochs": 7})
    do(e, "train")
    saved = torch.load(e.folder.weights, weights_only=True)["network"]
    plain = e.build_network().state_dict()
    assert {k: v.shape for k, v in saved.items()} == {k: v.shape for k, v in plain.items()}
    assert len(e.folder.rows("train", "history.csv")) == 1, "nothing is trained"
    for phase in ("sweep", "deploy"):
        experiment = make_job("conversion", phase, folder=tmp_path / "c", train={"epochs": 7})
        assert do(experiment, phase).folder.record(phase)["status"] == "ok"


def test_maximum_pooling_is_refused():
    full = {f"stages.{i}.{j}.neuron": 1.0 for i in range(4) for j in range(2)}
    network = models.build("vggsnn", {"pooling": "max", "width": 1 / 16}, (2, 32, 32), 4, lambda: make_neuron(IF))
    with pytest.raises(ConfigError, match=r"stages\.0\.1: maximum pooling"):
        convert(network, full, T, True)


@pytest.mark.parametrize("neuron", [{"decay": 0.5}, {"reset": "hard"}])
def test_neurons_without_a_rate_are_refused_with_the_reason(neuron):
    with pytest.raises(ConfigError, match="not proportional"):
        find("conversion").check(parameters("conversion", {}), 4, Train(), NeuronSpec(**neuron))
