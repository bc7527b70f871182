"""Phase probe: why a method does what it does, measured on one cell; the report's section *Mechanisms* draws it.

    gradients.py  norm through depth and first-layer histogram, in the first iterations of the cell's own training
    memory.py     bytes that one training step keeps for backward, against T
    rates.py      firing rate of each layer of the trained network
    noise.py      accuracy of the trained network under noise on weights and on input

What follows epochs (Dspike's temperature, LTL's first epochs) is in the training's history, and accuracy over T in the
sweep: neither is measured twice.
"""

from __future__ import annotations

from pathlib import Path

import torch

from snn.config.blocks import Probe
from snn.data.frames import Frames
from snn.errors import Diverged
from snn.phases._job import Job, load_teacher, recordings, write_csv
from snn.phases.probe.gradients import gradients
from snn.phases.probe.memory import memory
from snn.phases.probe.noise import noise
from snn.phases.probe.rates import rates


def probe(job: Job, teacher: Path | None = None) -> None:
    """All probes of a trained cell -> `<cell>/probe/`. teacher: folder of the cell that its method learns from."""
    store, settings, curves = job.store(), Probe(**job.spec["probe"]), []
    status, reason = "diverged", job.diverged()
    if not reason:
        try:
            if job.method.trains:
                taught_by = None if teacher is None else load_teacher(job, store, teacher)
                curves += gradients(job, store, settings, taught_by)
                memory(job, store, settings, taught_by)
            network, _ = job.trained(store)
            chosen = recordings(store, settings.recordings)
            x, y = Frames(store, "test", job.cell.t_train, 0, job.device).batch(torch.from_numpy(chosen))
            curves += rates(job, network, x)
            curves += noise(job, settings, network, x, y)
            status = "ok"
        except Diverged as failure:
            reason = str(failure)
    write_csv(job.out / "curves.csv", curves, ["mode", "curve", "x", "value"])
    job.write({}, status, reason)
