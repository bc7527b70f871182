"""A disk that fills in each phase, or cannot be written to: one line, and the same bits once there is room."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

from . import tiny
from .runner import Finding, Part, Said, Verdict, check

CLONE_NEWNS = 0x20000
FULL = ("no space left", "disk is full")
ROOM = (0, 0, 4096, 8192, 16_384, 40_960, 100_000, 300_000, 1_000_000)
"""Bytes that are left on the disk when a phase begins."""


@cache
def own_mounts() -> str:
    """Give this process mounts of its own, which end with it; why that cannot be, or an empty string."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        return f"no mounts of its own here ({os.strerror(ctypes.get_errno())})"
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return "" if done.returncode == 0 else f"no mounts of its own here ({done.stderr.strip()[:80]})"


def take_own_mounts() -> None:
    """`own_mounts`, without which nothing may be mounted: it would be mounted for all."""
    if reason := own_mounts():
        raise Finding(reason)


def missing() -> str:
    """Whether a child could mount a small disk; asked in a process of its own, since the answer changes the process."""
    code = "import sys, tempfile; sys.path.insert(0, 'tests'); from tests.campaign import disk; sys.exit(disk.probe())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tiny.ROOT, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no mounts of its own here"])[-1][:120]


def probe() -> str | int:
    with tempfile.TemporaryDirectory() as folder:
        failed = own_mounts() or subprocess.run(["mount", "-t", "tmpfs", "none", folder]).returncode
        return failed or subprocess.run(["umount", folder]).returncode


def _mount(path: Path, size: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)], check=True, capture_output=True)


def _job(folder: Path, arguments: tuple[str, ...]) -> Said:
    """One job as the workflow starts it, cold."""
    command = [sys.executable, "-m", "snn", *arguments, "--configfile", "tiny.yaml"]
    done = subprocess.run(
        command, cwd=folder, env=tiny.environment(folder), capture_output=True, text=True, errors="replace"
    )
    if done.returncode < 0:
        raise Finding(f"{arguments[0]} was killed by signal {-done.returncode}")
    return Said(done.returncode, done.stdout, done.stderr)


def _copy(folder: Path, position: int) -> None:
    """A copy of the project, on a small disk of its own, in which the jobs before this one are done."""
    _mount(folder, "64m")
    shutil.copytree(tiny.ROOT / "config", folder / "config")
    shutil.copy(tiny.reference() / "tiny.yaml", folder)
    os.symlink(tiny.ROOT / "snn", folder / "snn")
    results, reports = tiny.reference() / "results", tiny.reference() / "reports"
    done = {arguments[0] for arguments in tiny.COMMANDS[:position]}
    shutil.copytree(results, folder / "results")
    cell = folder / "results/tiny/cells" / tiny.CELL
    for phase in ("train", "sweep", "deploy", "probe", "robustness"):
        if phase not in done:
            shutil.rmtree(cell / phase)
    if "convert" not in done:
        shutil.rmtree(folder / "results/tiny/data")
    shutil.rmtree(folder / "results/tiny/mlflow", ignore_errors=True)
    if "collect" in done:
        shutil.copytree(reports, folder / "reports")


def full(name: str, rng: random.Random) -> Verdict:
    """This phase on a disk with little room; again with room, its results are those of the undisturbed run."""
    take_own_mounts()
    position = [arguments[0] for arguments in tiny.COMMANDS].index(name)
    folder = Path(tempfile.mkdtemp())
    try:
        _copy(folder, position)
        tiny.environment(folder)  # makes the folder of temporary files
        ballast = folder / "ballast"
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        with open(ballast, "wb") as f:
            f.write(bytes(max(0, free - rng.choice(ROOM))))
        verdict = check(_job(folder, tiny.COMMANDS[position]))
        ballast.unlink()
        if verdict.outcome == "refused" and not any(words in verdict.text.lower() for words in FULL):
            raise Finding(f"the line does not say that the disk is full: {verdict.text[:300]}")
        again = check(_job(folder, tiny.COMMANDS[position]))
        if again.outcome != "accepted":
            raise Finding(f"with room again: {again.text[:300]}")
        _check_phase(folder, name)
        return verdict
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)
        folder.rmdir()


def _check_phase(folder: Path, name: str) -> None:
    if left := tiny.leftovers(folder):
        raise Finding(f"left behind: {left[:5]}")
    place = f"results/tiny/cells/{tiny.CELL}/{name}"
    if name in ("convert", "collect", "report", "mlflow-sync"):
        return
    code = (
        "import sys; from pathlib import Path; from tools import same_results as s\n"
        "a, b = map(Path, sys.argv[1:])\n"
        "names = sorted(p.name for p in a.iterdir() if p.suffix)\n"
        "sys.exit([n for n in names if not s.same(a / n, b / n)] or 0)"
    )
    command = [sys.executable, "-c", code, str(tiny.reference() / place), str(folder / place)]
    done = subprocess.run(command, cwd=tiny.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Finding(f"other results than undisturbed: {done.stderr[-300:]}")


def read_only(rng: random.Random) -> Verdict:
    """A phase in a folder that cannot be written to: one line that says so."""
    take_own_mounts()
    position = rng.randrange(len(tiny.COMMANDS))
    folder = Path(tempfile.mkdtemp())
    try:
        _copy(folder, position)
        tiny.environment(folder)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, capture_output=True)
        verdict = check(_job(folder, tiny.COMMANDS[position]))
        if verdict.outcome != "refused" or "read-only" not in verdict.text.lower():
            raise Finding(f"{tiny.COMMANDS[position][0]}: {verdict.outcome}: {verdict.text[:300]}")
        return verdict
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True)
        folder.rmdir()


PARTS = [
    *(
        Part(f"disk/{arguments[0]}", partial(full, arguments[0]), trials=1, share=0.00005, missing=missing,
             prepare=tiny.prepare, address_space=False)
        for arguments in tiny.COMMANDS
    ),
    Part("disk/read-only", read_only, trials=1, share=0.0002, missing=missing, prepare=tiny.prepare,
         address_space=False),
]  # fmt: skip
