"""`snn watch -- COMMAND`: run the workflow and show one line of how far it is; what it says itself goes to a file.

`make reproduce` runs Snakemake so. On a terminal the line lives (rich); elsewhere, in a file or in CI, a plain line is
printed when something has changed, at most every `PLAIN_SECONDS`. A job that fails is shown at once with the end of its
log. The exit status is that of the command, and Ctrl-C reaches it as if it ran by itself: Snakemake ends its jobs, and
the next run goes on where they stopped.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from snn.benchmark.plan import Plan
from snn.benchmark.progress import Observer, cells_text, duration, left_text, line_text, running_text
from snn.benchmark.progress import Progress as Look
from snn.errors import UserError
from snn.runtime.stopping import Request

EVERY = 1.0
"""Seconds between two looks."""
REST = 20
"""A look is followed by at least so many times its own seconds: thousands of cells are looked at less often."""
PLAIN_SECONDS = 30.0
"""Seconds between two plain lines, at least."""
LOG_LINES = 12
"""Lines of a log that are shown after a failure."""
STARTED = re.compile(r"^Job (\d+): (.+)$")
FAILED = re.compile(r"^Error in (?:rule|group) (\S+):$")
DETAIL = re.compile(r"^    (jobid|log): (.+?)(?: \(check log file\(s\) for error details\))?$")


class Failure(NamedTuple):
    """A failed job. what: its message, e.g. `train saccades/3c1fc/mtt/T6/seed0`, or its rule; log: empty if none."""

    what: str
    log: str


class SnakemakeLog:
    """What Snakemake writes, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = 0
        self._half = ""
        self._messages: dict[str, str] = {}
        self._block: dict[str, str] | None = None  # of the failure that is being read

    def failures(self, ended: bool = False) -> Iterator[Failure]:
        """The jobs that have failed since the last call. ended: nothing more will be written."""
        with open(self.path, encoding="utf-8", errors="replace") as f:
            f.seek(self._position)
            text = self._half + f.read()
            self._position = f.tell()
        lines = text.split("\n")
        self._half = "" if ended else lines.pop()
        for line in lines:
            detail = DETAIL.match(line)
            if self._block is not None and detail:
                self._block[detail[1]] = detail[2]
            elif self._block is not None and not line.startswith(" "):
                yield self._failure()
            if started := STARTED.match(line):
                self._messages[started[1]] = started[2]
            elif failed := FAILED.match(line):
                self._block = {"rule": failed[1]}
        if ended and self._block is not None:
            yield self._failure()

    def _failure(self) -> Failure:
        block = self._block or {}
        self._block = None
        return Failure(self._messages.get(block.get("jobid", ""), block["rule"]), block.get("log", ""))


class Display(Protocol):
    """Where the line is shown."""

    def show(self, look: Look) -> None: ...
    def say(self, text: str) -> None: ...


class Live:
    """One line at the end of a terminal, with a bar; what is said stands above it."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def show(self, look: Look) -> None:
        self._bar.update(
            self._task,
            total=look.jobs,
            completed=look.jobs_done,
            cells=cells_text(look),
            left=left_text(look),
            running=f"· {text}" if (text := running_text(look)) else "",
        )

    def say(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Plain:
    """Lines for files and CI."""

    def __init__(self, out: IO[str], every: float = PLAIN_SECONDS) -> None:
        self._out, self._every = out, every
        self._last: tuple[float, tuple[int, ...]] | None = None

    def show(self, look: Look) -> None:
        now, what = time.monotonic(), (look.jobs_done, *look.states.values())
        if self._last is None or (now - self._last[0] >= self._every and what != self._last[1]):
            self._last = now, what
            self.say(line_text(look))

    def say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """A living line where the console is a terminal that can move its cursor, plain lines elsewhere."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Plain(console.file)
        return
    columns = (
        TextColumn("{task.fields[cells]}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[running]}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
    )
    with Progress(*columns, console=console, transient=True, expand=True, refresh_per_second=2) as bar:
        yield Live(bar, bar.add_task("", total=None, cells="reading the plan", left="", running=""))


def watch(plan: Plan, command: Sequence[str], console: Console | None = None, every: float = EVERY) -> int:
    """Run `command` with its output in `results/<benchmark>/logs/snakemake.log`; returns its exit status.

    every: seconds between two looks. UserError where the command cannot be started.
    """
    console = console or Console()
    path = plan.layout.log("snakemake")
    path.parent.mkdir(parents=True, exist_ok=True)
    started, observer, log, failed = time.monotonic(), Observer(plan), SnakemakeLog(path), 0
    with open(path, "w", encoding="utf-8") as out, display(console) as line:
        line.say(f"Snakemake's log: {path}")
        with started_with_signals(command, out, line) as (process, stop):
            while process.poll() is None:
                failed += report_failures(log.failures(), line, quiet=stop.received)
                before = time.process_time()
                line.show(observer.look())
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(every, REST * (time.process_time() - before)))
        failed += report_failures(log.failures(ended=True), line, quiet=stop.received)
    look = observer.look()  # the line is gone now
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    if status and not failed and not stop.received:
        line.say(f"ended with status {status}; the end of {path}:\n{tail(path)}")
    line.say(
        ("stopped: " if stop.received else "")
        + f"{summary(look)} after {duration(time.monotonic() - started)}"
        + (f"; {path}" if status else "")
    )
    return status


def summary(look: Look) -> str:
    """`54/54 cells, 1 diverged`, with the jobs where some are missing."""
    return cells_text(look) + ("" if look.jobs_done == look.jobs else f" ({look.jobs_done}/{look.jobs} jobs)")


def report_failures(failures: Iterator[Failure], line: Display, quiet: bool) -> int:
    """Show each failure with the end of its log, unless `quiet`: jobs that were interrupted are no news. Returns how
    many there were."""
    number = 0
    for failure in failures:
        number += 1
        if quiet:
            continue
        shown = tail(Path(failure.log)) if failure.log else ""
        line.say(f"failed: {failure.what}" + (f"; the end of {failure.log}:\n{shown}" if shown else ""))
    return number


def tail(path: Path, lines: int = LOG_LINES) -> str:
    """The last lines of a log, indented; of a line that was written over again and again (a bar) the last state."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        return f"    (not readable: {error.strerror})"
    written = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n") if line.strip()]
    return "\n".join(f"    {line}" for line in written[-lines:])


@contextmanager
def started_with_signals(
    command: Sequence[str], out: TextIO, line: Display
) -> Iterator[tuple[subprocess.Popen[bytes], Request]]:
    """(the command in the background, whether it was asked to stop). Ctrl-C comes to both from the terminal: here it
    only says what happens. Other requests to end come to this process alone and are passed on."""
    stop = Request()
    try:
        process = subprocess.Popen(list(command), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UserError(f"{command[0]}: cannot be started ({(error.strerror or str(error)).lower()})") from None

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.received = True
        line.say("stopping: Snakemake ends its jobs; what is done stays, and the next run goes on from there")

    def passed_on(number: int, frame: FrameType | None) -> None:
        stop.received = True
        if process.poll() is None:
            process.send_signal(number)

    before = {number: signal.signal(number, passed_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupted)
    try:
        yield process, stop
    finally:
        if process.poll() is None:  # a fault of this process must not leave the run behind
            process.terminate()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)
