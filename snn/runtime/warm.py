"""Jobs that start warm: one process imports the libraries once, and each job of the workflow is a fork of it.

Half of a short job would be imports (torch, Numba, and what torch's optimisers import at their first step). The
Snakefile starts `python -m snn.runtime.warm SOCKET` beside a run on one machine; a command that finds SOCKET in its environment
(`VARIABLE`) hands itself over: arguments, folder, environment and outputs. The warm process forks, and the fork does
the job. Nothing of it can be told from a job that started cold, but by the clock:

- Our own modules are imported after the fork: a job runs the code that lies there when it starts.
- Nothing is computed before the fork: no generator has been drawn from, and no thread is there to be lost but those of
  libraries that see to a fork themselves (OpenBLAS).
- A job is interrupted when the command that handed it over ends, however that ends, or is itself interrupted: then it
  ends after its job. The warm process ends with the run that started it.
- Without a warm process (a cluster's node, one that died), or with one that would import something else or run it on
  other threads (`_start`), a command starts cold.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

VARIABLE = "SNN_WARM"
LIBRARIES = (
    "numpy", "torch", "torch._dynamo", "numba", "spikingjelly.activation_based.neuron",
    "spikingjelly.activation_based.functional", "pydantic", "yaml", "tqdm",
)  # fmt: skip
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KILLED, INTERRUPTED = 137, 130
GRACE = 5.0
"""Seconds in which an interrupted job may tidy up."""


def hand_over(arguments: list[str]) -> int | None:
    """Have the warm process do what `arguments` of the command line say: the exit status, or None if there is none."""
    path = os.environ.get(VARIABLE)
    if not path or sys.stdout is None or sys.stderr is None:  # closed outputs cannot be handed over
        return None
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)} | _start()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be terminated is to be interrupted
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            socket.send_fds(s, [b"+"], [1, 2])
            s.sendall(json.dumps(request).encode() + b"\n")
            answer = s.recv(2)
        except OSError:
            answer = b"?"  # gone, or never there
        except KeyboardInterrupt:
            _interrupt(s)
            return INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)
    if not answer:
        print("error: the job was killed; for want of memory, perhaps", file=sys.stderr)
        return KILLED
    return None if answer == b"?" else answer[-1]


def _start() -> dict[str, str | None]:
    """What a process has from its start, for good: where it imports from, and the threads of its libraries."""
    variables = {name: os.environ.get(name) for name in ("PYTHONPATH", *THREADS)}
    return {"prefix": sys.prefix, "package": str(Path(__file__).resolve().parent)} | variables


def _interrupt(job: socket.socket) -> None:
    """Interrupt the job and see it end: after this command its files are tidied away, and perhaps made anew."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: the job has `GRACE` and no more
    with contextlib.suppress(OSError):
        job.shutdown(socket.SHUT_WR)
        while job.recv(2):  # an answer comes before the end
            pass


def serve(path: Path) -> None:
    """Take jobs at the socket `path` until standard input ends, which is when whoever started this has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(1000)  # the first jobs wait here while the libraries are imported
        _import()
        while True:
            ready, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in ready:
                break
            job, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _do(job)
            job.close()
    path.unlink(missing_ok=True)
    path.parent.rmdir()


def _import() -> None:
    import_often()
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()  # what Numba imports when it loads the first compiled function


def import_often() -> None:
    """Imports make a million objects that stay: looking through them at the usual pace is a good part of a start."""
    gc.set_threshold(100_000, 50, 100)


def _do(job: socket.socket) -> None:
    """The fork's part: be the command, answer its status, and go without half a second of taking torch apart."""
    status, answered = 1, threading.Event()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, outputs, _, _ = socket.recv_fds(job, 1, 2)
        with job.makefile() as lines:
            request = json.loads(lines.readline())
        if request | _start() != request:
            job.sendall(b"?")
            os._exit(0)
        for fd, end in zip(outputs, (1, 2), strict=True):
            os.dup2(fd, end)
            os.close(fd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # the job's own TMPDIR counts
        sys.argv = ["snn", *request["arguments"]]
        threading.Thread(target=_end_with, args=(job, answered), daemon=True).start()
        from snn.cli import main

        sys.exit(main(request["arguments"]))
    except SystemExit as end:  # its code means what it means to Python
        if end.code is None or isinstance(end.code, int):
            status = end.code or 0
        else:
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BaseException:
        traceback.print_exc()
    finally:
        status = _flushed() or status & 255
        answered.set()
        with contextlib.suppress(OSError):
            job.sendall(bytes([ord("="), status]))
        os._exit(status)


def _flushed() -> int:
    """0, or the status of a Python that cannot write out its last lines."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            print(f"error: the last output could not be written: {error}", file=sys.stderr, flush=True)
        return 120
    return 0


def _end_with(job: socket.socket, answered: threading.Event) -> None:
    """Interrupt this process when the command at the other end is gone or interrupted before it was answered."""
    with contextlib.suppress(OSError):
        job.recv(1)
    if answered.is_set():
        return
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(KILLED)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
