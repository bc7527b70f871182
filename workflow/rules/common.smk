# The plan of the benchmark, and the helpers of the rules. All helpers are here.

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).parent))

from snn.runtime import files
from snn.benchmark import sources
from snn.runtime import warm
from snn.benchmark.cell import Cell, results
from snn.errors import UserError
from snn.benchmark.plan import Plan, digest

try:
    PLAN = Plan.load(config)
    PLAN.check_inputs()
except UserError as error:
    raise WorkflowError(str(error)) from None

if workflow.resource_settings.cores == 0:  # Snakemake would wait for ever
    raise WorkflowError(
        "--cores 0: no job can run without a core; use --cores 1 or more, or --cores all"
    )

C = PLAN.config
ROOT = results(C.benchmark)
REPORT = Path("reports") / C.benchmark
CELL = "{dataset}/{network}/{method}/T{t}/seed{seed}"
FOLDER = str(ROOT / "cells" / CELL)
STORE = str(ROOT / "data" / "{dataset}")
LOG = str(ROOT / "logs" / CELL)

# The configuration as the jobs read it. No input of any rule: what a job depends on stands in its `params`.
RESOLVED = ROOT / "config.json"
_resolved = json.dumps(C.model_dump(mode="json"), indent=1) + "\n"
if not RESOLVED.exists() or RESOLVED.read_text() != _resolved:
    files.write_text(RESOLVED, _resolved)

# Jobs run in the environment that Snakemake runs in, unless it is told to make one for them.
if not workflow.deployment_settings.deployment_method:
    shell.prefix(f"export PATH={Path(sys.executable).parent}:$PATH; ")

STORE_FILES = ["converted.json"]  # written when the store beside it is complete (data.smk)
PHASE_FILES = {
    "train": [
        "weights.pt",
        "history.csv",
        "metrics.csv",
        "predictions.npz",
        "record.json",
    ],
    "sweep": ["metrics.csv", "predictions.npz", "record.json"],
    "deploy": ["metrics.csv", "predictions.npz", "record.json", "curves.csv"],
    "probe": ["metrics.csv", "record.json", "curves.csv"],
    "disturb": ["metrics.csv", "predictions.npz", "record.json", "curves.csv"],
}
FOREIGN_FILES = ["predictions.npz", "history.csv", "record.json"]
FOREIGN = (
    "|".join(C.foreign) or "(?!)"
)  # the methods that rules of other frameworks train; (?!) fits no name
FRAMES = str(ROOT / "foreign" / "{dataset}" / "T{t}.npz")
VENVS = "results/.venvs"


wildcard_constraints:
    dataset=r"[^/]+",
    network=r"[^/]+",
    method=rf"(?!(?:{FOREIGN})/)[^/]+",
    t=r"\d+",
    seed=r"\d+",


def cell_of(wildcards):
    return Cell(
        wildcards.dataset,
        wildcards.network,
        wildcards.method,
        int(wildcards.t),
        int(wildcards.seed),
    )


def token(phase):
    """params function: the digest of configuration and code that a job depends on."""
    return lambda wildcards: PLAN.token(cell_of(wildcards), phase)


def phase_files(phase, folder=FOLDER):
    return [f"{folder}/{phase}/{name}" for name in PHASE_FILES[phase]]


def store_files(folder=STORE):
    return [f"{folder}/{name}" for name in STORE_FILES]


def teacher_files(wildcards):
    """The trained network that this cell learns from, if its method has a teacher."""
    teacher = PLAN.teacher(cell_of(wildcards))
    return (
        []
        if teacher is None
        else phase_files("train", ROOT / "cells" / teacher.key)[:1]
    )


def foreign_files(folder=FOLDER):
    """What the script of another framework leaves of a cell."""
    return [f"{folder}/foreign/{name}" for name in FOREIGN_FILES]


def foreign_phase_files(folder=FOLDER):
    """The phases of a foreign cell: no network of ours, so no weights and no deployment."""
    return phase_files("train", folder)[1:] + phase_files("sweep", folder)


def foreign_script(wildcards):
    return ancient(
        C.foreign[wildcards.method].script
    )  # its digest is in foreign_spec: edits rerun, touches do not


def foreign_spec(wildcards):
    """What a foreign script is told: the cell, and all of the configuration that its results depend on."""
    return json.dumps(PLAN.spec(cell_of(wildcards), "sweep"), sort_keys=True)


def foreign_environment(framework):
    """What shows that the environment of a framework is there; Snakemake's own are made by itself."""
    made_by_snakemake = workflow.deployment_settings.deployment_method
    return [] if made_by_snakemake else f"{VENVS}/{framework}.txt"


def foreign_python(framework):
    made_by_snakemake = workflow.deployment_settings.deployment_method
    return "python" if made_by_snakemake else f"{VENVS}/{framework}/bin/python"


def cell_files(method=None):
    """What the tables are made of: the files of every phase of every cell, or of one method's cells alone."""
    cells = [cell for cell in PLAN.trained if method in (None, cell.method)]
    if not cells:
        raise WorkflowError(
            f"no cell of {method!r} in this configuration; name it in matrix.methods, "
            f"e.g. by --configfile config/baselines/{method}.yaml"
        )
    files = []
    for cell in cells:
        folder = ROOT / "cells" / cell.key
        if cell.method in C.foreign:
            files += foreign_phase_files(folder)
        else:
            files += [f for p in PLAN.phases(cell) for f in phase_files(p, folder)]
    return files


def start_warm():
    """Jobs on this machine are forks of one process that has imported the libraries (snn/runtime/warm.py). It ends with
    this one, whose end of the pipe is its standard input."""
    at_home = workflow.local_exec and not workflow.deployment_settings.deployment_method
    if not at_home or C.resources.device != "cpu":
        return
    address = Path(tempfile.mkdtemp(prefix="snn-")) / "warm"
    os.environ[warm.VARIABLE] = str(address)
    # As Snakemake sets them for a job, which starts cold if it has another number of threads.
    threads = dict.fromkeys(warm.THREADS, str(C.resources.threads))
    workflow.globals["warm_process"] = subprocess.Popen(
        [sys.executable, "-m", "snn.runtime.warm", str(address)],
        stdin=subprocess.PIPE,
        env=os.environ | threads,
        start_new_session=True,  # Ctrl-C is for the commands, whose jobs then tidy up
    )
