"""`snn compile` meets every kind of kernel that the jobs of small networks will load."""

from __future__ import annotations

import tempfile
from pathlib import Path

from snn.config.read import read_configuration
from snn.events import _kernel
from snn.kernels import neuron as kernels
from snn.kernels.shapes import EXPONENTIAL
from snn.phases import compile as compiling
from snn.phases.deploy import deploy

DEFAULT = Path(__file__).resolve().parents[2] / "config" / "config.yaml"


def test_the_tiny_benchmark_meets_plain_and_residual_networks_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    met = []
    monkeypatch.setattr(compiling, "deploy", lambda e: met.append(e.cell.network) or deploy(e))
    default = read_configuration(DEFAULT)
    compiling.compile_kernels(default)
    assert set(met) == {"3c1fc", "resnet8"} >= set(default.matrix.networks)
    for drive in (kernels.PLAIN, kernels.SCALED, kernels.SUMMED):
        assert kernels.backward(kernels.PERIODIC, EXPONENTIAL, drive).signatures
    weights = {str(signature) for signature in _kernel.run_many.signatures}
    for kind in ("float32", "int8"):
        assert any(kind in each for each in weights)
    assert not list(tmp_path.glob("**/store")), "the temporary folder is gone"
