"""One phase of one cell, from an experiment to its files."""

from __future__ import annotations

from collections.abc import Callable

from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome, write
from snn.phases.record import Stopwatch, record
from snn.runtime import files, process


def run(phase: str, experiment: Experiment, compute: Callable[[Experiment], Outcome]) -> Outcome:
    """Prepare the process, compute the phase, write its files.

    Where the training diverged there is no network, and a later phase says so without being computed.
    """
    with files.exclusive(experiment.folder.path / f".{phase}.lock"):  # a job of a killed run may still be ending
        files.remove_abandoned(experiment.folder.phase(phase))
        stopwatch = Stopwatch()
        process.prepare(experiment.spec["threads"], experiment.device)
        failure = "" if phase == "train" else experiment.folder.training_failure()
        outcome = Outcome("diverged", failure) if failure else compute(experiment)
        head = record(experiment.spec, experiment.token, status=outcome.status, reason=outcome.reason)
        write(experiment.folder, phase, outcome, head | stopwatch.times())
    return outcome
