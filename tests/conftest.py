"""What many tests share: a small store, jobs on it, and a warm process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
import torch

from snn.benchmark.cell import Cell
from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
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
    """make_job(method, phase="train", network="3c1fc", t=4, seed=0, folder=..., teacher=..., start=..., **overlay): the
    experiment of a job on the small store.

    overlay: of the configuration; teacher, start: the folders of the cells that it learns from and starts from."""
    from snn.phases.experiment import Experiment

    def make(method, phase="train", network="3c1fc", t=4, seed=0, folder=None, teacher=None, start=None, **overlay):
        base = read_configuration(ROOT / "config/config.yaml").model_dump()
        one = {"methods": [method], "networks": [network], "t_train": [t], "seeds": [seed], "extra": [], "exclude": []}
        small = {
            "matrix": one,
            "datasets": {
                "saccades": {"params": {"samples": SAMPLES}, "split": {"validation": 20, "test": 20, "seed": 0}}
            },
            # As on chips and in config/nmnist.yaml; the whole-workflow tests have the default's readout of currents.
            "networks": {"3c1fc": {"readout": "spiking"}},
            "train": {"epochs": 2, "batch_size": 16},
            "sweep": {"t_eval": [1, 3]},
            "robustness": {"simulated_chips": 1, "recordings": 6, "recovery": [], "recovery_epochs": 2}
            | {"mismatch": [0.1], "bits": [4], "noise": [0.05], "dead_fraction": [0.2]},
            "deploy": {"recordings": 6, "modes": ["event-float", "event-int8"]},
        }
        plan = Plan.load(merge(merge(base, small), overlay))
        cell = Cell("saccades", network, method, 1 if plan.is_timeless(method) else t, seed)
        assert cell in plan.cells
        return Experiment(
            spec=plan.spec(cell, phase),
            token=plan.token(cell, phase),
            store_path=tiny_store,
            folder=CellFolder(Path(folder or tmp_path / "cell")),
            teacher=None if teacher is None else CellFolder(Path(teacher)),
            start=None if start is None else CellFolder(Path(start)),
            frame_cache_mb=100,
        )

    return make


@pytest.fixture(scope="session")
def warm_process():
    """A server of warm jobs (snn/warm.py) that imports this project."""
    with _warm_server(ROOT) as server:
        yield server


@pytest.fixture
def warm_process_in():
    """warm_process_in(folder): one that a copy of the project in `folder` starts for its own jobs."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(_warm_server(folder))


@contextlib.contextmanager
def _warm_server(folder: Path):
    from snn.warm import VARIABLE, Server

    server = Server()
    server.start(folder)
    del os.environ[VARIABLE]  # a test that wants its commands warm says so
    yield server
    server.stop()
