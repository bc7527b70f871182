"""What a job costs before its work begins: the command line, the imports of each phase, and the plan of a matrix.

Processor seconds of new processes, beside the imports that any script on SpikingJelly's neurons pays. A job that does
next to nothing (`chance`) is timed whole, as a fork of the warm server and by itself, by the wall's clock: what a fork
spends is not the command's own.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._measure import Row, Spent, reason
from snn import warm

ROOT = Path(__file__).resolve().parent.parent
RIVAL = "import torch, spikingjelly.activation_based.neuron"
MODULES = (
    "phases.convert",
    "phases.train",
    "phases.sweep",
    "phases.deploy",
    "phases.collect",
    "report",
    "tracking.sync",
)
CELLS = 5000


def run(quick: bool = False) -> list[Row]:
    jobs = {"snn train --help": [sys.executable, "-m", "snn", "train", "--help"]}
    for module in ("phases.collect",) if quick else MODULES:
        jobs[f"imports of {module}"] = [sys.executable, "-c", f"import snn.{module}"]
    rival = [sys.executable, "-c", RIVAL]
    taken: dict[str, list[Spent]] = {name: [] for name in (*jobs, "rival")}
    for _ in range(1 if quick else 5):
        for name, command in (*jobs.items(), ("rival", rival)):
            taken[name].append(_process(command))
    rows = [_row(f"{name}; rival: {RIVAL}", taken[name], taken["rival"]) for name in jobs]
    rows += _warm(turns=1 if quick else 5)
    return rows if quick else [*rows, *_plan()]


def _row(name: str, ours: list[Spent], rival: list[Spent] | None = None) -> Row:
    if rival is None:
        return Row(name, median(s.cpu for s in ours), None, "s", None)
    pairs = list(zip(ours, rival, strict=True))
    by_cpu, by_wall = median(r.cpu / o.cpu for o, r in pairs), median(r.wall / o.wall for o, r in pairs)
    return Row(name, median(s.cpu for s in ours), median(s.cpu for s in rival), "s", by_cpu, by_wall)


def _process(command: list[str], folder: Path = ROOT, **environment: str) -> Spent:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=_environment() | environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {reason(done)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, time.perf_counter() - start)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _warm(turns: int) -> list[Row]:
    """A whole job, warm and cold in turns."""
    with tempfile.TemporaryDirectory(prefix="snn-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "config", folder / "config")
        (folder / "tiny.yaml").write_text(
            "benchmark: tiny\nmatrix: {networks: [3c1fc], methods: [chance], extra: [], seeds: [0]}\n"
            "datasets: {saccades: {params: {samples: 80}, split: {validation: 20, test: 20}}}\n"
        )
        snn = [sys.executable, "-m", "snn"]
        _process([*snn, "convert", "saccades", "--configfile", "tiny.yaml"], folder)
        job = [*snn, "train", "saccades/3c1fc/chance/T1/seed0", "--configfile", "tiny.yaml"]
        hot = [sys.executable, "-m", "snn.warm", *job[3:]]
        server = warm.Server(threads=1)
        server.start(ROOT)
        taken: dict[str, list[float]] = {"warm": [], "cold": []}
        _process(hot, folder, **server.environment)  # waits for the imports
        for _ in range(turns):
            taken["warm"].append(_process(hot, folder, **server.environment).wall)
            taken["cold"].append(_process(job, folder).wall)
        if server.process is None or server.process.poll() is not None:
            raise RuntimeError("the server has ended, and jobs started cold; its reason stands above")
        server.stop()
    ratio = median(c / w for w, c in zip(*taken.values(), strict=True))
    ours, rival = (median(t) for t in taken.values())
    return [Row("a job that does next to nothing, warm; rival: cold", ours, rival, "s", ratio, ratio)]


def _plan() -> list[Row]:
    """`snn plan` and `snakemake -n` of a matrix of `CELLS` cells; nothing is run."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "large.yaml"
        seeds = CELLS // 5
        overlay.write_text(
            "benchmark: planned\nmatrix: {datasets: [saccades], networks: [3c1fc], t_train: [10], "
            f"methods: [sdt, mtt, tet, nmt, shortcut], extra: [], seeds: {list(range(seeds))}}}\n"
        )
        commands = {
            "snn plan": [sys.executable, "-m", "snn", "plan", "--configfile", str(overlay)],
            "snakemake -n": [
                sys.executable, "-m", "snakemake", "-n", "-q", "all", "--cores", "2", "--configfile", str(overlay),
            ],
        }  # fmt: skip
        return [_row(f"{name} of {CELLS:,} cells", [_process(command)]) for name, command in commands.items()]
