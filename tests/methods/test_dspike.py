"""Dspike's surrogate as published, and the finite-difference update of its temperature."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from jobs import do

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods import dspike, find, parameters
from snn.methods.shared.neurons import hidden_neurons, use_surrogate
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
    assert len(hidden_neurons(model)) == 3
    for neuron in hidden_neurons(model).values():
        assert neuron.surrogate.temperature == 2.0
        assert neuron.spec.surrogate.periodic
        assert neuron.spec.model_copy(update={"surrogate": spec.surrogate}) == spec


@pytest.mark.parametrize("name", ["dspike", "dspike-fixed", "dspike-frequent"])
def test_an_inhibited_neuron_of_a_spiking_readout_goes_on_learning(name, method, network, batch):
    """Dspike is 0 for a negative membrane: with it an output neuron that is inhibited would have no gradient at all."""
    spec = NeuronSpec(surrogate={"name": "exponential"})
    plain = network(params={"readout": "spiking"}, spec=spec)
    m = method(name, **({} if name == "dspike-fixed" else {"weights": 2}))
    model = m.prepare(plain).train()
    assert model.readout.neuron.spec == spec
    with torch.no_grad():
        for stage in model.stages:
            stage.conv.weight.abs_()  # so that all layers fire
        model.readout.linear.weight[0] = -0.02
    x, y = batch()
    m.start_epoch(model, 1, (x, y))
    m.step(model, x, y.fill_(0))
    assert model(x)[:, :, 0].sum() == 0, "class 0 is inhibited and never predicted"
    assert model.readout.linear.weight.grad[0].abs().max() > 0


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
    image = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    differences = dspike.finite_differences(lambda: (image * image).sum(), image, torch.tensor([0, 13]), 0.5)
    assert torch.allclose(differences, 2 * image.flatten()[[0, 13]]), "any memory layout"
    for most in (24, 7):
        positions = dspike.evenly_spaced(24, most)
        assert len(set(positions.tolist())) == most
        differences = dspike.finite_differences(loss, weight, positions, 1e-4)
        assert torch.allclose(differences, exact.flatten()[positions], atol=1e-7)
    assert torch.equal(weight, before), "to the bit"


@pytest.mark.parametrize("best", [1.8, 3.0, 4.6])
def test_a_planted_best_temperature_is_found_and_kept(best, method, network, batch, monkeypatch):
    """Where the true gradient is that of the surrogate at `best`, the updates walk there, Δb at a time."""
    x, y = batch(n=16)
    m = method("dspike")
    model = m.prepare(network()).train()

    def planted(loss, weight, positions, epsilon):
        use_surrogate(model, SurrogateSpec(name="dspike", temperature=best))
        with torch.enable_grad():
            return torch.autograd.grad(loss(), weight)[0].flatten()[positions]

    monkeypatch.setattr(dspike, "finite_differences", planted)
    path = []
    for _ in range(6):
        m.update(model, [(x, y)], len(y))
        path.append(m.temperature)
    assert all(abs(b - a) <= 0.4 + 1e-9 for a, b in zip([3.0, *path], path, strict=False))
    assert path[-2:] == [pytest.approx(best), pytest.approx(best)]
    assert m.state() == {"temperature": path[-1]}


def test_the_temperature_stays_between_its_bounds(method, network, batch, monkeypatch):
    m = method("dspike", temperature=1.2, lowest=1.0)
    model = m.prepare(network()).train()
    monkeypatch.setattr(dspike, "cosine_similarity", lambda *_, **__: torch.tensor(-neurons_temperature(model)))
    for _ in range(3):
        m.update(model, [batch()], 6)
    assert m.temperature == 1.0


def neurons_temperature(model):
    return next(iter(hidden_neurons(model).values())).surrogate.temperature


def test_a_gradient_of_nothing_moves_nothing(method, network, batch):
    m = method("dspike", epsilon=1e-9)
    row = m.update(m.prepare(network()).train(), [batch()], 6)
    assert row["finite_differences"] == 0
    assert m.temperature == 3.0


@pytest.mark.parametrize("norm", ["none", "scale", "batch"])
def test_nothing_but_the_temperature_changes(norm, method, network, batch):
    m = method("dspike", weights=5)
    model = m.prepare(network(params={"norm": norm, "readout": "membrane"})).train()
    m.step(model, *batch())
    before = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters()]
    random = torch.get_rng_state(), m.run.steps.get_state()
    row = m.update(model, [batch(n=16), batch(seed=2)], 16)
    assert set(row) == {"cosine_lower", "cosine_same", "cosine_higher", "finite_differences"}
    assert all(neuron.surrogate.temperature == m.temperature for neuron in hidden_neurons(model).values())
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


def updates_of_an_epoch(m, model, batch, epoch, monkeypatch):
    """{iteration in the epoch: number of batches} of the updates, and the epoch's numbers."""
    seen = {}

    def update(model, batches, size):
        seen[m.iteration] = len(batches)
        return {"cosine_same": float(m.iteration)}

    monkeypatch.setattr(m, "update", update)
    m.start_epoch(model, epoch, batch())
    for _ in range(m.iterations):
        m.step(model, *batch())
    return seen, m.end_epoch(model)


def test_the_published_update_is_on_the_first_batch_of_each_epoch(method, network, batch, monkeypatch):
    m = method("dspike", iterations=10)
    model = m.prepare(network()).train()
    for epoch in (1, 2):
        seen, row = updates_of_an_epoch(m, model, batch, epoch, monkeypatch)
        assert seen == {0: 1}
        assert row == {"temperature": 3.0, "cosine_same": 0.0}


def test_updates_are_spread_over_the_epoch_take_their_batches_and_wait_for_the_warmup(
    method, network, batch, monkeypatch
):
    m = method("dspike", iterations=10, updates_per_epoch=3, batches=2, warmup=0.3)
    model = m.prepare(network()).train()
    # Parts of the epoch: iterations 0 to 3, 4 to 6, 7 to 9; the warm-up ends with iteration 2.
    seen, row = updates_of_an_epoch(m, model, batch, 1, monkeypatch)
    assert seen == {5: 2, 8: 2}
    assert row == {"temperature": 3.0, "cosine_same": 6.5}
    seen, _ = updates_of_an_epoch(m, model, batch, 2, monkeypatch)
    assert seen == {1: 2, 5: 2, 8: 2}


def test_more_updates_than_iterations_are_one_for_each(method, network, batch, monkeypatch):
    m = method("dspike-frequent", iterations=5, warmup=0.0)
    seen, _ = updates_of_an_epoch(m, m.prepare(network()).train(), batch, 1, monkeypatch)
    assert seen == dict.fromkeys(range(5), 1)


def test_several_batches_count_alike_and_are_all_paid_for(method, network, batch):
    m = method("dspike", weights=3)
    model = m.prepare(network()).train()
    x, y = batch(n=8)
    halves = [(x[:, :4], y[:4]), (x[:, 4:], y[4:])]
    whole, parts = m.update(model, [(x, y)], 8), m.update(model, halves, 8)
    assert parts == pytest.approx(whole, abs=1e-4), "without normalisation the mean of halves is the whole"
    assert m.owed == pytest.approx(2 * 4 * (6 / 3 + 3))


def test_a_resumed_training_goes_on_at_its_temperature(make_job, tmp_path, monkeypatch):
    """After a temperature that moved in every update the resumed training starts its next epoch with that one."""
    overlay = {"train": {"epochs": 3}, "methods": {"dspike": {"weights": 2}}}
    trace = []

    def upwards(self, model, batches, size):
        trace.append((self.temperature, neurons_temperature(self.network)))
        self.temperature += 0.25
        self.set_temperature(self.temperature)
        return {}

    def kill(epoch, row):
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(dspike.Dspike, "update", upwards)
    with pytest.raises(KeyboardInterrupt):
        do(make_job("dspike", **overlay), "train", on_epoch=kill)
    resumed = make_job("dspike", **overlay)
    do(resumed, "train")
    assert trace == [(3.0, 3.0), (3.25, 3.25), (3.5, 3.5)], "state and surrogates, at the start of epochs 1 to 3"
    column = [float(row["temperature"]) for row in resumed.folder.rows("train", "history.csv")]
    assert column == [3.25, 3.5, 3.75]


def test_an_empty_range_is_refused():
    with pytest.raises(ConfigError, match="no temperature"):
        find("dspike").check(parameters("dspike", {"lowest": 7.0}), 4, Train(), NeuronSpec())
