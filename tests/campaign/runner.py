"""Trials in child processes, so that a hang or a crash of the interpreter is a finding; and the table of outcomes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 1500
"""Characters of a message."""
MEMORY = 8 << 30
"""Bytes of address space of a child that runs mutated inputs."""


class Verdict(NamedTuple):
    """What came of a trial. outcome: "refused" (text: the line that was said), "accepted" or "finding" (text: what
    happened). events: how many things were done to the project in this trial, where one trial does several."""

    outcome: str
    text: str = ""
    events: int = 1


class Finding(Exception):
    """A trial broke the rule."""


Trial = Callable[[random.Random], Verdict]


@dataclass(frozen=True)
class Part:
    """One row of the table.

    name: what `--only` takes. trial: of a generator of random numbers; may raise `Finding`. share: of the mutated
    inputs of a campaign. kills: how many kills a trial makes; KILLS says how many there are of such parts. trials: at
    least, whatever N is. limit: seconds after which a trial counts as hanging. missing: why it cannot be done on this
    machine, or an empty string. prepare: called once before the trials, in the campaign's own process; what it computes
    there is inherited by the children. address_space: whether the children's is limited.
    """

    name: str
    trial: Trial
    share: float = 0.0
    kills: int = 0
    trials: int = 0
    limit: int = 300
    missing: Callable[[], str] = lambda: ""
    prepare: Callable[[], None] = lambda: None
    address_space: bool = True


@dataclass
class Row:
    """Counts of a part, and its findings as (number, text)."""

    part: str
    tried: int = 0
    refused: int = 0
    accepted: int = 0
    seconds: float = 0.0
    skipped: str = ""
    findings: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def run(part: Part, seed: int, numbers: range) -> Row:
    """The trials with these numbers, one after the other."""
    row = Row(part.name)
    for _ in progress(part, seed, numbers, row):
        pass
    return row


def progress(part: Part, seed: int, numbers: range, row: Row) -> Iterator[tuple[int, Verdict]]:
    """The same, trial by trial: yields (number, verdict) when it is counted in `row`."""
    begun = time.monotonic()
    row.skipped = part.missing()
    if row.skipped:
        return
    part.prepare()
    following = numbers.start
    while following < numbers.stop:
        for number, verdict in _in_child(part, seed, range(following, numbers.stop)):
            following = number + 1
            row.tried += verdict.events
            if verdict.outcome == "finding":
                row.findings.append((number, verdict.text))
            elif verdict.outcome == "refused":
                row.refused += verdict.events
                row.lines.append(verdict.text)
            else:
                row.accepted += verdict.events
            row.seconds = time.monotonic() - begun
            yield number, verdict


def one(part: Part, seed: int, number: int) -> Verdict:
    """One trial, in this process."""
    rng = random.Random(f"{part.name}/{seed}/{number}")
    begun = time.monotonic()
    try:
        verdict = part.trial(rng)
    except Finding as finding:
        verdict = Verdict("finding", str(finding))
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        verdict = Verdict("finding", f"{type(error).__name__} in {where}: {' '.join(str(error).split())[:400]}")
    if time.monotonic() - begun > part.limit:
        verdict = Verdict("finding", f"took {time.monotonic() - begun:.0f} s; {verdict.text[:200]}")
    return verdict._replace(events=max(part.kills, 1)) if verdict.outcome == "finding" else verdict


def _in_child(part: Part, seed: int, numbers: range) -> Iterator[tuple[int, Verdict]]:
    """The verdicts of successive trials in a child process; where that dies, the last is what it died of."""
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    scratch = Path(tempfile.mkdtemp(prefix="snn-campaign-", dir=fast_folder()))
    scratch.chmod(0o755)  # a trial may run as another user
    if (pid := os.fork()) == 0:
        os.close(read)
        _child(part, seed, numbers, write, scratch)
    os.close(write)
    number = numbers.start
    try:
        with open(read, encoding="utf-8") as lines:
            for line in lines:
                yield number, Verdict(*json.loads(line))
                number += 1
    finally:
        with contextlib.suppress(ProcessLookupError):  # what a trial that was stopped left running
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        shutil.rmtree(scratch, ignore_errors=True)
    if number < numbers.stop:
        how = f"ended with status {os.waitstatus_to_exitcode(status)}"
        if os.WIFSIGNALED(status):
            died = os.WTERMSIG(status)
            how = f"took over {2 * part.limit} s" if died == signal.SIGALRM else f"was killed by signal {died}"
        yield number, Verdict("finding", f"the process {how}")


def _child(part: Part, seed: int, numbers: range, pipe: int, scratch: Path) -> None:
    status = 1
    try:
        os.setsid()
        if part.address_space:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        tempfile.tempdir = str(scratch)  # nothing outside it is left behind by a trial that is stopped
        os.environ["TMPDIR"] = str(scratch)
        silent = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(silent, fd)
        with open(pipe, "w", encoding="utf-8", buffering=1) as results:
            for number in numbers:
                signal.alarm(2 * part.limit)
                print(json.dumps(one(part, seed, number)), file=results)
        status = 0
    finally:
        os._exit(status)


def fast_folder() -> str | None:
    """Memory, where the system offers a folder in it: most trials write small files and wait for the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


# --- what many trials ask


def refused(error: object, *names: str) -> Verdict:
    """The verdict on an error message: refused, if it is one line of bounded length that holds one of `names`."""
    text = str(error)
    if "\n" in text:
        raise Finding(f"a message of several lines: {text[:400]!r}")
    if len(text) > LONGEST:
        raise Finding(f"a message of {len(text)} characters: {text[:200]!r}")
    if names and not any(name in text for name in names):
        raise Finding(f"a message that names none of {names}: {text[:400]!r}")
    return Verdict("refused", text)


class Said(NamedTuple):
    """What a command said: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def command(*arguments: str | Path) -> Said:
    """A command of `snn` in this process, e.g. `command("plan", "--configfile", path)`; an exception is a finding."""
    from snn.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    return Said(status, out.getvalue(), err.getvalue())


def check(said: Said, most: int = 1) -> Verdict:
    """The verdict on a command: status 0 is accepted, status 2 with one line (or several, up to `most`) is refused."""
    if "Traceback" in said.err + said.out:
        raise Finding(f"a traceback: {(said.out + said.err)[-600:]}")
    if said.status == 0:
        return Verdict("accepted")
    lines = [line for line in said.err.splitlines() if line.strip() and "%|" not in line]  # without bars of progress
    errors = [line for line in lines if not line.startswith(("warning:", "MLflow:"))]
    if said.status != 2 or not errors:
        raise Finding(f"status {said.status} and {len(errors)} lines: {said.err[-400:]!r}")
    if len(errors) > most or len("".join(errors)) > LONGEST * most:
        raise Finding(f"{len(errors)} lines, {len(''.join(errors))} characters: {said.err[:400]!r}")
    return Verdict("refused", errors[0])


# --- the table


def table(rows: list[Row]) -> str:
    """The outcomes as Markdown."""
    lines = [
        "| class | tried | refused | accepted | findings | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        if row.skipped:
            lines.append(f"| {row.part} | skipped: {row.skipped} | | | | |")
        else:
            counts = (row.tried, row.refused, row.accepted, len(row.findings), round(row.seconds))
            lines.append(f"| {row.part} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    done = [row for row in rows if not row.skipped]
    totals = [sum(getattr(row, name) for row in done) for name in ("tried", "refused", "accepted")]
    totals += [sum(len(row.findings) for row in done), round(sum(row.seconds for row in done))]
    lines.append("| **all** | " + " | ".join(f"**{count:,}**" for count in totals) + " |")
    return "\n".join(lines)
