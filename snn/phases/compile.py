"""Compile the numerical kernels into Numba's cache: by a benchmark of a few recordings in a temporary folder.

Which kernels there are, and for which types of arrays, is known best by those who call them. Later jobs load them in a
fraction of a second; without this the first ones would compile them, each for itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.config.blocks import Config
from snn.config.validation import merge, validate
from snn.phases.convert import convert
from snn.phases.deploy import deploy
from snn.phases.experiment import Experiment
from snn.phases.run import run
from snn.phases.sweep import sweep
from snn.phases.train import train

TINY = {
    "matrix": {
        "datasets": ["saccades"], "networks": ["3c1fc", "resnet8"], "methods": ["sdt", "dspike-fixed"],
        "t_train": [2], "seeds": [0], "extra": [], "exclude": [],
    },
    "networks": {"3c1fc": {"readout": "spiking"}},  # that of resnet8 sums currents
    "datasets": {"saccades": {"params": {"samples": 60}, "split": {"validation": 10, "test": 10}}},
    "train": {"epochs": 1, "batch_size": 20},
    "sweep": {"t_eval": [2]},
    "deploy": {"recordings": 4},
}  # fmt: skip


def compile_kernels(config: Config) -> None:
    """All that small networks use, plain and residual, with the neurons that `config` asks for."""
    plan = Plan(validate(Config, merge(config.model_dump(mode="json"), TINY)))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        convert(plan.config.datasets["saccades"], store)
        for cell in plan.all_cells:
            for phase, compute in (("train", train), ("sweep", sweep), ("deploy", deploy)):
                spec, token = plan.spec(cell, phase), plan.token(cell, phase)
                run(phase, Experiment(spec, token, store, CellFolder(Path(folder, cell.key))), compute)
