"""The published teacher of local tandem learning: another state than its student's, and what it adds to an ANN."""

from __future__ import annotations

import pytest
import torch
from jobs import do
from torch import nn

from snn import methods
from snn.methods.ann_ltl import ClippedReLU


@pytest.fixture
def built(blueprint):
    """built(): the network of the method, always with the same initial weights."""

    def build():
        torch.manual_seed(0)
        return methods.find("ann-ltl").build(methods.parameters("ann-ltl", {}), blueprint(params={"norm": "none"}))

    return build


def test_the_relu_is_clipped_and_drops_in_training_only():
    layer = ClippedReLU(2.0, 0.25)
    layer.generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-1, 4, 4000)
    assert torch.equal(layer.eval()(x), x.clamp(0, 2))
    y = layer.train()(x)
    dropped = (y == 0) & (x > 0)
    assert 0.2 < dropped.float().sum() / (x > 0).sum() < 0.3
    assert torch.allclose(y[~dropped], x[~dropped].clamp(0, 2) / 0.75)


def test_it_has_batch_norm_whatever_the_network_has_and_no_neurons_in_the_readout(built):
    network = built()
    assert all(isinstance(stage.norm, nn.BatchNorm2d) for stage in network.stages)
    assert all(isinstance(stage.neuron, ClippedReLU) for stage in network.stages)
    assert not network.readout.spiking


def test_dropout_is_before_the_linear_layers_alone(built, blueprint):
    assert [stage.neuron.p for stage in built().stages] == [0.0, 0.0, 0.2]  # the last one before the readout
    vgg = methods.find("ann-ltl").build(methods.parameters("ann-ltl", {}), blueprint("vgg11", {"width": 0.125}))
    assert [m.p for m in vgg.modules() if isinstance(m, ClippedReLU)] == [0.0] * 7 + [0.2] * 3
    residual = methods.find("ann-ltl").build(methods.parameters("ann-ltl", {}), blueprint("resnet8"))
    assert [m.p for m in residual.modules() if isinstance(m, ClippedReLU)] == [0.0] * 6 + [0.2]


def test_the_running_statistics_follow_the_last_batches(built):
    assert {(stage.norm.eps, stage.norm.momentum) for stage in built().stages} == {(1e-4, 0.9)}


def test_dropout_draws_from_the_methods_generator_alone(method, built, batch):
    x, y = batch()
    losses, state = [], torch.get_rng_state()
    for _ in range(2):
        network = built()
        torch.set_rng_state(state)
        m = method("ann-ltl")
        losses.append(m.step(m.prepare(network).train(), m.run.at_once(x), y).loss)
        assert torch.equal(torch.get_rng_state(), state)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", ["ltl-offline", "ltl-online"])
def test_a_student_without_normalisation_learns_from_it(name, make_job, tmp_path):
    overlay = {"networks": {"3c1fc": {"norm": "none"}}, "methods": {name: {"teacher": "ann-ltl"}}}
    teacher = do(make_job("ann-ltl", folder=tmp_path / "teacher", networks=overlay["networks"]))
    e = do(make_job(name, teacher=tmp_path / "teacher", **overlay))
    assert e.folder.record("train")["status"] == "ok"
    states = [torch.load(x.folder.weights, weights_only=True)["network"].keys() for x in (teacher, e)]
    assert "stages.0.norm.running_mean" in states[0]
    assert not any("norm" in key for key in states[1])
    robust = make_job(name, "robustness", teacher=tmp_path / "teacher", robustness={"recovery": [name]}, **overlay)
    assert do(robust, "robustness").folder.record("robustness")["status"] == "ok"
