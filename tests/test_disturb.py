"""Disturbed hardware: nothing at level 0, what is asked for at any other, and the same chip every time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.models.perturb import (
    Disturbance,
    DisturbedNeuron,
    best_step,
    disturbed,
    folded,
    neuron_shapes,
    restart_noise,
    to_grid,
)
from snn.neurons import NeuronSpec, make_neuron

SHAPE = (2, 16, 16)
IAF = NeuronSpec(v_min=-1.0, multi_spike=True, surrogate={"name": "exponential", "periodic": True})
LIF = NeuronSpec(decay=0.8, threshold=0.6, reset="hard", surrogate={"name": "boxcar"})
SOFT = NeuronSpec(decay=0.5, surrogate={"name": "triangle"})


def network(name="3c1fc", spec=IAF, params=None) -> nn.Module:
    torch.manual_seed(0)
    net = models.build(name, params or {"norm": "none"}, SHAPE, 10, lambda: make_neuron(spec))
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(4.0)  # so that every layer spikes
    return net.eval()


def frames(t=5, n=4) -> torch.Tensor:
    return torch.poisson(torch.full((t, n, *SHAPE), 0.5), generator=torch.Generator().manual_seed(1))


def spikes(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The output of each layer of neurons."""
    found, handles = {}, []
    for name, m in net.named_modules():
        if isinstance(m, DisturbedNeuron):
            handles.append(m.register_forward_hook(lambda _m, _i, out, name=name: found.__setitem__(name, out)))
    net(x)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("spec", [IAF, LIF, SOFT])
def test_level_zero_is_the_undisturbed_network(spec):
    net = network(spec=spec)
    same = disturbed(net, Disturbance(), 7, SHAPE)
    assert net(frames()).sum() > 0
    assert torch.equal(same(frames()), net(frames()))
    assert {k: v.tolist() for k, v in same.state_dict().items()} == {k: v.tolist() for k, v in net.state_dict().items()}


@pytest.mark.parametrize("spec", [IAF, LIF, SOFT])
def test_a_neuron_with_factors_of_one_is_the_neuron_itself_forward_and_backward(spec):
    plain = make_neuron(spec)
    shape = (3, 4, 4)
    decays = torch.full(shape, spec.decay) if spec.decay < 1 else None
    chip = DisturbedNeuron(make_neuron(spec), torch.ones(shape), decays, 0.0, torch.ones(shape))
    found = []
    for neuron in (plain, chip):
        x = torch.randn(6, 2, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        out = neuron(x)
        (out * torch.linspace(1, 2, out.numel()).view(out.shape)).sum().backward()
        found.append((out.detach(), x.grad))
    assert found[0][0].sum() > 0
    assert torch.equal(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", [SOFT, LIF])
def test_thresholds_and_decays_are_those_of_each_neuron(spec):
    """Against neurons of that threshold and decay, one by one."""
    thresholds, decays = torch.tensor([0.7, 1.0, 1.4]), torch.tensor([0.2, 0.5, 0.9])
    x = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    out = DisturbedNeuron(make_neuron(spec), thresholds, decays)(x)
    assert len({*out.sum((0, 1)).tolist()}) == 3
    for i in range(3):
        one = spec.model_copy(update={"threshold": spec.threshold * thresholds[i].item(), "decay": decays[i].item()})
        assert torch.equal(out[..., i], make_neuron(one)(x)[..., i])


def test_a_chip_is_frozen_and_comes_from_its_seed():
    net, how = network(), Disturbance(mismatch=0.2, noise=0.1, silenced=0.3)
    a, b, other = (disturbed(net, how, chip, SHAPE) for chip in (3, 3, 4))
    assert torch.equal(first := a(frames()), b(frames()))
    assert not torch.equal(first, other(frames()))
    quiet = disturbed(net, Disturbance(mismatch=0.2, silenced=0.3), 3, SHAPE)
    assert torch.equal(quiet(frames()), quiet(frames())), "nothing is drawn anew"
    assert torch.equal(net(frames()), network()(frames())), "the network itself is left alone"


def test_a_stronger_level_is_the_same_chip():
    net = network()
    weak, strong = (disturbed(net, Disturbance(mismatch=s, silenced=p), 3, SHAPE) for s, p in ((0.1, 0.2), (0.2, 0.4)))
    for a, b in zip(weak.modules(), strong.modules(), strict=True):
        if hasattr(a, "held"):
            assert torch.allclose(2 * (a.held.factor - 1), b.held.factor - 1, atol=1e-6)
        if isinstance(a, DisturbedNeuron) and a.alive is not None:
            assert (b.alive <= a.alive).all()


def test_mismatch_has_the_deviation_asked_for():
    net = network(spec=SOFT)
    chip = disturbed(net, Disturbance(mismatch=0.1), 0, SHAPE)
    neurons = [m for m in chip.modules() if isinstance(m, DisturbedNeuron)]
    for values in (
        torch.cat([m.held.factor.flatten() for m in chip.modules() if hasattr(m, "held")]),
        torch.cat([m.thresholds.flatten() for m in neurons]),
        torch.cat([m.decays.flatten() for m in neurons]) / SOFT.decay,
    ):
        assert values.mean() == pytest.approx(1, abs=5 * 0.1 / len(values) ** 0.5)
        assert values.std() == pytest.approx(0.1, rel=5 / (2 * len(values)) ** 0.5)
    assert [m.thresholds.shape for m in neurons] == [*neuron_shapes(net, SHAPE).values()], "one value a neuron"
    wild = disturbed(net, Disturbance(mismatch=0.9), 0, SHAPE)
    for m in wild.modules():
        if isinstance(m, DisturbedNeuron):
            assert m.thresholds.min() > 0
            assert 0 <= m.decays.min() <= m.decays.max() <= 1
    assert all(m.decays is None for m in disturbed(network(), Disturbance(mismatch=0.1), 0, SHAPE).modules()
               if isinstance(m, DisturbedNeuron)), "a neuron without leak has none to vary"  # fmt: skip


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_weights_have_no_more_values_than_their_bits_allow(bits):
    net = network()
    chip = disturbed(net, Disturbance(bits=bits), 0, SHAPE)
    for module in chip.modules():
        if hasattr(module, "held"):
            held, top = module.held(module.weight), 2 ** (bits - 1) - 1
            assert 1 < len(held.unique()) <= 2**bits
            assert held.abs().max() <= top * module.held.step * (1 + 1e-6)
            inside = held.abs() < 0.99 * top * module.held.step
            assert (held - module.weight)[inside].abs().max() <= module.held.step / 2 * (1 + 1e-5)


def test_the_grid_is_better_than_one_that_reaches_the_largest_weight():
    w = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    for bits in (2, 3, 4):
        top = 2 ** (bits - 1) - 1
        error = [(to_grid(w, step, top) - w).square().mean() for step in (best_step(w, top), w.abs().max() / top)]
        assert error[0] < error[1]
    # The best symmetric ternary grid of a normal distribution, Δ = 1.224 σ (Max 1960, uniform, 3 levels).
    assert best_step(w, 1) / w.std() == pytest.approx(1.224, rel=0.05)
    assert best_step(torch.zeros(3), 1) > 0


def test_rounded_weights_learn_straight_through_and_their_grid_stays():
    chip = disturbed(network(), Disturbance(bits=3), 0, SHAPE)
    layer = chip.readout.linear
    layer.held(layer.weight).sum().backward()
    assert torch.equal(layer.weight.grad, torch.ones_like(layer.weight))
    before = layer.held.step.clone()
    with torch.no_grad():
        layer.weight.mul_(3)
    assert len(layer.held(layer.weight).unique()) <= 8
    assert torch.equal(layer.held.step, before)


def test_silenced_neurons_never_spike_and_the_share_is_right():
    net = network()
    chip = disturbed(net, Disturbance(silenced=0.4), 0, SHAPE)
    found = spikes(chip, 5 * frames())
    for name, m in chip.named_modules():
        if isinstance(m, DisturbedNeuron):
            if name == "readout.neuron":
                assert m.alive is None
                continue
            assert (m.alive == 0).sum() == round(0.4 * m.alive.numel())
            assert found[name].sum() > 0
            assert (found[name] * (1 - m.alive)).sum() == 0


def test_noise_has_the_deviation_asked_for_and_is_new_at_every_step():
    neuron = DisturbedNeuron(make_neuron(LIF), noise=0.05, noise_seed=1)
    x = torch.zeros(200, 3, 4, 5, 5)
    noise = neuron._noise_like(x) * neuron.noise * LIF.threshold
    assert noise.std() == pytest.approx(0.05 * 0.6, rel=0.02)
    assert abs(noise.mean()) < 5 * 0.03 / noise.numel() ** 0.5
    a, b = noise[1:].flatten(), noise[:-1].flatten()
    assert abs((a * b).mean() / a.var()) < 5 / len(a) ** 0.5, "no memory from step to step"


def test_noise_moves_the_membrane_by_its_own_size_and_can_be_repeated():
    neuron = DisturbedNeuron(make_neuron(NeuronSpec(threshold=2.0)), noise=0.01, noise_seed=1)
    neuron(torch.zeros(100, 500, 3))
    assert neuron.v.std() == pytest.approx(0.02 * 100**0.5, rel=0.05), "a random walk without leak"
    chip = disturbed(network(), Disturbance(noise=0.3), 0, SHAPE)
    first, second = chip(frames()), chip(frames())
    assert not torch.equal(first, second)
    restart_noise(chip, 0)
    assert torch.equal(chip(frames()), first)
    restart_noise(chip, 1)
    assert not torch.equal(chip(frames()), first)


@pytest.mark.parametrize(
    "more", [{"name": "3c1fc"}, {"name": "resnet8"}, {"name": "vgg11", "bias": True, "width": 1 / 8}]
)
@pytest.mark.parametrize("norm", ["scale", "batch"])
def test_folding_keeps_the_function(more, norm):
    name, *_ = more.values()
    net = network(name, params={"norm": norm, "readout": "membrane", **{k: v for k, v in more.items() if k != "name"}})
    x = frames(n=2)
    with torch.no_grad():
        for m in net.modules():
            for key in ("running_mean", "running_var", "running_power", "weight", "bias"):
                if hasattr(m, "reset_running_stats") and isinstance(getattr(m, key, None), torch.Tensor):
                    getattr(m, key).uniform_(0.3, 1.2, generator=torch.Generator().manual_seed(len(key)))
    plain = folded(net.double())  # where no spike sits on the edge of its threshold by rounding alone
    assert not any(hasattr(m, "reset_running_stats") for m in plain.modules())
    expected = net(x.double())
    assert expected.abs().sum() > 0
    assert torch.allclose(plain(x.double()), expected, rtol=1e-6, atol=1e-6)


def test_layers_with_a_way_of_their_own_are_disturbed_too():
    class Odd(nn.Linear):
        def forward(self, x):
            return x @ self.weight.T

    net = network()
    odd = Odd(net.readout.linear.in_features, 10, bias=False)
    odd.weight = net.readout.linear.weight
    net.readout.linear = odd
    how = Disturbance(mismatch=0.2)
    assert torch.equal(disturbed(net, how, 0, SHAPE)(frames()), disturbed(network(), how, 0, SHAPE)(frames()))
    assert torch.equal(net.readout.linear.weight, odd.weight)


def test_a_normalisation_without_a_layer_before_it_is_refused_by_name():
    net = network()
    net.readout.neuron = nn.Sequential(nn.BatchNorm1d(10))
    with pytest.raises(ConfigError, match=r"0 \(BatchNorm1d\): no layer before it"):
        folded(net)
