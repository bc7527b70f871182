"""An outside oracle: Brian2 gives the same spikes for a small network.

Runs where Brian2 is installed, or with SNN_BRIAN2_PYTHON, the interpreter of an environment that has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snn.events import Engine, EventNetwork, Population, Synapse

PYTHON = os.environ.get("SNN_BRIAN2_PYTHON") or (sys.executable if importlib.util.find_spec("brian2") else None)


@pytest.mark.skipif(PYTHON is None, reason="brian2 is not installed and SNN_BRIAN2_PYTHON is not set")
def test_brian2_gives_the_same_spikes(tmp_path):
    rng = np.random.default_rng(0)
    # Multiples of 1/64: sums are exact. The second layer's inputs of one step stay below θ = 1.
    w1 = np.round(rng.uniform(-0.4, 0.8, (12, 8)) * 64) / 64
    w2 = np.round(rng.uniform(0.0, 0.08, (5, 12)) * 64) / 64
    source = rng.integers(0, 8, 400)
    network = EventNetwork(
        (8, 1, 1),
        [Population("a", (12, 1, 1), v_min=-0.5), Population("b", (5, 1, 1), v_min=None)],
        [Synapse("input", "a", "linear", w1), Synapse("a", "b", "linear", w2)],
    )
    zeros = np.zeros(400, int)
    result = Engine(network).run(10 * np.arange(400) + 1, zeros, zeros, source, trace=True)
    np.savez(tmp_path / "case.npz", w1=w1, w2=w2, source=source)
    script = Path(__file__).with_name("brian2_oracle.py")
    done = subprocess.run([PYTHON, script, tmp_path / "case.npz"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for trace, expected in zip(result.trace, json.loads(done.stdout.splitlines()[-1]), strict=True):
        ours = sorted((int(root), int(c)) for root, _, c, _, _ in trace)
        assert len(ours) > 50
        assert ours == sorted(map(tuple, expected))
