"""ScaleNorm, by itself and inside the neurons."""

from __future__ import annotations

import pytest
import torch

from snn.models.norm import ScaleNorm
from snn.models.stages import channels_last, fire, over_time
from snn.neurons import NeuronSpec, make_neuron


def test_scale_norm_normalises_power_and_folds():
    norm = ScaleNorm(3, gain=0.5).train()
    x = torch.randn(64, 3, 8, 8) * torch.tensor([0.1, 1.0, 5.0]).view(1, 3, 1, 1)
    y = norm(x)
    assert torch.allclose(y.square().mean((0, 2, 3)), torch.full((3,), 0.25), rtol=1e-2)
    assert torch.allclose(norm.running_power, x.square().mean((0, 2, 3))), "the first batch counts in full"
    norm.eval()
    assert torch.allclose(norm(x), x * norm.scale().view(1, -1, 1, 1))


@pytest.mark.parametrize("shape", [(6, 8, 5, 4), (3, 16, 7, 4), (2, 32, 17, 17), (4, 64, 1, 1)])
def test_scale_norms_kernels_equal_autograd(shape, monkeypatch):
    results = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr("snn.kernels.channels.supports", lambda x: False)
        torch.manual_seed(0)
        norm = ScaleNorm(shape[1], 0.7).train()
        x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
        y = norm(x)
        assert (type(y.grad_fn).__name__ == "_ScaleByPowerBackward") == fast
        (y * torch.randn(shape)).sum().backward()
        results.append((y, x.grad, norm.weight.grad, norm.running_power))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize("implementation", ["auto", "spikingjelly"])
def test_fire_is_the_neuron_of_the_normalised_input(training, summed, implementation):
    """Measured by float64, for which neither the neuron nor the normalisation has kernels."""
    torch.manual_seed(0)
    shape = (4, 2, 8, 5, 5)
    x, residual = (channels_last(torch.randn(shape)) for _ in range(2))
    results = []
    for dtype in (torch.float32, torch.float64):
        neuron = make_neuron(NeuronSpec(implementation=implementation, surrogate={"name": "arctan"}))
        norm = ScaleNorm(8, 0.9).train(training).to(dtype)
        inputs = [each.detach().to(dtype).requires_grad_() for each in (x, residual)]
        if dtype == torch.float32:
            assert neuron.accepts_norm(inputs[0]) == (implementation == "auto")
            spikes = fire(neuron, norm, inputs[0], inputs[1] if summed else None)
        else:
            y = over_time(norm, inputs[0])
            spikes = neuron(y + inputs[1] if summed else y)
        (spikes * torch.linspace(-1, 1, spikes.numel(), dtype=dtype).view(shape)).sum().backward()
        results.append([spikes, inputs[0].grad, inputs[1].grad if summed else x, norm.weight.grad, norm.running_power])
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), reference.double(), rtol=1e-4, atol=1e-5)
