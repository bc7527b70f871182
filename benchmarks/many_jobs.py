"""What each of many small jobs costs a workflow on this machine, beside its own work.

Two workflows of few and of more cells that compute next to nothing (`chance`): what the second takes more, over the
number of further jobs, is Snakemake's part, the shell, the command line, the plan and the fork of the warm process, in
processor seconds of all processes of the run. Beside it the same with `warm_start: false`. Through Slurm:
`tools/slurm_test.sh overhead`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks._measure import Row
from benchmarks._processes import usage

ROOT = Path(__file__).resolve().parent.parent
FEW, MANY = 4, 20


def run(quick: bool = False) -> list[Row]:
    few, many = (1, 2) if quick else (FEW, MANY)
    with tempfile.TemporaryDirectory(prefix="snn-") as folder:
        warm = a_job(Path(folder) / "warm", few, many, True)
        cold = None if quick else a_job(Path(folder) / "cold", few, many, False)
    what = f"a job among {many} that do next to nothing, all processes of the workflow; rival: jobs that start cold"
    return [Row(what, warm, cold, "s", None if cold is None else cold / warm)]


def a_job(folder: Path, few: int, many: int, warm: bool) -> float:
    """Processor seconds of one further job; warm: as forks of the warm process."""
    taken = [workflow(folder / str(cells), cells, warm) for cells in (few, many)]
    return (taken[1] - taken[0]) / (many - few)


def workflow(folder: Path, cells: int, warm: bool) -> float:
    """Processor seconds of a workflow of so many jobs that do next to nothing."""
    folder.mkdir(parents=True)
    overlay = folder / "empty.yaml"
    overlay.write_text(
        f"benchmark: empty\nmatrix: {{networks: [3c1fc], methods: [chance], extra: [], seeds: {list(range(cells))}}}\n"
        "datasets: {saccades: {params: {samples: 80}, split: {validation: 20, test: 20}}}\n"
        f"resources: {{warm_start: {str(warm).lower()}}}\n"
    )
    command = [
        sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder),
        "--configfile", str(overlay), "--cores", "1", "--until", "train",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    used = usage(folder, command, cwd=folder, env=environment)
    made = len(list(folder.glob("results/empty/cells/**/record.json")))
    if made != cells:
        raise RuntimeError(f"{folder}: {made} of {cells} jobs are done")
    print(f"  {cells} jobs, {'warm' if warm else 'cold'}: {used.cpu:.1f} s of {used.processes} processes", flush=True)
    return used.cpu
