"""What the scripts of all frameworks share: weights, one event a time step, and how the answer is written.

A convolution to one spike at most for each event (1x1), then one that merges (3x3), so that one event a time step is
one event after another in both layers, and clock-driven and event-driven must agree spike for spike; then a linear one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

STEPS, SIZE = 600, 8


def weights():
    rng = np.random.default_rng(0)
    return {
        "first": rng.uniform(0.3, 0.8, (1, 2, 1, 1)).astype(np.float32),
        "second": rng.normal(0.15, 0.2, (3, 1, 3, 3)).astype(np.float32),
        "last": rng.normal(0.1, 0.3, (4, 3 * SIZE * SIZE)).astype(np.float32),
    }


def events():
    """x, y, p [STEPS]: one event a time step."""
    rng = np.random.default_rng(1)
    return rng.integers(0, SIZE, STEPS), rng.integers(0, SIZE, STEPS), rng.integers(0, 2, STEPS)


def frames():
    """float32 [STEPS, 2, SIZE, SIZE], one 1 in each."""
    x, y, p = events()
    out = np.zeros((STEPS, 2, SIZE, SIZE), np.float32)
    out[np.arange(STEPS), p, y, x] = 1
    return out


def write(folder: Path, graph, first, second, last):
    """first, second: spikes of the two layers [STEPS, C, H, W]; last: of the last layer [STEPS, 4]."""
    import nir

    nir.write(folder / "network.nir", graph)
    np.savez(folder / "spikes.npz", first=np.asarray(first), second=np.asarray(second), last=np.asarray(last))


def folder() -> Path:
    return Path(sys.argv[1])
