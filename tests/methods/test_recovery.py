"""LTL learns on a perturbed network, through the perturbation, which does not change."""

from __future__ import annotations

import pytest
import torch
from conftest import CLASSES, SHAPE, SPEC
from torch import nn

from snn.models.perturb import Perturbation, perturbed
from snn.models.stages import ConvStage, Network, Readout
from snn.neurons import make_neuron
from snn.training.evaluate import decide
from snn.training.method import time_mean_cross_entropy


def quadrants(n=64, t=4, seed=0):
    """Events, most of them in one quadrant: its number is the class."""
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(CLASSES, (n,), generator=g)
    rate = torch.full((n, *SHAPE), 0.25)
    for i, label in enumerate(y):
        row, column = divmod(int(label), 2)
        rate[i, :, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 0.6
    return torch.poisson(rate.expand(t, *rate.shape), generator=g), y


def accuracy(net) -> float:
    x, y = quadrants(n=200, seed=99)
    with torch.no_grad():
        return (decide(net.eval()(x), False) == y).float().mean().item()


def shallow(activation) -> Network:
    """One layer of neurons between events and readout: quick to teach."""
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 8, 3, 1, 1, bias=False)
    with torch.no_grad():
        conv.weight.mul_(3.0)  # so that it spikes
    return Network([ConvStage(conv, nn.Identity(), activation, 3)], Readout(8 * 4 * 4, CLASSES, None))


def learn(m, model, steps):
    model = m.prepare(model).train()
    m.start_epoch(model, 1, quadrants())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for i in range(steps):
        optimizer.zero_grad()
        m.step(model, *quadrants(seed=i))
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def teacher():
    net = shallow(nn.ReLU)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for i in range(40):
        x, y = quadrants(seed=i)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x.sum(0, keepdim=True))[0], y).backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("name", ["ltl-offline", "ltl-online"])
def test_what_a_chip_takes_learning_on_it_gives_back(name, method, teacher):
    m = method(name, teacher=teacher)
    whole = learn(m, shallow(lambda: make_neuron(SPEC)), 60)
    reached = accuracy(whole)
    assert reached > 0.9
    for how in (Perturbation(mismatch=0.9), Perturbation(mismatch=0.9, bits=3, noise=0.1, dead_fraction=0.2)):
        chip = perturbed(whole, how, 1, SHAPE)
        before, fixed = accuracy(chip), {k: v.clone() for k, v in chip.named_buffers()}
        assert before < reached - 0.2, f"{how} must hurt, or there is nothing to show"
        learn(m, chip, 40)
        assert accuracy(chip) > before + 0.5 * (reached - before), how
        assert all(torch.equal(v, fixed[k]) for k, v in chip.named_buffers()), "the chip is what it was"
        assert all(not torch.equal(p, q) for p, q in zip(chip.parameters(), whole.parameters(), strict=True))


def test_the_gradient_is_that_of_the_perturbed_network(network, method, batch):
    """At a chip of known factors: w' = w·f, so dL/dw = f · dL/dw'."""
    x, y = batch()
    chip = perturbed(network(), Perturbation(mismatch=0.2), 1, SHAPE)
    layer = chip.readout.linear
    held = (layer.weight * layer.perturbation.factor).detach().requires_grad_()
    run = method("sdt").run
    time_mean_cross_entropy(run, chip(x), y)[0].backward()
    spikes = []
    chip.readout.register_forward_pre_hook(lambda _m, inputs: spikes.append(inputs[0].detach()))
    chip(x)
    time_mean_cross_entropy(run, spikes[0].flatten(2) @ held.T, y)[0].backward()
    assert torch.allclose(layer.weight.grad, layer.perturbation.factor * held.grad, atol=1e-7)
