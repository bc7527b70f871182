"""Folding normalisation into weights, with biases and without."""

from __future__ import annotations

import pytest
import torch
from small_networks import IAF, SHAPE, build, narrow
from torch import nn

from snn.errors import ConfigError
from snn.models.export import export
from snn.models.fold import folded, has_biases, without_biases


def test_the_bias_free_route_drops_shifts_and_keeps_scales():
    network = build("resnet8", {"norm": "batch"}).train()
    network(torch.rand(2, 4, *SHAPE))
    network.eval()
    plain = without_biases(network)
    assert has_biases(network)
    assert not has_biases(plain)
    stage, bare = network.stages[1], plain.stages[1]
    x = torch.rand(3, 8, 17, 17)
    with torch.no_grad():
        shift = stage.norm1(torch.zeros(1, 8, 1, 1))
        assert torch.allclose(bare.conv1(x), stage.norm1(stage.conv1(x)) - shift, atol=1e-4)
    export(plain, IAF, SHAPE, [str(i) for i in range(10)])


@pytest.mark.parametrize("name", ["vgg11", "vggsnn", "resnet18"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_bias_free_route_makes_every_network_deployable(name, norm):
    network = build(name, narrow(name, norm=norm, bias=True)).train()
    network(torch.rand(2, 4, *SHAPE))
    plain = without_biases(network.eval())
    assert has_biases(network)
    assert not has_biases(plain)
    assert len(export(plain, IAF, SHAPE, [str(i) for i in range(10)]).populations) > 5


@pytest.mark.parametrize(
    "more", [{"name": "3c1fc"}, {"name": "resnet8"}, {"name": "vgg11", "bias": True, "width": 1 / 8}]
)
@pytest.mark.parametrize("norm", ["scale", "batch"])
def test_folding_keeps_the_function(more, norm):
    name, *_ = more.values()
    params = {key: value for key, value in more.items() if key != "name"}
    net = build(name, {"norm": norm, "readout": "membrane", **params}).eval()
    x = 4 * torch.rand(3, 2, *SHAPE)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(4.0)  # so that every layer spikes
        for m in net.modules():
            for key in ("running_mean", "running_var", "running_power", "weight", "bias"):
                if hasattr(m, "reset_running_stats") and isinstance(getattr(m, key, None), torch.Tensor):
                    getattr(m, key).uniform_(0.3, 1.2, generator=torch.Generator().manual_seed(len(key)))
    plain = folded(net.double())  # where no spike sits on the edge of its threshold by rounding alone
    assert not any(hasattr(m, "reset_running_stats") for m in plain.modules())
    expected = net(x.double())
    assert expected.abs().sum() > 0
    assert torch.allclose(plain(x.double()), expected, rtol=1e-6, atol=1e-6)


def test_a_normalisation_without_a_layer_before_it_is_refused_by_name():
    net = build("3c1fc")
    net.readout.neuron = nn.Sequential(nn.BatchNorm1d(10))
    with pytest.raises(ConfigError, match=r"0 \(BatchNorm1d\): no layer before it"):
        folded(net)
