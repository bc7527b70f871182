"""A NIR file as another tool would write it, and recordings in a folder."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

nir = pytest.importorskip("nir")


def bin_file(t, x, y, p):
    """N-MNIST's format: 5 bytes an event, big-endian x, y, p (1 bit) and t (23 bits)."""
    raw = np.zeros((len(t), 5), np.uint8)
    raw[:, 0], raw[:, 1] = x, y
    raw[:, 2] = (p << 7) | (t >> 16) & 0x7F
    raw[:, 3], raw[:, 4] = (t >> 8) & 0xFF, t & 0xFF
    return raw.tobytes()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Folder with digits 0 and 1: events in the left or in the right half of the sensor, most ON or most OFF."""
    root = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for split, number in (("Train", 3), ("Test", 6)):
        for digit in (0, 1):
            folder = root / split / str(digit)
            folder.mkdir(parents=True)
            for i in range(number):
                n = int(rng.integers(80, 200))
                t = np.sort(rng.integers(0, 300_000, n))
                x = rng.integers(0, 17, n) + 17 * (rng.random(n) < (0.8 if digit else 0.2))
                columns = t, x, rng.integers(0, 34, n), rng.integers(0, 2, n)
                (folder / f"{i:05}.bin").write_bytes(bin_file(*columns))
    return root


def graph(bias=0.0, threshold=1.0):
    """Input 2x34x34, convolution, IF, sum pooling, flatten, linear, IF, output 2, as other tools would write it."""
    rng = np.random.default_rng(1)
    first = rng.normal(0.15, 0.35, (4, 2, 4, 4)).astype(np.float32)
    last = np.zeros((2, 4, 8, 8), np.float32)
    last[0, :, :, :4], last[1, :, :, 4:] = 0.3, 0.3
    last[0, :, :, 4:], last[1, :, :, :4] = -0.3, -0.3

    def neurons(*shape):
        return nir.IF(r=np.ones(shape), v_threshold=np.full(shape, threshold), v_reset=np.zeros(shape))

    nodes = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "conv": nir.Conv2d((34, 34), first, 2, 0, 1, 1, np.full(4, bias, np.float32)),
        "hidden": neurons(4, 16, 16),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([4, 8, 8])}, 0, -1),
        "fc": nir.Linear(last.reshape(2, -1)),
        "out": neurons(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)))


@pytest.fixture(scope="session")
def network_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    nir.write(path, graph())
    return path
