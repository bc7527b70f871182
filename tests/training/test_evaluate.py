"""Decisions from outputs, and running statistics measured anew."""

from __future__ import annotations

import copy

import pytest
import torch

from snn import models
from snn.neurons import NeuronSpec, make_neuron
from snn.training.evaluate import NO_OUTPUT, decide, recalibrate

SHAPE = (2, 34, 34)


def test_recalibration_is_the_cumulative_mean_and_touches_nothing_else():
    torch.manual_seed(0)
    network = models.build("resnet8", {"norm": "batch"}, SHAPE, 10, lambda: make_neuron(NeuronSpec(v_min=-1.0))).eval()
    before = copy.deepcopy(network.state_dict())
    batches = [torch.rand(2, 4, *SHAPE) for _ in range(3)]
    recalibrate(network, iter(batches))
    conv, norm = network.stages[0].conv, network.stages[0].norm
    means = torch.stack([conv(b.flatten(0, 1)).mean((0, 2, 3)) for b in batches]).mean(0)
    assert torch.allclose(norm.running_mean, means, atol=1e-5)
    assert norm.momentum == 0.1
    assert not network.training
    after = network.state_dict()
    weights = {n for n, _ in network.named_parameters()}
    assert all(torch.equal(before[k], after[k]) for k in weights)


@pytest.mark.parametrize(
    ("spikes", "expected"),
    [
        ([[1, 0], [0, 1], [1, 0]], 0),  # most spikes
        ([[0, 1], [1, 0], [0, 0]], 1),  # a tie: class 1 reached its count first
        ([[0, 0], [1, 1], [0, 0]], 0),  # a tie at the same step: the lower index
        ([[0, 0], [0, 0], [0, 0]], NO_OUTPUT),
        ([[0, 2], [1, 0], [1, 0]], 1),
    ],
)
def test_ties_go_to_the_class_that_was_there_first(spikes, expected):
    assert decide(torch.tensor(spikes, dtype=torch.float32).unsqueeze(1), spiking=True).item() == expected


def test_a_membrane_readout_takes_the_largest_sum():
    outputs = torch.tensor([[[-1.0, -3.0]], [[-1.0, 0.5]]])
    assert decide(outputs, spiking=False).item() == 0
