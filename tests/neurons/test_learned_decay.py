"""Neurons that learn their decay (PLIF): against SpikingJelly's, and the kernels against the steps they replace."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import neuron as spikingjelly_neuron
from spikingjelly.activation_based import surrogate
from test_neuron import LAYOUTS, numbers, specs
from torch import nn

from snn.neurons import NeuronSpec, make_neuron, native


def run(neuron: nn.Module, x: torch.Tensor, v: torch.Tensor | None = None) -> list[torch.Tensor]:
    """Spikes, state, and gradients with respect to input, w and the carried state, of a loss that uses both."""
    x = x.detach().requires_grad_()
    if v is not None:
        neuron.v = v = v.detach().requires_grad_()
    spikes = neuron(x)
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(1))
    ((spikes * weights).sum() + (neuron.v * weights[0]).sum()).backward()
    return [spikes.detach(), neuron.v.detach(), x.grad, neuron.w.grad, *([] if v is None else [v.grad])]


@pytest.mark.parametrize("implementation", ["fused", "spikingjelly"])
@pytest.mark.parametrize("v_reset", [None, 0.0])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("tau", [2.0, 4.0, 1.25])
def test_it_is_spikingjellys_parametric_lif(implementation, v_reset, detach, tau):
    spec = NeuronSpec(
        decay=1 - 1 / tau,
        learned_decay=True,
        reset="soft" if v_reset is None else "hard",
        detach_reset=detach,
        surrogate={"name": "arctan"},
        implementation=implementation,
    )
    oracle = spikingjelly_neuron.ParametricLIFNode(
        tau, decay_input=False, v_reset=v_reset, surrogate_function=surrogate.ATan(), detach_reset=detach, step_mode="m"
    )
    ours = make_neuron(spec)
    torch.testing.assert_close(ours.w, oracle.w)
    assert ours.w.item() == pytest.approx(-math.log(tau - 1), abs=1e-6)
    x = numbers(3, (8, 4, 30), grid=False)
    (spikes, *results), (expected, *references) = run(ours, x), run(oracle, x)
    assert torch.equal(spikes, expected)
    for a, b in zip(results, references, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    spec=specs(),
    decay=st.sampled_from([0.1, 0.5, 0.9]),
    seed=st.integers(0, 1000),
    steps=st.integers(1, 8),
    layout=st.sampled_from(list(LAYOUTS)),
    carried=st.booleans(),
)
def test_fused_equals_steps(spec, decay, seed, steps, layout, carried):
    x = LAYOUTS[layout](numbers(seed, (steps, 2, 3, 4, 5), False))
    v = numbers(seed + 7, x.shape[1:], False) if carried else None
    spec |= {"decay": decay, "learned_decay": True, "surrogate": spec["surrogate"] | {"name": "exponential"}}
    (spikes, state, *grads), (expected, reference, *references) = (
        run(make_neuron(NeuronSpec(**spec, implementation=choice)), x, v) for choice in ("fused", "spikingjelly")
    )
    assert torch.equal(spikes, expected)
    assert torch.equal(state, reference)
    for ours, other in zip(grads, references, strict=True):
        scale = float(other.abs().max()) + 1
        torch.testing.assert_close(ours, other, rtol=2e-5, atol=2e-6 * scale, msg=str(spec))


def test_at_first_it_is_the_neuron_of_the_configured_decay():
    x = numbers(1, (6, 3, 5), grid=False)
    learned, fixed = make_neuron(NeuronSpec(decay=0.5, learned_decay=True)), make_neuron(NeuronSpec(decay=0.5))
    assert torch.equal(learned(x), fixed(x))
    assert learned.state_dict().keys() == {"w"}
    assert not fixed.state_dict()


def test_the_number_of_threads_does_not_change_bits():
    x, before, results = numbers(1, (5, 3, 7, 119, 121), grid=False), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(make_neuron(NeuronSpec(decay=0.9, learned_decay=True)), x))
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_the_decay_is_learned():
    """Towards a decay at which the neuron spikes as often as another one."""
    x = 0.3 * torch.rand(20, 64, 10, generator=torch.Generator().manual_seed(0))
    target = make_neuron(NeuronSpec(decay=0.9))(x).mean()
    neuron = make_neuron(NeuronSpec(decay=0.5, learned_decay=True, surrogate={"name": "arctan"}))
    optimiser = torch.optim.Adam(neuron.parameters(), 0.1)
    for _ in range(100):
        neuron.reset()
        optimiser.zero_grad()
        (neuron(x).mean() - target).square().backward()
        optimiser.step()
    assert neuron.decay.item() == pytest.approx(0.9, abs=0.03)


def test_spikingjellys_function_on_a_gpu_is_the_same_neuron():
    """Tried on the CPU, where the same function runs too."""
    spec = NeuronSpec(decay=0.8, learned_decay=True, reset="hard", surrogate={"name": "arctan"})
    assert native.kind(spec) == "plif"
    x, neuron = numbers(5, (6, 50), grid=False), make_neuron(spec)
    spikes, v = native.multi_step(x, None, spec, neuron.w)
    assert torch.equal(spikes, neuron(x))
    torch.testing.assert_close(v, neuron.v)


def test_a_factor_is_multiplied_before():
    x = LAYOUTS["channels-last"](numbers(1, (4, 2, 3, 4, 5), grid=False))
    factor, neuron = torch.tensor([0.5, 1.5, 2.0]), make_neuron(NeuronSpec(decay=0.5, learned_decay=True))
    assert not neuron.accepts_norm(x)
    spikes = neuron(x, factor=factor, residual_current=x)
    neuron.reset()
    assert torch.equal(spikes, neuron(x * factor.view(-1, 1, 1) + x))


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_an_initial_decay_without_a_parameter_is_refused(decay):
    with pytest.raises(ValueError, match="learned_decay needs an initial decay between 0 and 1"):
        NeuronSpec(decay=decay, learned_decay=True)
