"""Dspike's surrogate as published, and the finite-difference update of its temperature."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import dspike, find, parameters
from snn.methods.shared.neurons import neurons, use_surrogate
from snn.neurons import NeuronSpec, Surrogate, SurrogateSpec


@pytest.mark.parametrize(("b", "slope"), [(1e-3, 1.000), (1, 1.082), (3, 1.657), (5, 2.534), (20, 10.0)])
def test_limits_slopes_and_integral(b, slope):
    surrogate = Surrogate(NeuronSpec(threshold=0.5, surrogate={"name": "dspike", "temperature": b}))
    x = torch.linspace(0, 1, 20001, dtype=torch.float64)
    g = surrogate.gradient(x)
    assert g[10000].item() == pytest.approx(slope, abs=2e-3)
    assert torch.trapezoid(g, x).item() == pytest.approx(1.0, abs=1e-4), "D(1) - D(0)"
    d = (torch.tanh(b * (x - 0.5)) + math.tanh(b / 2)) / (2 * math.tanh(b / 2))
    assert torch.allclose(torch.cumulative_trapezoid(g, x), d[1:], atol=1e-4)
    assert (surrogate.gradient(torch.tensor([-0.01, 1.01])) == 0).all()


def test_it_replaces_the_surrogate_and_nothing_else(method, network, batch):
    spec = NeuronSpec(threshold=0.8, v_min=-1.0, multi_spike=True, surrogate={"name": "triangle", "periodic": True})
    x, _ = batch()
    plain = network(spec=spec)
    before = plain(x)
    model = method("dspike-fixed", temperature=2.0).prepare(plain)
    assert torch.equal(model(x), before)
    for neuron in neurons(model).values():
        assert neuron.surrogate.temperature == 2.0
        assert neuron.spec.surrogate.periodic
        assert neuron.spec.model_copy(update={"surrogate": spec.surrogate}) == spec


def test_the_fixed_form_is_standard_training_with_the_dspike_neuron(method, network, batch):
    x, y = batch()
    spec = NeuronSpec(surrogate={"name": "dspike", "temperature": 3.0})
    plain = network(spec=spec)
    method("sdt").step(plain, x, y)
    fixed = method("dspike-fixed")
    model = fixed.prepare(network())
    fixed.step(model, x, y)
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(plain.parameters(), model.parameters(), strict=True))


def test_finite_differences_of_a_smooth_loss_are_its_gradient():
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    a = torch.randn(4, 3, 2, dtype=torch.float64)

    def loss():
        return (a * weight).sin().sum() + weight.square().mean()

    (exact,) = torch.autograd.grad(loss(), weight)
    before = weight.detach().clone()
    for most in (24, 7):
        chosen = dspike.evenly_spaced(24, most)
        assert len(set(chosen.tolist())) == most
        found = dspike.finite_differences(loss, weight, chosen, 1e-4)
        assert torch.allclose(found, exact.flatten()[chosen], atol=1e-7)
    assert torch.equal(weight, before), "to the bit"


@pytest.mark.parametrize("best", [1.8, 3.0, 4.6])
def test_a_planted_best_temperature_is_found_and_kept(best, method, network, batch, monkeypatch):
    """Where the true gradient is that of the surrogate at `best`, the updates walk there, Δb at a time."""
    x, y = batch(n=16)
    m = method("dspike")
    model = m.prepare(network()).train()

    def planted(loss, weight, chosen, epsilon):
        use_surrogate(model, SurrogateSpec(name="dspike", temperature=best))
        with torch.enable_grad():
            return torch.autograd.grad(loss(), weight)[0].flatten()[chosen]

    monkeypatch.setattr(dspike, "finite_differences", planted)
    path = [m.start_epoch(model, e, (x, y))["temperature"] for e in range(6)]
    assert all(abs(b - a) <= 0.4 + 1e-9 for a, b in zip([3.0, *path], path, strict=False))
    assert path[-2:] == [pytest.approx(best), pytest.approx(best)]
    assert m.state() == {"temperature": path[-1]}


def test_the_temperature_stays_between_its_bounds(method, network, batch, monkeypatch):
    m = method("dspike", temperature=1.2, lowest=1.0)
    model = m.prepare(network()).train()
    monkeypatch.setattr(dspike, "cosine_similarity", lambda *_, **__: torch.tensor(-neurons_temperature(model)))
    for _ in range(3):
        m.start_epoch(model, 1, batch())
    assert m.temperature == 1.0


def neurons_temperature(model):
    return next(iter(neurons(model).values())).surrogate.temperature


def test_a_gradient_of_nothing_moves_nothing(method, network, batch):
    m = method("dspike", epsilon=1e-9)
    row = m.start_epoch(m.prepare(network()).train(), 1, batch())
    assert row["finite_differences"] == 0
    assert row["temperature"] == 3.0


@pytest.mark.parametrize("norm", ["none", "scale", "batch"])
def test_nothing_but_the_temperature_changes(norm, method, network, batch):
    m = method("dspike", weights=5)
    model = m.prepare(network(params={"norm": norm, "readout": "membrane"})).train()
    m.step(model, *batch())
    before = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters()]
    random = torch.get_rng_state(), m.run.steps.get_state()
    row = m.start_epoch(model, 2, batch(n=16))
    assert set(row) == {"temperature", "cosine_lower", "cosine_same", "cosine_higher", "finite_differences"}
    assert all(neuron.surrogate.temperature == row["temperature"] for neuron in neurons(model).values())
    after = model.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))
    assert torch.equal(torch.get_rng_state(), random[0])
    assert torch.equal(m.run.steps.get_state(), random[1])
    assert model.training


def test_the_update_is_paid_for_once(method, network, batch):
    m = method("dspike", weights=6, samples=3)
    model = m.prepare(network()).train()
    m.start_epoch(model, 1, batch())
    assert m.step(model, *batch()).time_steps == pytest.approx(4 + 0.5 * 4 * (12 / 3 + 3))
    assert m.step(model, *batch()).time_steps == 4


def test_a_resumed_training_goes_on_at_its_temperature(method, network):
    m = method("dspike")
    model = m.prepare(network())
    m.load_state({"temperature": 4.2})
    assert neurons_temperature(model) == 4.2


def test_an_empty_range_is_refused():
    with pytest.raises(ConfigError, match="no temperature"):
        find("dspike").check(parameters("dspike", {"lowest": 7.0}), 4, Train(), NeuronSpec())
