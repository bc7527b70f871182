"""Running one phase of a cell in a test."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from snn.phases.experiment import Experiment
from snn.phases.run import run


def do(experiment: Experiment, phase: str = "train", **options: Any) -> Experiment:
    """Compute a phase of the cell and write its files; options: of the phase's function. Returns the experiment, by
    whose `folder` the files are read."""
    compute = getattr(importlib.import_module(f"snn.phases.{phase}"), phase)
    run(phase, experiment, functools.partial(compute, **options))
    return experiment
