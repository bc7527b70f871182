"""Odd surroundings: a folder `my clone ü`, another user, HOME read-only, umask 077, LANG=C, another time zone."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import disk, tiny
from .runner import Finding, Part, Verdict

USER = "nobody"
MAKE = {
    "tiny": ("make", "-o", "env", "BIN=bin", "reproduce", "CORES=2", "CONFIG=tiny.yaml"),
    "smoke": ("make", "-o", "env", "BIN=bin", "reproduce", "CORES=2", "BENCHMARK=smoke"),
}
"""The commands; the environment is the one that the campaign runs in."""


def missing() -> str:
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return "only root can become another user (by setpriv)"
    return disk.missing()


def trial(form: str, rng: random.Random) -> Verdict:
    """`form`: "tiny", compared with an undisturbed run, or "smoke", which ends in its report."""
    disk.take_own_mounts()
    user = pwd.getpwnam(USER)
    scratch = Path(tempfile.mkdtemp())
    try:
        scratch.chmod(0o755)
        folder, home = scratch / "my clone ü", scratch / "home"
        folder.mkdir()
        home.mkdir(mode=0o555)
        tiny.copy_of_the_project(folder, compiled=rng.random() < 0.5)
        shutil.copytree(tiny.ROOT / "config", folder / "config", dirs_exist_ok=True)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        for place in {Path(sys.base_prefix), Path(sys.prefix)}:
            _open_to_all(place)
        environment = tiny.environment(folder)
        os.chown(folder / ".tmp", user.pw_uid, user.pw_gid)
        del environment["XDG_CACHE_HOME"]
        for name in ("snn", "snakemake"):  # those of the environment may be closed to others
            (folder / "bin").mkdir(exist_ok=True)
            (folder / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {name} "$@"\n')
            (folder / "bin" / name).chmod(0o755)
        environment |= {
            "HOME": str(home),
            "LANG": "C",
            "LC_ALL": "C",
            "TZ": "Pacific/Chatham",
            "USER": USER,
            "LOGNAME": USER,
        }
        environment.pop("PYTHONUTF8", None)
        become = [
            "setpriv",
            "--reuid",
            str(user.pw_uid),
            "--regid",
            str(user.pw_gid),
            "--clear-groups",
            "--no-new-privs",
        ]
        command = [*become, "sh", "-c", 'umask 077 && exec "$@"', "sh", *MAKE[form]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
        said = done.stdout + done.stderr
        if done.returncode or "Traceback" in said:
            raise Finding(f"status {done.returncode}: {' '.join(said[-900:].split())}")
        if not (folder / f"reports/{form}/index.html").exists():
            raise Finding("no report")
        if open_files := [p for p in (folder / "results").rglob("*") if p.is_file() and p.stat().st_mode & 0o077]:
            raise Finding(f"readable by others, whatever the umask says: {open_files[:3]}")
        if form == "tiny":
            tiny.check_same(folder)
        return Verdict("accepted")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _open_to_all(place: Path) -> None:
    """In this process's own mounts, let every user reach `place`, which may lie in a home that is closed to others."""
    closed = [p for p in reversed(place.resolve().parents) if not p.stat().st_mode & 0o001]
    if not closed:
        return
    holder = tempfile.mkdtemp()
    for command in (
        ["mount", "--bind", str(place.resolve()), holder],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(closed[0])],
    ):
        subprocess.run(command, check=True, capture_output=True)
    place.resolve().mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", holder, str(place.resolve())], check=True, capture_output=True)


def _tiny(rng: random.Random) -> Verdict:
    return trial("tiny", rng)


def _smoke(rng: random.Random) -> Verdict:
    return trial("smoke", rng)


PARTS = [
    Part("surroundings/tiny", _tiny, trials=1, limit=900, missing=missing, prepare=tiny.prepare, address_space=False),
    Part("surroundings/smoke", _smoke, share=0.00005, limit=3000, missing=missing, address_space=False),
]
