"""Stopping at the next good moment: what a batch system asks for before it ends a job at its time limit.

Slurm sends SIGUSR1 some time before the limit (`--signal`, workflow/profiles/slurm), once, to every process that the
submission has at that moment. A training then ends after the epoch that it is in, with its checkpoint written, and the
next attempt resumes there. A training that starts after the signal finds it waiting at the process that starts the jobs
(`hold`), and ends after its first epoch.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import psutil


class Request:
    """Whether this process was asked to stop soon."""

    received = False


def hold() -> None:
    """In a process that starts jobs, in its main thread: SIGUSR1 ends neither it nor what it starts, and waits there.

    What is started from now on blocks the signal, until `requests`. A thread that is older than this call does not, and
    would end the process: what it receives is passed on to the main thread.
    """
    main = threading.get_ident()
    signal.signal(signal.SIGUSR1, lambda number, frame: signal.pthread_kill(main, number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})


@contextlib.contextmanager
def requests() -> Iterator[Request]:
    """Inside the block, SIGUSR1 sets `received` of the request, and does nothing else.

    The workflow starts jobs with this signal blocked, so that one that comes while a job is starting is received here,
    and so is one that came before the job was there.
    """
    request = Request()

    def note(number: int, frame: FrameType | None) -> None:
        request.received = True

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield request
        return
    before = signal.signal(signal.SIGUSR1, note)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    with contextlib.suppress(psutil.Error):
        request.received |= any(_waits_at(process.pid) for process in psutil.Process().parents())
    try:
        yield request
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)


def _waits_at(pid: int) -> bool:
    """Whether SIGUSR1 was sent to this process, which blocks it. Only Linux tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> signal.SIGUSR1 - 1 & 1 for mask in pending)
