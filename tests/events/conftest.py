"""Small networks that several tests use."""

from __future__ import annotations

import numpy as np
import pytest

from snn.events import EventNetwork, Population, Synapse


@pytest.fixture
def one_neuron():
    """A network of one input pixel and one neuron: (weight, **population) → network."""

    def make(weight, **population):
        return EventNetwork(
            (1, 1, 1),
            [Population("neuron", (1, 1, 1), **population)],
            [Synapse("input", "neuron", "linear", np.array([[weight]], np.float32))],
        )

    return make


@pytest.fixture
def residual():
    """A small network with everything: pooling, stride, a merge with an identity branch, classes, meta."""
    rng = np.random.default_rng(0)

    def w(*shape):
        return rng.normal(0.2, 0.4, shape).astype(np.float32)

    return EventNetwork(
        (2, 9, 9),
        [
            Population("stem", (4, 4, 4), threshold=0.9, v_min=-0.5),
            Population("block", (4, 4, 4)),
            Population("sum", (4, 4, 4), v_min=None),
            Population("out", (3, 1, 1)),
        ],
        [
            Synapse("input", "stem", "conv", w(4, 2, 3, 3), padding=1, pool=2),
            Synapse("stem", "block", "conv", w(4, 4, 3, 3), padding=1),
            Synapse("stem", "sum", "identity", scale=0.7),
            Synapse("block", "sum", "identity", scale=0.9),
            Synapse("sum", "out", "linear", w(3, 16), pool=2),
        ],
        classes=["a", "b", "c"],
        meta={"dataset": "made up", "t_train": 10},
    )


@pytest.fixture
def stream():
    """(n, shape, seed) → columns t, x, y, p in order of time."""

    def make(n, shape, seed=0):
        rng = np.random.default_rng(seed)
        c, h, w = shape
        return np.sort(rng.integers(0, 10 * n + 1, n)), *(rng.integers(0, k, n) for k in (w, h, c))

    return make


@pytest.fixture
def batch():
    """Columns of several recordings → (structured events, offsets)."""

    def make(recordings):
        parts = []
        for columns in recordings:
            part = np.zeros(len(columns[0]), [("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
            for name, column in zip("txyp", columns, strict=True):
                part[name] = column
            parts.append(part)
        return np.concatenate(parts), np.cumsum([0, *(len(p) for p in parts)])

    return make
