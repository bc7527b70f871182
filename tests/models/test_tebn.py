"""Normalisation with a gain for each time step (TEBN), and tdBN, against SpikingJelly's layers."""

from __future__ import annotations

import pytest
import torch
from small_networks import IAF, SHAPE, narrow
from spikingjelly.activation_based import layer
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.models.export import export
from snn.models.fold import folded, without_biases, without_temporal_gains
from snn.models.norm import ScaleNorm
from snn.models.normalisation import Normalisation
from snn.models.stages import ResidualStage, over_time
from snn.models.tebn import TemporalBatchNorm2d, TemporalNorm, TemporalScaleNorm
from snn.neurons import NeuronSpec, make_neuron

CLASSES = [str(i) for i in range(10)]


def build(name, steps, spec=IAF, **params):
    torch.manual_seed(0)
    network = models.build(name, params, SHAPE, 10, lambda: make_neuron(spec), steps)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for m in network.modules():
            if isinstance(m, TemporalNorm):
                m.p.uniform_(0.5, 1.5, generator=generator)
    return network


def results(norm, x, weights, gain):
    """Output and gradients with respect to input, weight, bias and the gains of the time steps."""
    x = x.clone().requires_grad_()
    y = norm(x)
    (y * weights).sum().backward()
    return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad, getattr(norm, gain).grad, norm.running_var]


@pytest.mark.parametrize("training", [True, False])
def test_it_is_spikingjellys_layer(training):
    ours, oracle = TemporalBatchNorm2d(6, 5), layer.TemporalEffectiveBatchNorm2d(5, 6)
    torch.manual_seed(0)
    p = torch.rand(5) + 0.5
    with torch.no_grad():
        ours.p.copy_(p)
        oracle.scale.copy_(p)
    x, weights = torch.randn(5, 3, 6, 4, 4), torch.randn(5, 3, 6, 4, 4)
    pairs = zip(
        results(ours.train(training), x, weights, "p"),
        results(oracle.train(training), x, weights, "scale"),
        strict=True,
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("temporal", "plain"), [(TemporalBatchNorm2d, nn.BatchNorm2d), (TemporalScaleNorm, ScaleNorm)])
def test_with_gains_of_one_it_is_the_plain_normalisation(temporal, plain):
    x, weights = torch.randn(5, 3, 8, 4, 4), torch.randn(5, 3, 8, 4, 4)
    outcome = []
    for norm in (temporal(8, 5), plain(8)):
        y = x.clone().requires_grad_()
        out = norm(y) if isinstance(norm, TemporalNorm) else over_time(norm, y)
        (out * weights).sum().backward()
        outcome.append([out.detach(), y.grad, norm.weight.grad])
    for a, b in zip(*outcome, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("temporal", [TemporalBatchNorm2d, TemporalScaleNorm])
def test_later_time_steps_have_the_last_gain_and_earlier_ones_their_own(temporal):
    norm = temporal(8, 3).eval()
    with torch.no_grad():
        norm.p.copy_(torch.tensor([1.0, 2.0, 4.0]))
    x = torch.randn(1, 2, 8, 4, 4).expand(5, -1, -1, -1, -1)
    y = norm(x)
    for t, gain in enumerate([1, 2, 4, 4, 4]):
        torch.testing.assert_close(y[t], gain * y[0])
    assert torch.equal(norm(x[:2]), y[:2])


@pytest.mark.parametrize("kind", ["tebn", "tescale"])
@pytest.mark.parametrize("name", ["3c1fc", "resnet8", "vgg11"])
def test_the_mean_gain_is_the_same_network_where_all_gains_are_equal(name, kind):
    network = build(name, 4, **narrow(name, norm=kind, gain=4.0, readout="membrane")).double()
    x = 4 * torch.rand(4, 2, *SHAPE, dtype=torch.float64)
    network(x)
    network.eval()
    plain = without_temporal_gains(network)
    assert not any(isinstance(m, TemporalNorm) for m in plain.modules())
    assert any(isinstance(m, TemporalNorm) for m in network.modules()), "the network itself is left alone"
    assert not torch.equal(plain(x), network(x))
    with torch.no_grad():
        for m in network.modules():
            if isinstance(m, TemporalNorm):
                m.p.fill_(0.75)
    same, expected = without_temporal_gains(network), network(x)
    assert expected.abs().sum() > 0
    assert torch.allclose(same(x), expected)
    assert torch.allclose(folded(same)(x), expected)


def test_it_is_refused_until_its_gains_are_averaged():
    network = build("resnet8", 4, norm="tescale").eval()
    with pytest.raises(ConfigError, match=r"stages\.0: TemporalScaleNorm has a gain for each time step"):
        export(network, IAF, SHAPE, CLASSES)
    for refused in (folded, without_biases):
        with pytest.raises(ConfigError, match=r"norm \(TemporalScaleNorm\).*time step"):
            refused(network)
    assert len(export(without_temporal_gains(network), IAF, SHAPE, CLASSES).populations) > 5
    network = build("resnet8", 4, norm="tebn").eval()
    assert len(export(without_biases(without_temporal_gains(network)), IAF, SHAPE, CLASSES).populations) > 5


def test_networks_without_time_steps_have_no_gains_and_an_unknown_number_is_refused():
    for steps in (1, 4):
        network = models.build("resnet8", {"norm": "tebn"}, SHAPE, 10, nn.ReLU, steps)
        assert any(isinstance(m, TemporalBatchNorm2d) for m in network.modules()) == (steps > 1)
    with pytest.raises(ConfigError, match=r"norm: tebn .* `steps`"):
        models.build("resnet8", {"norm": "tebn"}, SHAPE, 10, nn.ReLU)


def test_tdbn_is_batch_normalisation_with_the_gain_of_the_threshold():
    """alpha is 1 in a chain, and 1/sqrt(2) where two branches are added up."""
    spec = NeuronSpec(threshold=0.5)
    network = models.build("resnet18", {"norm": "tdbn", "width": 1 / 16}, SHAPE, 10, lambda: make_neuron(spec))
    first = next(m for m in network.modules() if isinstance(m, ResidualStage) and m.shortcut is not None)
    for norm, alpha in ((first.norm1, 1.0), (first.norm2, 2**-0.5), (first.shortcut_norm, 2**-0.5)):
        oracle = layer.ThresholdDependentBatchNorm2d(alpha, spec.threshold, len(norm.weight))
        assert type(norm) is nn.BatchNorm2d
        x = torch.randn(3, 2, len(norm.weight), 4, 4)
        torch.testing.assert_close(over_time(norm, x), oracle(x))
    assert all((m.weight == 1).all() for m in Normalisation("tdbn", 1.0, nn.ReLU)(4).modules())
