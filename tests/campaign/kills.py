"""Kills at random moments of a tiny benchmark, several in a run: its results are those of an undisturbed one."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import tiny
from .runner import Finding, Part, Verdict

KILLS = 10
"""Of one trial: the run is started again after each, and once more to end."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("snakemake", "snakemake", "server", "job", "job", "fork")
LONGEST = 25
"""Seconds from the start of the jobs to the kill, at most."""
ENDING = 180
"""Seconds in which Snakemake ends after a kill, and in which all processes of a run have gone."""


def trial(rng: random.Random) -> Verdict:
    folder = Path(tempfile.mkdtemp(prefix="my run "))
    history: list[str] = []
    try:
        tiny.copy_of_the_project(folder)
        while len(history) < KILLS:
            history += _killed_run(folder, rng, keep_locks=len(history) == KILLS - 1)
        _run_to_its_end(folder, history)
        tiny.check_same(folder)
        if left := tiny.leftovers(folder):
            raise Finding(f"left behind: {left[:5]}")
    except Finding as finding:
        raise Finding(f"{finding}; after {', '.join(history)}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Verdict("accepted", "", KILLS)


def _killed_run(folder: Path, rng: random.Random, keep_locks: bool) -> list[str]:
    """Start the run, kill one of its processes at a random moment, and wait for its end. Returns what was done: nothing
    where the run was faster."""
    run = _start(folder)
    victim, number = rng.choice(VICTIMS), rng.choice(SIGNALS)
    moment = rng.uniform(0, 1) ** 2
    _wait_for_start(folder, run)
    deadline = time.monotonic() + LONGEST * moment
    while time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.1)
    if run.poll() is not None:
        _check_ended(folder, run)
        return []
    pids = _processes(folder, run.pid).get(victim, [])
    target = rng.choice(pids) if pids else run.pid
    name = victim if pids else "snakemake"
    with contextlib.suppress(ProcessLookupError):
        os.kill(target, number)
    what = f"{signal.Signals(number).name} to {name}"
    if name != "snakemake" or number == signal.SIGKILL:  # a run that lost a job goes on with the others
        grace = time.monotonic() + rng.uniform(0, 1)
        while time.monotonic() < grace and run.poll() is None:
            time.sleep(0.1)
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
    _wait_for_end(folder, run, what)
    _check_said(folder, what, keep_locks)
    return [what]


def _check_ended(folder: Path, run: subprocess.Popen) -> None:
    """A run that was not killed and has ended is done, and starts from nothing the next time."""
    if run.returncode:
        said = (folder / ".said").read_text(errors="replace")
        raise Finding(f"the run ended by itself with status {run.returncode}: {said[-600:]}")
    for name in ("results", "reports"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", DEFAULT_INTERRUPT, *tiny.SNAKEMAKE]
    with open(folder / ".said", "w") as said:
        return subprocess.Popen(
            command, cwd=folder, env=tiny.environment(folder), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )  # fmt: skip


# A process in the background ignores Ctrl-C; a person's does not.
DEFAULT_INTERRUPT = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "snakemake"
runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
"""


def _wait_for_start(folder: Path, run: subprocess.Popen) -> None:
    """Until the jobs start: what comes before writes nothing, and is Snakemake's own, down to its traceback."""
    deadline = time.monotonic() + ENDING
    while time.monotonic() < deadline and run.poll() is None:
        if "Select jobs" in (folder / ".said").read_text(errors="replace"):
            return
        time.sleep(0.1)


def _wait_for_end(folder: Path, run: subprocess.Popen, what: str) -> None:
    try:
        run.wait(ENDING)
    except subprocess.TimeoutExpired:
        run.kill()
        raise Finding(f"snakemake goes on for {ENDING} s after {what}") from None
    deadline = time.monotonic() + ENDING
    while any(_processes(folder, run.pid).values()):
        if time.monotonic() > deadline:
            raise Finding(f"processes are left {ENDING} s after {what}: {_processes(folder, run.pid)}")
        time.sleep(0.05)


def _processes(folder: Path, main: int) -> dict[str, list[int]]:
    """The processes that work in the folder, by what they are."""
    found: dict[str, list[int]] = {"snakemake": [], "server": [], "job": [], "fork": []}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") != str(folder):
                continue
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            if b"--serve" in words:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                forked = b"--serve" in Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
                found["fork" if forked else "server"].append(int(entry.name))
            elif int(entry.name) == main:
                found["snakemake"].append(main)
            else:
                found["job"].append(int(entry.name))
    return found


def _run_to_its_end(folder: Path, history: list[str]) -> None:
    for _ in range(2):
        run = _start(folder)
        try:
            run.wait(600)
        except subprocess.TimeoutExpired:
            run.kill()
            raise Finding("the last run hangs") from None
        said = (folder / ".said").read_text(errors="replace")
        if run.returncode == 0:
            return
        if "--unlock" not in said and "locked" not in said:
            raise Finding(f"the run cannot be ended: {said[-600:]}")
        history.append("unlock")
        _unlock(folder)
    raise Finding(f"the run cannot be ended after --unlock: {said[-600:]}")


def _unlock(folder: Path) -> None:
    command = [sys.executable, "-m", "snakemake", *tiny.SNAKEMAKE, "--unlock"]
    subprocess.run(command, cwd=folder, env=tiny.environment(folder), capture_output=True, check=True)


def _check_said(folder: Path, what: str, keep_locks: bool) -> None:
    """What was said of a kill holds no traceback. A lock that is left is opened; or kept: the next run explains it."""
    said = (folder / ".said").read_text(errors="replace")
    logs = [p.read_text(errors="replace") for p in (folder / "results/tiny/logs").rglob("*.log")]
    if "KeyboardInterrupt" in said and f'File "{folder}' not in said:
        said = ""  # Snakemake and Python, while they end, answer an interrupt by a traceback of their own
    for text in [said, *logs]:
        if "Traceback" in text and "init_import_site" not in text:  # Python, interrupted before any code of ours
            at = text.index("Traceback")
            raise Finding(f"a traceback after {what}: {text[max(0, at - 300) : at + 3000]}")
    locks = folder / ".snakemake/locks"
    if locks.is_dir() and not keep_locks:
        for lock in locks.iterdir():  # what --unlock does; that the message names it is looked at in the last run
            lock.unlink()


PARTS = [Part("kills", trial, kills=KILLS, limit=900, prepare=tiny.prepare, address_space=False)]
