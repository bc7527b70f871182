"""Preparing the process that runs a job: threads, memory, device."""

from __future__ import annotations

from snn.errors import DataError
from snn.runtime.memory import keep_freed_memory


def prepare(threads: int, device: str) -> None:
    """Set up this process for numerical work with this number of threads on `device` (`cpu`, `cuda`, `cuda:1`).

    Bits differ between thread counts: the count is part of what a job's result depends on, and goes into its record.
    Raises DataError where the device is not there.
    """
    import torch

    keep_freed_memory()
    torch.set_num_threads(threads)
    if device != "cpu" and not torch.cuda.is_available():
        raise DataError(f"resources.device: {device!r} asked for, but torch sees no GPU; set it to 'cpu'")
