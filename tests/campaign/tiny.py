"""A tiny benchmark that has every phase: a copy of the project in which it runs, and its undisturbed results."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from .runner import ROOT, Finding, fast_folder

OVERLAY = """
benchmark: tiny
matrix: {networks: [3c1fc], methods: [sdt], extra: [], t_train: [2], seeds: [0]}
datasets: {saccades: {params: {samples: 60}, split: {validation: 20, test: 20}}}
train: {epochs: 6, batch_size: 10}
sweep: {t_eval: [1]}
probe: {iterations: 2, t_memory: [1], draws: 1}
deploy: {recordings: 2, modes: [event-float]}
robustness: {simulated_chips: 1, recordings: 2, mismatch: [0.1], bits: [4], noise: [], dead_fraction: []}
"""
CELL = "saccades/3c1fc/sdt/T2/seed0"
COMMANDS = (
    ("convert", "saccades"),
    *((phase, CELL) for phase in ("train", "sweep", "deploy", "probe", "robustness")),
    ("collect",),
    ("report",),
    ("mlflow-sync",),
)
"""The jobs of the benchmark in their order, as arguments of `snn`."""
SNAKEMAKE = ("--cores", "2", "--configfile", "tiny.yaml")


def copy_of_the_project(folder: Path, compiled: bool = True) -> Path:
    """What a run needs, and the overlay `tiny.yaml`. compiled: with the compiled kernels beside the sources."""
    left_out = None if compiled else shutil.ignore_patterns("__pycache__")
    for name in ("snn", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    for name in ("environment.yml", "requirements.lock", "pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "tiny.yaml").write_text(OVERLAY, encoding="utf-8")
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Of a process that works in a copy of the project; its temporary files lie in `<folder>/.tmp`."""
    left_out = ("MLFLOW_", "SNAKEMAKE_", "SNN_", "PYTHONPATH")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    (folder / ".tmp").mkdir(exist_ok=True)
    return inherited | {
        "PYTHONPATH": str(folder),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "TMPDIR": str(folder / ".tmp"),
        "OMP_NUM_THREADS": "1",
    }


@cache
def reference() -> Path:
    """A copy of the project in which the benchmark ran undisturbed. Called before the trials (`Part.prepare`), so that
    all share it."""
    folder = Path(tempfile.mkdtemp(prefix="snn-campaign-reference-", dir=fast_folder()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the children of the campaign end without
    copy_of_the_project(folder)
    command = [sys.executable, "-m", "snakemake", *SNAKEMAKE]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the undisturbed run failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return folder


def prepare() -> None:
    reference()


def check_same(folder: Path) -> None:
    """Finding unless the results in this copy of the project are those of the undisturbed run, bit for bit."""
    tool = [sys.executable, str(ROOT / "tools/same_results.py")]
    roots = [str(reference() / "results/tiny"), str(folder / "results/tiny")]
    done = subprocess.run([*tool, *roots], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise Finding(f"other results than those of an undisturbed run: {(done.stdout + done.stderr)[:400]}")
    if not (folder / "reports/tiny/index.html").exists() or not (folder / "results/tiny/mlflow/synced.txt").exists():
        raise Finding("no report, or nothing in MLflow")


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders in a copy of the project where nothing runs. Not ours to remove: torch's
    cache, and what Snakemake and its solver leave where Snakemake is killed."""
    foreign = re.compile(r"torchinductor_|snakemake\w{8}$|.*-pulp\.")
    left = [p for p in (folder / ".tmp").iterdir() if not foreign.match(p.name)]
    left += [p for place in ("results", "reports") for p in (folder / place).rglob("*.tmp")]
    return [str(p.relative_to(folder)) for p in left]
