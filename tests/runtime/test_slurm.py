"""What Snakemake is replaced by in a submission of several jobs to Slurm. (The whole: `make slurm-test`.)"""

from __future__ import annotations

import sys

from snn.runtime.slurm import step

OWN = ["--executor", "slurm-jobstep", "--jobs", "1"]
REST = ["--cores", "1", "--wait-for-files", "a", "b", "--mode", "remote"]


def arguments(*jobs: str) -> list[str]:
    return ["--snakefile", "Snakefile", "--target-jobs", *jobs, *REST[:5], *OWN, *REST[5:]]


def test_several_jobs_are_one_step_with_the_arguments_of_the_first_snakemake():
    srun = ["srun", "-n1", "--cpu-bind=q", "--cpus-per-task=3"]
    jobs = ["train:cell=a", "sweep:cell=a"]
    expected = [*srun, sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", "--target-jobs", *jobs, *REST]
    assert step(arguments(*jobs), "3") == expected
    assert step([*arguments(*jobs), "--slurm-jobstep-pass-command-as-script"], "3") == expected


def test_one_job_an_array_and_other_executors_are_left_to_snakemake():
    assert step(arguments("train:cell=a"), "1") is None
    assert step([*arguments("a", "b"), "--slurm-jobstep-array-execs", "x"], "1") is None
    assert step(["--target-jobs", "a", "b", "--mode", "remote"], "1") is None
    assert step(["--target-jobs", "a", "b", "--executor=slurm-jobstep", "--jobs=1"], "1") is None, "another version"
