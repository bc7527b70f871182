"""The jobs of one submission to Slurm, done by one Snakemake.

Snakemake's plug-in for Slurm starts a Snakemake in each submission, which starts a further one, in a step of its own
(`srun`), for each of the submission's jobs: six seconds of processor time for a job of any size. Where a submission
has several jobs, the first Snakemake is replaced by one step in which all of them are done.
"""

from __future__ import annotations

import os
import sys
from itertools import takewhile

EXECUTOR = "slurm-jobstep"
KEPT = ("SLURM_CONF", "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_SUBMIT_DIR", "SLURM_SUBMIT_HOST")
"""What a step inherits; the rest describes the step that starts it, and `srun` would take it for options."""


def step(arguments: list[str], cpus: str) -> list[str] | None:
    """The command that does all jobs of these arguments of Snakemake; None where the plug-in's own way is as good."""
    expected = {EXECUTOR, "--executor", "--jobs", "--target-jobs"}  # of another version of the plug-in perhaps not
    if not expected <= set(arguments) or "--slurm-jobstep-array-execs" in arguments:
        return None
    first = arguments.index("--target-jobs") + 1
    jobs = [*takewhile(lambda argument: not argument.startswith("--"), arguments[first:])]
    if len(jobs) < 2:
        return None
    rest = [argument for argument in arguments if not argument.startswith("--slurm-jobstep-")]
    for option in ("--executor", "--jobs"):
        at = rest.index(option)
        del rest[at : at + 2]
    srun = ["srun", "-n1", "--cpu-bind=q", f"--cpus-per-task={cpus}"]
    return [*srun, sys.executable, "-m", "snakemake", *rest]


def become_step() -> None:
    """Replace this process, the first Snakemake of a submission, by the one step of several jobs."""
    command = step(sys.argv[1:], os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE", "1"))
    if command is None:
        return
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(command[0], command, environment)
