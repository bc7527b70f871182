"""Simulated non-idealities: none at level 0, the specified ones at others, and one simulated chip for each seed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from snn import models
from snn.errors import ConfigError
from snn.models.fold import folded
from snn.models.perturb import (
    Perturbation,
    PerturbedNeuron,
    best_step,
    neuron_shapes,
    perturbed,
    restart_noise,
    to_grid,
)
from snn.models.stages import PointwiseConv
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
    outputs, handles = {}, []
    for name, m in net.named_modules():
        if isinstance(m, PerturbedNeuron):
            handles.append(m.register_forward_hook(lambda _m, _i, out, name=name: outputs.__setitem__(name, out)))
    net(x)
    for handle in handles:
        handle.remove()
    return outputs


@pytest.mark.parametrize("spec", [IAF, LIF, SOFT])
def test_level_zero_is_the_unperturbed_network(spec):
    net = network(spec=spec)
    same = perturbed(net, Perturbation(), 7, SHAPE)
    assert net(frames()).sum() > 0
    assert torch.equal(same(frames()), net(frames()))
    assert {k: v.tolist() for k, v in same.state_dict().items()} == {k: v.tolist() for k, v in net.state_dict().items()}


@pytest.mark.parametrize("spec", [IAF, LIF, SOFT])
def test_a_neuron_with_factors_of_one_is_the_neuron_itself_forward_and_backward(spec):
    plain = make_neuron(spec)
    shape = (3, 4, 4)
    decay_factors = torch.ones(shape) if spec.decay < 1 else None
    chip = PerturbedNeuron(make_neuron(spec), torch.ones(shape), decay_factors, 0.0, torch.ones(shape))
    outputs = []
    for neuron in (plain, chip):
        x = torch.randn(6, 2, *shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        out = neuron(x)
        (out * torch.linspace(1, 2, out.numel()).view(out.shape)).sum().backward()
        outputs.append((out.detach(), x.grad))
    assert outputs[0][0].sum() > 0
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert torch.allclose(outputs[0][1], outputs[1][1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", [SOFT, LIF])
def test_thresholds_and_decays_are_those_of_each_neuron(spec):
    """Against neurons of that threshold and decay, one by one."""
    thresholds, factors = torch.tensor([0.7, 1.0, 1.4]), torch.tensor([0.25, 0.5, 1.1])
    x = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(0))
    chip = PerturbedNeuron(make_neuron(spec), thresholds, factors)
    out, decays = chip(x), chip.decays
    torch.testing.assert_close(decays, spec.decay * factors)
    assert len({*out.sum((0, 1)).tolist()}) == 3
    for i in range(3):
        one = spec.model_copy(update={"threshold": spec.threshold * thresholds[i].item(), "decay": decays[i].item()})
        assert torch.equal(out[..., i], make_neuron(one)(x)[..., i])


def test_a_chip_is_frozen_and_comes_from_its_seed():
    net, how = network(), Perturbation(mismatch=0.2, noise=0.1, dead_fraction=0.3)
    a, b, other = (perturbed(net, how, chip, SHAPE) for chip in (3, 3, 4))
    assert torch.equal(first := a(frames()), b(frames()))
    assert not torch.equal(first, other(frames()))
    quiet = perturbed(net, Perturbation(mismatch=0.2, dead_fraction=0.3), 3, SHAPE)
    assert torch.equal(quiet(frames()), quiet(frames())), "nothing is drawn anew"
    assert torch.equal(net(frames()), network()(frames())), "the network itself is left alone"


def test_a_stronger_level_is_the_same_chip():
    net = network()
    weak, strong = (
        perturbed(net, Perturbation(mismatch=s, dead_fraction=p), 3, SHAPE) for s, p in ((0.1, 0.2), (0.2, 0.4))
    )
    for a, b in zip(weak.modules(), strong.modules(), strict=True):
        if hasattr(a, "perturbation"):
            assert torch.allclose(2 * (a.perturbation.factor - 1), b.perturbation.factor - 1, atol=1e-6)
        if isinstance(a, PerturbedNeuron) and a.alive is not None:
            assert (b.alive <= a.alive).all()


def test_mismatch_has_the_deviation_asked_for():
    net = network(spec=SOFT)
    chip = perturbed(net, Perturbation(mismatch=0.1), 0, SHAPE)
    neurons = [m for m in chip.modules() if isinstance(m, PerturbedNeuron)]
    for values in (
        torch.cat([m.perturbation.factor.flatten() for m in chip.modules() if hasattr(m, "perturbation")]),
        torch.cat([m.thresholds.flatten() for m in neurons]),
        torch.cat([m.decays.flatten() for m in neurons]) / SOFT.decay,
    ):
        assert values.mean() == pytest.approx(1, abs=5 * 0.1 / len(values) ** 0.5)
        assert values.std() == pytest.approx(0.1, rel=5 / (2 * len(values)) ** 0.5)
    assert [m.thresholds.shape for m in neurons] == [*neuron_shapes(net, SHAPE).values()], "one value a neuron"
    wild = perturbed(net, Perturbation(mismatch=0.9), 0, SHAPE)
    for m in wild.modules():
        if isinstance(m, PerturbedNeuron):
            assert m.thresholds.min() > 0
            assert 0 <= m.decays.min() <= m.decays.max() <= 1
    assert all(m.decays is None for m in perturbed(network(), Perturbation(mismatch=0.1), 0, SHAPE).modules()
               if isinstance(m, PerturbedNeuron)), "a neuron without leak has none to vary"  # fmt: skip


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 8])
def test_weights_have_no_more_values_than_their_bits_allow(bits):
    net = network()
    chip = perturbed(net, Perturbation(bits=bits), 0, SHAPE)
    for module in chip.modules():
        if hasattr(module, "perturbation"):
            rounded, top = module.perturbation(module.weight), 2 ** (bits - 1) - 1
            assert 1 < len(rounded.unique()) <= 2**bits
            assert rounded.abs().max() <= top * module.perturbation.step * (1 + 1e-6)
            inside = rounded.abs() < 0.99 * top * module.perturbation.step
            assert (rounded - module.weight)[inside].abs().max() <= module.perturbation.step / 2 * (1 + 1e-5)


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
    chip = perturbed(network(), Perturbation(bits=3), 0, SHAPE)
    layer = chip.readout.linear
    layer.perturbation(layer.weight).sum().backward()
    assert torch.equal(layer.weight.grad, torch.ones_like(layer.weight))
    before = layer.perturbation.step.clone()
    with torch.no_grad():
        layer.weight.mul_(3)
    assert len(layer.perturbation(layer.weight).unique()) <= 8
    assert torch.equal(layer.perturbation.step, before)


def test_dead_neurons_never_spike_and_their_fraction_is_right():
    net = network()
    chip = perturbed(net, Perturbation(dead_fraction=0.4), 0, SHAPE)
    outputs = spikes(chip, 5 * frames())
    for name, m in chip.named_modules():
        if isinstance(m, PerturbedNeuron):
            if name == "readout.neuron":
                assert m.alive is None
                continue
            assert (m.alive == 0).sum() == round(0.4 * m.alive.numel())
            assert outputs[name].sum() > 0
            assert (outputs[name] * (1 - m.alive)).sum() == 0


def test_noise_has_the_deviation_asked_for_and_is_new_at_every_step():
    neuron = PerturbedNeuron(make_neuron(LIF), noise=0.05, noise_seed=1)
    x = torch.zeros(200, 3, 4, 5, 5)
    noise = neuron._noise_like(x) * neuron.noise * LIF.threshold
    assert noise.std() == pytest.approx(0.05 * 0.6, rel=0.02)
    assert abs(noise.mean()) < 5 * 0.03 / noise.numel() ** 0.5
    a, b = noise[1:].flatten(), noise[:-1].flatten()
    assert abs((a * b).mean() / a.var()) < 5 / len(a) ** 0.5, "no memory from step to step"


def test_noise_moves_the_membrane_by_its_own_size_and_can_be_repeated():
    neuron = PerturbedNeuron(make_neuron(NeuronSpec(threshold=2.0)), noise=0.01, noise_seed=1)
    neuron(torch.zeros(100, 500, 3))
    assert neuron.v.std() == pytest.approx(0.02 * 100**0.5, rel=0.05), "a random walk without leak"
    chip = perturbed(network(), Perturbation(noise=0.3), 0, SHAPE)
    first, second = chip(frames()), chip(frames())
    assert not torch.equal(first, second)
    restart_noise(chip, 0)
    assert torch.equal(chip(frames()), first)
    restart_noise(chip, 1)
    assert not torch.equal(chip(frames()), first)


@pytest.mark.parametrize("name", ["3c1fc", "resnet8", "vgg11"])
def test_a_perturbed_network_keeps_its_parameters_and_can_be_copied(name):
    net = folded(network(name, params={"norm": "none"} if name == "3c1fc" else {}))
    how, random_state = Perturbation(mismatch=0.2, bits=4, noise=0.1, dead_fraction=0.2), torch.get_rng_state()
    chip = perturbed(net, how, 0, SHAPE)
    assert torch.equal(torch.get_rng_state(), random_state), "the training's random numbers are not used up"
    state, expected = chip.state_dict(), net.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    assert [n for n, _ in chip.named_parameters()] == [n for n, _ in net.named_parameters()]
    copied = copy.deepcopy(chip)
    first = chip(frames())
    assert torch.equal(copied(frames()), first)
    assert not torch.equal(first, net(frames()))
    first.sum().backward()
    assert all(p.grad is not None for p in chip.parameters())


def test_a_learned_decay_is_varied_and_learns_on():
    net = network(spec=NeuronSpec(decay=0.5, learned_decay=True, surrogate={"name": "arctan"}))
    chip = perturbed(net, Perturbation(mismatch=0.1), 0, SHAPE)
    assert chip.state_dict().keys() == net.state_dict().keys()
    neuron = chip.stages[0].neuron
    chip(frames()).sum().backward()
    assert neuron.w.grad != 0
    with torch.no_grad():
        neuron.w.fill_(-2.0)
    torch.testing.assert_close(neuron.decays, (torch.sigmoid(torch.tensor(2.0)) * neuron.decay_factors).clamp(0, 1))


def test_a_pointwise_convolution_keeps_its_own_way_of_computing(monkeypatch):
    """Which avoids a fault of oneDNN: see `PointwiseConv`."""
    calls = []
    original = PointwiseConv._conv_forward

    def recorded(layer, x, weight, bias):
        calls.append(weight)
        return original(layer, x, weight, bias)

    monkeypatch.setattr(PointwiseConv, "_conv_forward", recorded)
    chip = perturbed(folded(network("resnet8", params={})), Perturbation(mismatch=0.2), 0, SHAPE)
    calls.clear()
    chip(frames())
    shortcuts = [m for name, m in chip.named_modules() if name.endswith(".shortcut")]
    assert [m.kernel_size for m in shortcuts] == [(1, 1), (1, 1)]
    assert all(torch.equal(w, m.perturbation(m.weight)) for w, m in zip(calls, shortcuts, strict=True))


def test_layers_that_may_use_their_weights_otherwise_are_refused_by_name():
    class Odd(nn.Linear):
        def forward(self, x):
            return x @ self.weight.T

    net = network()
    net.readout.linear = Odd(net.readout.linear.in_features, 10, bias=False)
    with pytest.raises(ConfigError, match=r"readout\.linear \(Odd\)"):
        perturbed(net, Perturbation(mismatch=0.2), 0, SHAPE)
