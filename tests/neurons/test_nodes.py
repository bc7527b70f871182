"""`IFNode` and `LIFNode` against SpikingJelly's own, over their options."""

from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spikingjelly.activation_based import functional, surrogate
from spikingjelly.activation_based import neuron as spikingjelly_neuron

from snn.errors import ConfigError
from snn.neurons import nodes

KINDS = ["ATan", "Sigmoid", "PiecewiseExp", "PiecewiseQuadratic", "Rect"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    lif=st.booleans(),
    tau=st.sampled_from([1.5, 2.0, 10.0]),
    decay_input=st.booleans(),
    v_threshold=st.sampled_from([1.0, 0.5, 1.7]),
    v_reset=st.sampled_from([None, 0.0, -0.3]),
    kind=st.sampled_from(KINDS),
    alpha=st.sampled_from([1.0, 2.0, 4.0]),
    detach_reset=st.booleans(),
    step_mode=st.sampled_from(["s", "m"]),
    calls=st.sampled_from([1, 2]),
    steps=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_spikes_state_and_gradients_are_spikingjellys(
    lif, tau, decay_input, v_threshold, v_reset, kind, alpha, detach_reset, step_mode, calls, steps, seed
):
    options = {"v_threshold": v_threshold, "v_reset": v_reset, "detach_reset": detach_reset, "step_mode": step_mode}
    options |= {"tau": tau, "decay_input": decay_input} if lif else {}
    generator = torch.Generator().manual_seed(seed)
    shape = (3, 4) if step_mode == "s" else (steps, 3, 4)
    inputs_of_calls = [torch.randn(shape, generator=generator) * 1.5 + 0.4 for _ in range(calls)]
    weights = [torch.randn(shape, generator=generator) for _ in range(calls)]
    results = []
    for home in (nodes, spikingjelly_neuron):
        function = getattr(surrogate, kind)(alpha=alpha)
        node = getattr(home, "LIFNode" if lif else "IFNode")(surrogate_function=function, **options)
        inputs = [x.clone().requires_grad_() for x in inputs_of_calls]
        spikes = [node(x) for x in inputs]  # the state goes on from call to call
        (sum((s * w).sum() for s, w in zip(spikes, weights, strict=True)) + node.v.sum()).backward()
        results.append((torch.stack(spikes).detach(), node.v.detach(), torch.stack([x.grad for x in inputs])))
        functional.reset_net(node)
        assert not isinstance(node.v, torch.Tensor)
    (spikes, v, grad), (their_spikes, their_v, their_grad) = results
    assert torch.equal(spikes, their_spikes)
    torch.testing.assert_close(v, their_v, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(grad, their_grad, rtol=1e-4, atol=1e-5 * float(their_grad.abs().max() + 1))


@pytest.mark.parametrize("kind", ["IFNode", "LIFNode"])
def test_the_arguments_and_their_defaults_are_spikingjellys(kind):
    """The default surrogate is SpikingJelly's too, which its gradient shows."""
    ours, others = getattr(nodes, kind), getattr(spikingjelly_neuron, kind)
    arguments = [
        {name: p.default for name, p in inspect.signature(each).parameters.items() if name != "surrogate_function"}
        for each in (ours, others)
    ]
    assert list(arguments[0].items()) == list(arguments[1].items())
    results = []
    for node in (ours(), others()):
        x = torch.linspace(-1, 3, 41, requires_grad=True)
        node(x).sum().backward()
        results.append((node.v.detach(), x.grad))
    for ours, others in zip(*results, strict=True):
        torch.testing.assert_close(ours, others)


def test_a_surrogate_without_an_equivalent_is_refused():
    with pytest.raises(ConfigError, match=r"LeakyKReLU: no surrogate .* accepted: ATan"):
        nodes.IFNode(surrogate_function=surrogate.LeakyKReLU())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nodes.LIFNode(tau=1.0), "tau must be larger than 1"),
        (lambda: nodes.IFNode(v_threshold=0.0), "v_threshold must be positive"),
        (lambda: nodes.IFNode(store_v_seq=True), "store_v_seq: the membrane of each step"),
        (lambda: nodes.IFNode(surrogate_function=surrogate.ATan(spiking=False)), "spiking=False"),
        (lambda: setattr(nodes.IFNode(), "v_threshold", 0.2), "IFNode.v_threshold cannot be changed"),
    ],
)
def test_arguments_without_an_equivalent_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
