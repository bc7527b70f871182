"""Stopping at the next good moment: what a batch system asks for before it ends a job at its time limit.

Slurm sends SIGUSR1 some time before the limit (`--signal`, workflow/profiles/slurm). A training then ends after the
epoch that it is in, with its checkpoint written, and the next attempt resumes there.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Request:
    """Whether this process was asked to stop soon."""

    received = False


@contextlib.contextmanager
def requests() -> Iterator[Request]:
    """Inside the block, SIGUSR1 sets `received` of the request, and does nothing else.

    The workflow starts jobs with this signal blocked, so that one that comes while a job is starting is received here.
    """
    request = Request()

    def note(number: int, frame: FrameType | None) -> None:
        request.received = True

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield request
        return
    before = signal.signal(signal.SIGUSR1, note)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    try:
        yield request
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)
