"""What many tests share: a small store, jobs on it, and a warm process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from snn.benchmark.cell import Cell
from snn.benchmark.plan import Plan
from snn.config.read import load
from snn.config.validation import merge
from snn.data.conversion import convert

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = 80


@pytest.fixture(autouse=True)
def one_thread():
    """Bits differ between thread counts; the tests compare bits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("tiny") / "saccades"
    convert("saccades", {"samples": SAMPLES}, {"validation": 20, "test": 20, "seed": 0}, out, progress=False)
    return out


@pytest.fixture
def make_job(tiny_store, tmp_path):
    """make_job(method, phase="train", network="3c1fc", t=4, seed=0, folder=..., **overlay of the configuration)."""
    from snn.phases._job import Job

    def make(method, phase="train", network="3c1fc", t=4, seed=0, folder=None, **overlay):
        base = load(ROOT / "config/config.yaml").model_dump()
        one = {"methods": [method], "networks": [network], "t_train": [t], "seeds": [seed], "also": [], "exclude": []}
        small = {
            "matrix": one,
            "datasets": {
                "saccades": {"params": {"samples": SAMPLES}, "split": {"validation": 20, "test": 20, "seed": 0}}
            },
            "train": {"epochs": 2, "batch_size": 16},
            "sweep": {"t_eval": [1, 3]},
            "disturb": {"chips": 1, "recordings": 6, "mismatch": [0.1], "bits": [4], "noise": [0.05], "silenced": [0.2]}
            | {"recovery": [], "recovery_epochs": 2},
            "deploy": {"recordings": 6, "modes": ["event-float", "event-int8"]},
        }
        plan = Plan.load(merge(merge(base, small), overlay))
        cell = Cell("saccades", network, method, 1 if method in ("ann", "chance") else t, seed)
        assert cell in plan.cells
        spec, token = plan.spec(cell, phase), plan.token(cell, phase)
        return Job(spec, token, tiny_store, Path(folder or tmp_path / "cell"), phase)

    return make


@contextlib.contextmanager
def _warm_process(folder: Path):
    address = Path(tempfile.mkdtemp(prefix="snn-")) / "warm"  # pytest's own folders have names too long for a socket
    process = subprocess.Popen(
        [sys.executable, "-m", "snn.runtime.warm", str(address)], cwd=folder, stdin=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not address.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    yield SimpleNamespace(address=str(address), pid=process.pid)
    process.stdin.close()
    process.wait(60)


@pytest.fixture(scope="session")
def warm_process():
    """`address` and `pid` of a warm process (snn/runtime/warm.py)."""
    with _warm_process(ROOT) as process:
        yield process


@pytest.fixture
def warm_process_in():
    """warm_process_in(folder): one that a copy of the project in `folder` starts for its own jobs."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(_warm_process(folder))
