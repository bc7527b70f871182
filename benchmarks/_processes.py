"""The processor time of everything that a command starts, wherever a daemon runs it.

    python -m benchmarks._processes FOLDER COMMAND...

runs the command and prints three numbers: processor seconds of all processes that worked in FOLDER or below meanwhile,
how many these were, and seconds on the wall's clock. No parent knows this sum: the jobs of the warm process are not
waited for, and a cluster's jobs have the daemon for a parent. Processes are looked at every `INTERVAL`, so that up to
that much is missed of each.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

INTERVAL = 0.05


class Usage(NamedTuple):
    """cpu: processor seconds seen; processes: how many were seen; wall: seconds of the command."""

    cpu: float
    processes: int
    wall: float


def usage(folder: Path, command: list[str], **options: object) -> Usage:
    """What all processes in `folder` use while the command runs. RuntimeError, with its last line, if it fails."""
    seen: dict[tuple[int, float], float] = {}
    ended, inside = threading.Event(), str(folder.resolve())

    def look() -> None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.cwd().startswith(inside):
                    times = process.cpu_times()
                    seen[process.pid, process.create_time()] = times.user + times.system

    def watch() -> None:
        while not ended.wait(INTERVAL):
            look()

    watcher, start = threading.Thread(target=watch), time.perf_counter()
    watcher.start()
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    finally:
        ended.set()
        watcher.join()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Usage(sum(seen.values()), len(seen), time.perf_counter() - start)


if __name__ == "__main__":
    found = usage(Path(sys.argv[1]), sys.argv[2:])
    print(f"{found.cpu:.2f} {found.processes} {found.wall:.1f}")
