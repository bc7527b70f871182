"""RateBP: the eligibility against autograd and the vectors of the specification, rates against means, T = 1, memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import find, parameters
from snn.methods.ratebp import normalised_rates, spikes_and_eligibility, through_block, through_readout
from snn.models.norm import ScaleNorm
from snn.models.perturb import Perturbation, perturbed
from snn.models.stages import blocks
from snn.neurons import NeuronSpec, make_neuron
from snn.phases.probe.memory import KeptForBackward

SIGMOID = {"name": "sigmoid", "sharpness": 4.0}
NEURONS = {
    "soft": {"reset": "soft"},
    "soft detached": {"reset": "soft", "detach_reset": True},
    "hard": {"reset": "hard"},
    "hard to a level": {"reset": "hard", "v_reset": -0.3},
    "hard detached": {"reset": "hard", "detach_reset": True},
    "bound": {"reset": "soft", "v_min": -0.2},
    "bound detached": {"reset": "soft", "v_min": -0.2, "detach_reset": True},
    "several spikes": {"reset": "soft", "multi_spike": True},
    "several spikes, periodic": {
        "reset": "soft",
        "multi_spike": True,
        "v_min": -0.5,
        "surrogate": {"name": "exponential", "periodic": True},
    },
}


def spec(decay=0.5, **changes):
    return NeuronSpec(**({"decay": decay, "surrogate": SIGMOID} | changes))


@pytest.mark.parametrize("decay", [0.5, 1.0])
@pytest.mark.parametrize("changes", NEURONS.values(), ids=NEURONS)
def test_the_eligibility_is_the_gradient_for_a_current_shifted_at_every_step(changes, decay):
    """Back-propagation through time by the neuron itself, in double precision. A third of the currents are zero, so
    that an integrate-and-fire neuron stays exactly at its lower bound where it was clipped."""
    neuron = make_neuron(spec(decay, **changes)).double()
    g = torch.Generator().manual_seed(0)
    current = 0.5 + torch.randn(8, 3, 50, dtype=torch.float64, generator=g)
    current *= torch.rand(current.shape, generator=g) < 2 / 3
    shift = torch.zeros(3, 50, dtype=torch.float64, requires_grad=True)
    expected = neuron(current + shift)
    (e,) = torch.autograd.grad(expected.mean(0).sum(), shift)
    spikes, own = spikes_and_eligibility(neuron, current)
    assert torch.equal(spikes, expected)
    assert spikes.sum() > 100
    assert torch.allclose(own, e, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("decay", "rate", "e"), [(0.5, 0.25, 1.21295851), (1.0, 0.5, 1.76836744)])
def test_the_vectors_of_the_specification(decay, rate, e):
    neuron = make_neuron(spec(decay, reset="soft", detach_reset=True)).double()
    spikes, own = spikes_and_eligibility(neuron, torch.full((4, 1), 0.6, dtype=torch.float64))
    assert spikes.mean(0).item() == rate
    assert own.item() == pytest.approx(e, abs=5e-9)


NETWORKS = [("3c1fc", "none"), ("3c1fc", "scale"), ("3c1fc", "batch"), ("resnet8", "scale"), ("vgg11", "batch")]


def params(name, norm, readout="membrane"):
    return {"norm": norm, "readout": readout} | ({"width": 1 / 16, "bias": True} if name == "vgg11" else {})


@pytest.mark.parametrize("readout", ["membrane", "spiking"])
@pytest.mark.parametrize(("name", "norm"), NETWORKS)
def test_with_one_step_it_is_standard_training(name, norm, readout, method, network, batch):
    x, y = batch(t=1)
    x = x.double()
    results, gradients, states = [], [], []
    for rule in ("sdt", "ratebp"):
        m = method(rule, t_train=1)
        model = m.prepare(network(name, params(name, norm, readout), spec(v_min=-1.0)).double()).train()
        results.append(m.step(model, x, y))
        gradients.append([p.grad for p in model.parameters()])
        states.append(model.state_dict())
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-12)
    assert torch.allclose(results[0].logits, results[1].logits)
    assert results[1].time_steps == pytest.approx(1 + 1 / 3)
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-14)
    assert all(torch.allclose(states[0][k], states[1][k]) for k in states[0]), "running statistics too"


@pytest.mark.parametrize("readout", ["membrane", "spiking"])
@pytest.mark.parametrize(("name", "norm"), NETWORKS)
def test_the_values_of_the_rates_are_time_means_layer_by_layer_and_the_loss_is_the_networks(
    name, norm, readout, method, network, batch
):
    x, y = batch(t=5)
    x = x.double()
    model = network(name, params(name, norm, readout), spec(v_min=-1.0)).double().train()
    signal = x, x.mean(0)
    for block_name, block in blocks(model):
        signal = through_block(block_name, block, signal)
        assert torch.allclose(signal[0].mean(0), signal[1], atol=1e-12), block_name
    outputs, rate = through_readout(model, signal)
    assert torch.allclose(outputs.mean(0), rate, atol=1e-12)
    plain = network(name, params(name, norm, readout), spec(v_min=-1.0)).double().train()
    assert torch.allclose(plain(x), outputs)
    for logits in ("mean", "sum"):
        m = method("ratebp", train={"logits": logits, "logit_scale": 2.0})
        a = method("sdt", train={"logits": logits, "logit_scale": 2.0}).step(plain, x, y)
        b = m.step(m.prepare(model), x, y)
        assert a.loss == pytest.approx(b.loss, rel=1e-9)
        assert torch.allclose(a.logits, b.logits)


@pytest.mark.parametrize("norm", [ScaleNorm(3), nn.BatchNorm2d(3)], ids=["scale", "batch"])
def test_the_normalisation_of_the_rates_has_the_value_of_all_steps_and_the_gradient_of_the_rates(norm):
    norm = norm.double().train()
    g = torch.Generator().manual_seed(0)
    currents = torch.randn(4, 5, 3, 2, 2, dtype=torch.float64, generator=g)
    mean = currents.mean(0).requires_grad_()
    value = normalised_rates(norm, currents.flatten(0, 1), mean)
    assert torch.allclose(value, norm(currents.flatten(0, 1)).unflatten(0, (4, 5)).mean(0), atol=1e-12)
    weights = torch.randn(value.shape, dtype=torch.float64, generator=g)
    (own,) = torch.autograd.grad((value * weights).sum(), mean)
    # Written out: y = γ (c - μ) k with k = (σ² + eps)^-1/2 of all steps, and dμ, dσ² those of the mean currents.
    c, n = mean.detach(), mean.numel() / 3
    every = currents.flatten(0, 1)
    shift = every.mean((0, 2, 3), keepdim=True) if isinstance(norm, nn.BatchNorm2d) else torch.zeros(1, 3, 1, 1)
    own_shift = c.mean((0, 2, 3), keepdim=True) if isinstance(norm, nn.BatchNorm2d) else torch.zeros(1, 3, 1, 1)
    k = torch.rsqrt(((every - shift) ** 2).mean((0, 2, 3), keepdim=True) + norm.eps)
    total = (weights * (c - shift)).sum((0, 2, 3), keepdim=True)
    expected = weights * k - k**3 * total * (c - own_shift) / n
    if isinstance(norm, nn.BatchNorm2d):
        expected = expected - k * weights.sum((0, 2, 3), keepdim=True) / n
    assert torch.allclose(own, expected, rtol=1e-10)


def test_the_gradient_is_scaled_and_the_loss_is_not(method, network, batch):
    x, y = batch()
    results = []
    for scale in (1.0, 0.25):
        m = method("ratebp", gradient_scale=scale)
        model = m.prepare(network()).train()
        results.append((m.step(model, x, y).loss, [p.grad for p in model.parameters()]))
    assert results[0][0] == results[1][0]
    assert all(torch.allclose(a / 4, b) for a, b in zip(results[0][1], results[1][1], strict=True))


def test_what_is_kept_for_backward_does_not_grow_with_t(method, network, batch):
    bytes_held, costs = {}, {}
    for t in (4, 16):
        m = method("ratebp")
        model = m.prepare(network("resnet8", {"norm": "scale"})).train()
        x, y = batch(t=t)
        with KeptForBackward([x, *model.parameters(), *model.buffers()]) as memory:
            costs[t] = m.step(model, x, y).time_steps
        bytes_held[t] = memory.most
    assert bytes_held[16] == bytes_held[4] > 0
    assert costs == {4: pytest.approx(4 / 3 + 1), 16: pytest.approx(16 / 3 + 1)}


def test_a_learned_decay_is_refused():
    with pytest.raises(ConfigError, match="no gradient reaches a learned decay"):
        find("ratebp").check(parameters("ratebp", {}), 4, Train(), NeuronSpec(decay=0.5, learned_decay=True))


def test_what_has_no_rate_is_refused_by_name(method, network, blueprint):
    pooled = network()
    pooled.stages[1].pooling = "max"
    with pytest.raises(ConfigError, match=r"stages\.1: ratebp needs `pooling: avg`"):
        method("ratebp").prepare(pooled)
    chip = perturbed(network(), Perturbation(mismatch=0.1), 0, (2, 12, 12))
    with pytest.raises(ConfigError, match=r"stages\.0\.neuron: ratebp has no eligibility for PerturbedNeuron"):
        method("ratebp").prepare(chip)
    temporal = blueprint(params={"norm": "tescale"}, steps=4).build()
    with pytest.raises(ConfigError, match=r"stages\.0\.norm: ratebp has no rule for TemporalScaleNorm"):
        method("ratebp").prepare(temporal)
