"""Small networks, runs and batches for the tests of single methods."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from snn import methods, models
from snn.config.blocks import Train
from snn.models.blueprint import Blueprint
from snn.neurons import NeuronSpec, make_neuron
from snn.training.loop import generator
from snn.training.method import Run

SHAPE, CLASSES = (2, 12, 12), 4
SPEC = NeuronSpec(surrogate={"name": "triangle"})


@pytest.fixture
def network():
    """network(name, params, spec, relu): always with the same initial weights."""

    def build(name="3c1fc", params=None, spec=SPEC, relu=False):
        torch.manual_seed(0)
        make = nn.ReLU if relu else lambda: make_neuron(spec)
        return models.build(name, params or {"readout": "membrane"}, SHAPE, CLASSES, make)

    return build


@pytest.fixture
def blueprint():
    """blueprint(name, params, spec, steps): what a method builds its network from."""

    def make(name="3c1fc", params=None, spec=SPEC, steps=None):
        return Blueprint(name, params or {"readout": "membrane"}, SHAPE, CLASSES, spec, steps)

    return make


@pytest.fixture
def method():
    """method(name, t_train, iterations, teacher, train, static, **params): a method on its own, outside of the loop;
    its training has one epoch of `iterations` iterations."""

    def make(name, t_train=4, iterations=10, teacher=None, train=None, static=False, **params):
        run = Run(
            t_train=t_train,
            classes=CLASSES,
            input_shape=SHAPE,
            epochs=1,
            iterations=iterations,
            train=Train(**(train or {})),
            labels=torch.arange(CLASSES),
            static=static,
            steps=generator(0, "steps"),
            teacher=teacher,
        )
        return methods.find(name)(methods.parameters(name, params), run)

    return make


@pytest.fixture
def batch():
    """batch(t, n): frames [t, n, *SHAPE] of whole counts and labels."""

    def draw(t=4, n=6, seed=1):
        g = torch.Generator().manual_seed(seed)
        return torch.poisson(torch.full((t, n, *SHAPE), 0.7), generator=g), torch.randint(CLASSES, (n,), generator=g)

    return draw
