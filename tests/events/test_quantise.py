"""Integers of a network: the symmetric rule, and the rule of the vendor's conversion (compared with its own code)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snn.errors import UserError
from snn.events import Engine, EventNetwork, Population, Synapse
from snn.events._quantise import quantise

FRAMEWORKS = Path(os.environ.get("SNN_FRAMEWORKS", Path(__file__).parents[2] / ".frameworks"))
SINABS = FRAMEWORKS / "sinabs/bin/python"
# The vendor's file is loaded by its path: its package wants the closed driver, which this function does not use.
VENDOR = """
import importlib.util, json, pathlib, sys, torch, sinabs, sinabs.layers as sl
path = pathlib.Path(sinabs.__file__).parent / "backend/dynapcnn/discretize.py"
spec = importlib.util.spec_from_file_location("discretize", path)
discretize = importlib.util.module_from_spec(spec)
spec.loader.exec_module(discretize)
for line in sys.stdin:
    weights, v_min, threshold = json.loads(line)
    conv = torch.nn.Conv2d(1, len(weights), 1, bias=False)
    conv.weight.data = torch.tensor(weights).float().reshape(-1, 1, 1, 1)
    neuron = sl.IAF(spike_threshold=torch.tensor(threshold), min_v_mem=v_min)
    conv, neuron = discretize.discretize_conv_spike(conv, neuron)
    print(json.dumps([conv.weight.flatten().tolist(), float(neuron.min_v_mem), float(neuron.spike_threshold)]))
"""


def layer(weights, threshold=1.0, v_min=-1.0, spiking=True):
    weights = np.array(weights, np.float32).reshape(-1, 1)
    neurons = Population("neurons", (len(weights), 1, 1), threshold, v_min, spiking)
    return EventNetwork((1, 1, 1), [neurons], [Synapse("input", "neurons", "linear", weights)])


def integers(network, mode):
    numbers = quantise(network, mode)["neurons"]
    return numbers.rounded(network.synapses[0].values).ravel().tolist(), numbers.floor, numbers.theta


def test_by_hand():
    """The first layer of the NIR paper's network has a largest weight of −1.789286: 71 or 72 units for θ."""
    network = layer([-1.789286, 0.511303])
    assert integers(network, "int8") == ([-127, 36], -71, 71)
    assert integers(network, "dynapcnn") == ([-128, 37], -72, 72)
    positive = layer([1.789286, -0.511303])  # the largest weight is positive: both rules are the same
    assert integers(positive, "int8") == integers(positive, "dynapcnn") == ([127, -36], -71, 71)


def test_a_bound_beyond_16_bits_limits_the_scale():
    assert integers(layer([0.5, -0.25], v_min=-4096.0), "dynapcnn") == ([4, -2], -32768, 8)


def test_without_a_lower_bound_the_vendors_rule_is_refused():
    network = layer([0.5, -0.25], v_min=None)
    assert Engine(network, "int8").run([0], [0], [0], [0]).spikes == 0
    with pytest.raises(UserError, match=r"'neurons'.*without a lower bound.*v_min"):
        Engine(network, "dynapcnn")
    assert Engine(layer([0.5, -0.25], spiking=False), "dynapcnn").run([0], [0], [0], [0]).prediction == 0


def test_weights_of_zero():
    assert integers(layer([0.0, 0.0]), "dynapcnn")[0] == [0, 0]


@pytest.mark.skipif(not SINABS.exists(), reason=f"sinabs: no environment {SINABS.parents[1]} (make nir-frameworks)")
def test_the_vendors_own_code_gives_the_same_integers():
    rng = np.random.default_rng(0)
    cases = [(rng.normal(0, 10 ** rng.uniform(-2, 1), 6).round(4).tolist(), -float(rng.integers(1, 9)), 1.0)
             for _ in range(200)]  # fmt: skip
    lines = "\n".join(json.dumps(case) for case in cases)
    done = subprocess.run([str(SINABS), "-c", VENDOR], input=lines, capture_output=True, text=True, check=True)
    compared = 0
    for (weights, v_min, threshold), line in zip(cases, done.stdout.splitlines(), strict=True):
        vendors, floor, theta = json.loads(line)
        if theta >= 1:
            assert integers(layer(weights, threshold, v_min), "dynapcnn") == (vendors, floor, theta)
            compared += 1
    assert compared > 150
