"""The workflow in another folder than its own, and as a module of another workflow (docs/other_folders.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

FEW = """
benchmark: few
matrix: {networks: [3c1fc], methods: [chance, sdt], extra: [], t_train: [2], seeds: [0]}
datasets: {saccades: {params: {samples: 60}, split: {validation: 20, test: 20}}}
train: {epochs: 1, batch_size: 16}
sweep: {t_eval: [1]}
probe: {seeds: 0}
deploy: {recordings: 2, modes: [event-float]}
robustness: {seeds: 0, recovery: []}
"""
OUTER = f"""
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

settings = load_configfile("{ROOT}/config/config.yaml")
update_config(settings, load_configfile("few.yaml"))


module benchmark:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: settings


use rule * from benchmark as benchmark_*


rule mine:
    input: rules.benchmark_render.output.page
    output: "mine.txt"
    default_target: True
    shell: "wc -c {{input}} > {{output}}"
"""


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In `folder`, in an environment that does not say where the project lies."""
    left_out = ("MLFLOW_", "SNAKEMAKE_", "PYTHONPATH", "SNN_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_from_another_folder(tmp_path):
    (tmp_path / "few.yaml").write_text(FEW)
    place = ["-s", str(ROOT / "workflow/Snakefile"), "--directory", str(tmp_path / "elsewhere")]
    (tmp_path / "elsewhere").mkdir()
    # The rules of single baselines are there too, and their scripts are those of the project.
    foreign = snakemake(
        tmp_path, *place, "-n", "--configfile", "few.yaml", str(ROOT / "config/baselines/snntorch.yaml")
    )
    assert "snntorch saccades/3c1fc/snntorch-sdt" in foreign.stdout + foreign.stderr
    done = snakemake(tmp_path, *place, "--configfile", "few.yaml")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "elsewhere/reports/few/index.html").exists()
    again = snakemake(tmp_path, *place, "--configfile", "few.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_as_a_module(tmp_path):
    (tmp_path / "few.yaml").write_text(FEW)
    (tmp_path / "Snakefile").write_text(OUTER)
    done = snakemake(tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "mine.txt").read_text().endswith("reports/few/index.html\n")
    listed = snakemake(tmp_path, "--list").stdout
    assert "benchmark_snntorch" in listed, "the rules of single baselines are there too"


def test_environments_by_conda_are_refused_with_the_reason(tmp_path):
    done = snakemake(tmp_path, "-n", "-s", str(ROOT / "workflow/Snakefile"), "--sdm", "conda")
    assert done.returncode != 0
    assert "make env" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
