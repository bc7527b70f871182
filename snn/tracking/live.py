"""Curves of a training that still runs: one point an epoch, from a process of their own that may fail unnoticed.

python -m snn.tracking.live    that process; it reads the messages of one `LiveRun` from its standard input
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from snn.benchmark.cell import Cell
from snn.errors import UserError
from snn.tracking.failures import reason, server
from snn.tracking.runs import CELL, DIGEST, LIVE, SEEN, flat, identity, numbers
from snn.tracking.store import connect, init

WATCHABLE = 60.0  # seconds: a training that ends sooner is over before anybody looks, and pays nothing
GRACE = 10.0  # seconds that the end of a training waits for its last points
BACKLOG = 1 << 20  # bytes that wait for a slow store before the live curves are given up


class LiveRun:
    """The run of one training that still goes on. Never fails the training and never holds it up.

    The points go down a pipe to a process of their own, which imports MLflow, talks to the store, and on the first
    error prints one warning and ends. It starts with the first epoch that ends after `WATCHABLE` seconds. A training
    that goes on from a checkpoint, so that its first epoch is not number 1, goes on with its run.

    When the training is killed, the process sees the pipe close and marks the run as killed. When both are killed at
    once (`scancel`, a container that is stopped, a power cut), nobody can: the run is shown as running until the
    training goes on, or until a sync on the same machine, or on another one a day later, replaces or removes it.
    """

    def __init__(self, store: Path, cell: Cell, *, settings: dict[str, Any], protocol: str) -> None:
        """store: the folder of the benchmark's local store; settings: shown as the run's parameters; protocol: shown
        as a tag."""
        self.process: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()
        self._unsent = b""
        self._given_up = False
        head = {"store": os.path.abspath(store), "cell": cell.asdict(), "settings": settings, "protocol": protocol}
        self._send({**head, "start": _now()})

    def epoch(self, epoch: int, row: dict[str, float]) -> None:
        """Show the numbers of a finished epoch, counted from 1."""
        self._send({"epoch": epoch, "time": _now(), "metrics": row})

    def finish(self, status: str) -> None:
        """End the run; status: `ok` or `diverged`. Waits up to `GRACE` seconds for points that are still on their
        way."""
        if self.process is None:
            self._given_up = True
        self._send({"status": status, "time": _now()})
        if self._given_up or self.process is None:
            return
        try:
            self.process.communicate(self._unsent, timeout=GRACE)
        except Exception as error:
            self.process.kill()
            _warn(reason(error))
        self._given_up = True

    def _send(self, message: dict[str, Any]) -> None:
        """Pass a message on, or keep it until the process runs and its pipe has room."""
        if self._given_up:
            return
        try:
            self._unsent += json.dumps(message, default=_plain).encode() + b"\n"
            if self.process is None and time.monotonic() - self._began >= WATCHABLE:
                self.process = _start()
            if self.process is not None and self.process.stdin is not None:
                with suppress(BlockingIOError):
                    while self._unsent:
                        self._unsent = self._unsent[os.write(self.process.stdin.fileno(), self._unsent) :]
                if len(self._unsent) > BACKLOG:
                    raise TimeoutError("the store takes too long")
        except BrokenPipeError:  # the process has ended, and has said why
            self._given_up = True
        except Exception as error:
            self._given_up = True
            _warn(reason(error))


def _start() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "snn.tracking.live"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    )
    if process.stdin is not None:
        os.set_blocking(process.stdin.fileno(), False)
    return process


def _now() -> int:
    return int(time.time() * 1000)


def _plain(value: Any) -> float | str:
    """Numbers of numpy and torch as numbers, anything else as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _warn(text: str) -> None:
    print(f"warning: no live curves in MLflow: {text}; the training goes on", file=sys.stderr, flush=True)


def follow(lines: Iterator[str]) -> None:
    """The other end of a `LiveRun`: read its messages until they end, and write the run."""
    from mlflow.entities import Metric

    head = json.loads(next(lines))
    store, cell = Path(head["store"]), Cell(**head["cell"])
    if not server():
        init(store)
    view = connect(store)
    name, params, tags = identity(cell, view.origin)
    tags |= {"protocol": head["protocol"], LIVE: f"{socket.gethostname()}:{os.getppid()}", "snn.status": "running"}
    first = next(lines)
    resumes = json.loads(first).get("epoch", 0) > 1
    run, last_epoch = None, -1
    for old in view.runs(f"tags.`{CELL}` = '{cell.key}'"):
        if resumes and run is None and LIVE in old.data.tags and DIGEST not in old.data.tags:
            run = old.info.run_id
            steps = [point.step for point in view.client.get_metric_history(run, "epoch/loss")]
            last_epoch = max(steps, default=-1)  # epochs that are computed again come out the same: no second point
            view.client.update_run(run, status="RUNNING")
            view.log(run, tags=tags)
        else:
            view.delete(old)
    if run is None:
        run = view.client.create_run(view.experiment, head["start"], tags, name).info.run_id
        view.log(run, params=params | flat(head["settings"]), tags=tags)
    status, end = "KILLED", None
    for line in chain([first], lines):
        message = json.loads(line)
        if "status" in message:
            status, end = "FINISHED" if message["status"] == "ok" else "FAILED", message["time"]
            view.log(run, tags={"snn.status": message["status"]})
        elif message["epoch"] > last_epoch:
            now, values = message["time"], numbers(message["metrics"])
            points = [Metric(f"epoch/{name}", value, now, message["epoch"]) for name, value in values.items()]
            view.log(run, points, tags={SEEN: now})
    if status == "KILLED":
        view.log(run, tags={"snn.status": "killed"})
    view.client.set_terminated(run, status, end)


def main() -> None:
    """Follow the messages on standard input; on any error print one warning and end."""
    os.nice(10)
    try:
        follow(iter(sys.stdin))
    except Exception as error:
        _warn(str(error) if isinstance(error, UserError) else reason(error))


if __name__ == "__main__":
    main()
