"""The processes of one training (`resources.processes`): this one and its helpers, on this machine.

The job itself is the first process, which alone writes files and says how far it is. It starts the helpers by
`torch.multiprocessing`, and each of them trains the same cell on its share of every batch (`snn/training/divided.py`).
On processors they exchange gradients by gloo, over the loopback interface; on GPUs, one for each process, by NCCL.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from snn.errors import DataError, Diverged, UserError
from snn.phases.experiment import Experiment
from snn.runtime import process
from snn.training.divided import Group

Work = Callable[[Experiment, Group], None]
"""What a helper does: a function of a module, since another process has to find it."""


@contextlib.contextmanager
def joined(experiment: Experiment, help: Work) -> Iterator[Group | None]:
    """The group of this training while helpers do `help` beside it; None where it has one process.

    DataError where there are fewer GPUs than processes; UserError where a helper ends before its work is done. However
    this block is left, no helper is left behind.
    """
    size = experiment.processes
    if size == 1:
        yield None
        return
    if experiment.device != "cpu" and torch.cuda.device_count() < size:
        raise DataError(
            f"resources.processes: {size} processes need {size} GPUs, but torch sees {torch.cuda.device_count()}"
        )
    with tempfile.TemporaryDirectory(prefix="snn-") as folder:
        meeting = f"file://{folder}/processes"
        plain = dataclasses.replace(experiment)  # without what was computed from it
        with _signal_of_batch_system_blocked():
            helpers = mp.start_processes(
                _help, (plain, size, meeting, help), nprocs=size - 1, join=False, start_method="spawn"
            )
        try:
            yield _group(experiment, 0, size, meeting)
            while not helpers.join():
                pass
        except RuntimeError:  # of an exchange, whose cause may be that a helper has gone
            _require_alive(helpers, size)
            raise
        except mp.ProcessExitedException as gone:
            raise _gone(gone, size) from None
        finally:
            for helper, notes in zip(helpers.processes, helpers.error_files, strict=True):
                helper.kill()
                helper.join()
                Path(notes).unlink(missing_ok=True)
            if dist.is_initialized():
                dist.destroy_process_group()


@contextlib.contextmanager
def _signal_of_batch_system_blocked() -> Iterator[None]:
    """What is started inside never hears SIGUSR1, which Slurm sends to every process of a job: it is for the job itself
    (`snn/runtime/stopping.py`), and would end the others at once."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _group(experiment: Experiment, rank: int, size: int, meeting: str) -> Group:
    cpu = experiment.device == "cpu"
    if cpu and sys.platform.startswith("linux"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the machine's name may lead nowhere
    dist.init_process_group("gloo" if cpu else "nccl", init_method=meeting, rank=rank, world_size=size)
    return Group(rank, size)


def _help(index: int, experiment: Experiment, size: int, meeting: str, help: Work) -> None:
    """A helper's life; index: from 0, the job itself is the first process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # sent when the job ends, however that is: end at once
    rank = index + 1
    if experiment.device != "cpu":
        torch.cuda.set_device(rank)  # what `cuda` means here, for the teacher too
    process.prepare(experiment.spec["threads"], experiment.device)
    group = _group(experiment, rank, size, meeting)
    nowhere = contextlib.redirect_stdout(io.StringIO())  # the job says the same
    try:
        with nowhere, contextlib.suppress(Diverged):
            help(experiment, group)
    finally:  # threads of gloo that still run when the interpreter ends abort the process now and then
        dist.destroy_process_group()


def _require_alive(helpers: mp.ProcessContext, size: int) -> None:
    """Raise what ended a helper, if one has ended: UserError where it was killed."""
    try:
        helpers.join(timeout=10)
    except mp.ProcessExitedException as gone:
        raise _gone(gone, size) from None


def _gone(gone: mp.ProcessExitedException, size: int) -> UserError:
    how = gone.signal_name or f"exit status {gone.exit_code}"
    return UserError(
        f"process {gone.error_index + 2} of the {size} of this training has ended ({how}), for want of memory perhaps; "
        "run again to resume"
    )
