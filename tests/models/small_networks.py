"""Networks for tests: narrow where they may be."""

from __future__ import annotations

import torch
from torch import nn

from snn import models
from snn.models.params import LargeParams
from snn.neurons import NeuronSpec, make_neuron

IAF = NeuronSpec(v_min=-1.0)


SHAPE = (2, 34, 34)


def build(name, params=None, spec=IAF, shape=SHAPE, relu=False):
    torch.manual_seed(0)
    return models.build(name, params or {}, shape, 10, nn.ReLU if relu else lambda: make_neuron(spec))


def narrow(name, **params):
    """Parameters of the network at a sixteenth of its width."""
    large = issubclass(models.family(name).Params, LargeParams)
    return params | ({"width": 1 / 16} if large else {})
