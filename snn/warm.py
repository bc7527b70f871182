"""Jobs that start warm: one process imports the libraries once, and each job of a workflow is a fork of it.

Half of a short job would be imports (torch, Numba, and what torch's optimisers import at their first step). The
workflow starts a `Server` beside a run on one machine and runs its commands as `python -m snn.warm ARGUMENTS`, which
hands arguments, folder, environment and outputs to the server. The server forks, and the fork does the job. But for the
clock such a job cannot be told from one that started cold (`python -m snn ARGUMENTS`):

- Our own modules are imported after the fork: a job runs the code that lies there when it starts.
- Nothing is computed before the fork: no generator has been drawn from, and no thread is there to be lost but those of
  libraries that handle a fork themselves (OpenBLAS).
- A job is interrupted when the command that handed it over ends, however that ends, when it is interrupted itself, or
  when the run that started the server ends.
- Without a server, or with one that would import something else or use other numbers of threads (`_start`), a command
  starts cold.

The server listens at a socket that has no file (Linux only: elsewhere jobs start cold) and takes jobs of its own user
alone. `resources.warm_start: false` switches all of this off. See docs/warm.md.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import secrets
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from snn import answer_interrupts

VARIABLE = "SNN_WARM"
"""Names the server's socket in the environment of the commands."""
LIBRARIES = (
    "numpy", "torch", "torch._dynamo", "numba", "spikingjelly.activation_based.neuron",
    "spikingjelly.activation_based.functional", "pydantic", "yaml", "tqdm",
)  # fmt: skip
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KILLED, INTERRUPTED = 137, 130
GRACE = 5.0
"""Seconds in which an interrupted job may tidy up."""


class Server:
    """The server of one run of a workflow; it ends with the process that started it, or with `stop`.

    threads: of each job, as Snakemake sets them in the environment; a job with another number starts cold.
    """

    def __init__(self, threads: int = 1, enabled: bool = True):
        self.enabled = enabled and sys.platform.startswith("linux")
        self.threads = threads
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> str:
        """What the workflow's commands start with."""
        return "python -m snn.warm" if self.enabled else "python -m snn"

    def start(self, folder: Path | None = None) -> None:
        """Start the server, if it is enabled, and name it in this process's environment. Returns at once: commands
        wait at the socket until the libraries are imported. folder: where its modules are found (this folder)."""
        if not self.enabled:
            return
        self.address = f"snn-{os.getpid()}-{secrets.token_hex(8)}"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind("\0" + self.address)
        listening.listen(1000)
        os.environ[VARIABLE] = self.address
        self.process = subprocess.Popen(
            [sys.executable, "-m", "snn.warm", "--serve", str(listening.fileno())],
            stdin=subprocess.PIPE,
            cwd=folder,
            env=os.environ | dict.fromkeys(THREADS, str(self.threads)),
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C is for the commands, whose jobs then tidy up
        )
        listening.close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a command finds the server and is served by it."""
        return {VARIABLE: self.address, **dict.fromkeys(THREADS, str(self.threads))}

    def stop(self) -> None:
        """End the server, and the jobs that still run."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(60)


# --- the command's side


def hand_over(arguments: list[str]) -> int | None:
    """Have the server do what `arguments` of the command line say: the exit status, or None if there is no server."""
    address = os.environ.get(VARIABLE)
    if not address or sys.stdout is None or sys.stderr is None:  # closed outputs cannot be handed over
        return None
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)} | _start()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be terminated is to be interrupted
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect("\0" + address)
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


# --- the server's side


def serve(listening: socket.socket) -> None:
    """Take jobs until standard input ends, which is when whoever started this has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    _import()
    while True:
        ready, _, _ = select.select([listening.fileno(), sys.stdin.fileno()], [], [])
        if sys.stdin.fileno() in ready:
            break
        job, _ = listening.accept()
        if _user_of(job) != os.getuid():
            job.close()
            continue
        if os.fork() == 0:
            listening.close()
            _do(job, sys.stdin.fileno())
        job.close()


def _user_of(connection: socket.socket) -> int:
    """The user at the other end of a connection."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]


def _import() -> None:
    # Imports make a million objects that stay: looking through them at the usual pace is a good part of a start.
    gc.set_threshold(100_000, 50, 100)
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    from numba.core.registry import cpu_target

    cpu_target.target_context.refresh()  # what Numba imports when it loads the first compiled function


def _do(job: socket.socket, run: int) -> None:
    """The fork's part: be the command, answer its status, and go without half a second of taking torch apart.

    run: the end of a pipe that is closed when the run that started the server has ended.
    """
    status, answered = 1, threading.Event()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        answer_interrupts()
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
        run = os.dup(run)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None  # the job's own TMPDIR counts
        sys.argv = ["snn", *request["arguments"]]
        watch = threading.Thread(target=_end_with, args=(job, run, answered), daemon=True)
        watch.start()
        sys.exit(_cold(request["arguments"]))
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


def _end_with(job: socket.socket, run: int, answered: threading.Event) -> None:
    """Interrupt this process when the command at the other end, or the run that started the server, is gone or
    interrupted before the job was answered."""
    with contextlib.suppress(OSError):
        select.select([job.fileno(), run], [], [])
    if answered.is_set():
        return
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(KILLED)


def _cold(arguments: list[str]) -> int:
    os.environ.setdefault("MPLBACKEND", "agg")
    from snn.cli import main

    return main(arguments)


def main(arguments: list[str]) -> int:
    """`--serve FD`: be the server at this listening socket. Anything else: a command line of `snn`, warm or cold."""
    if arguments[:1] == ["--serve"]:
        serve(socket.socket(fileno=int(arguments[1])))
        return 0
    try:
        answer_interrupts()
        status = hand_over(arguments)
        if status is None:
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the command line is imported, as at the start
            status = _cold(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


if __name__ == "__main__":
    last = main(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python, interrupted while it ends, would answer by a traceback
    sys.exit(last)
