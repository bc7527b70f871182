# The plan of the benchmark, and the helpers of the rules. All helpers are here.

import filecmp
import json
import os
import shlex
import sys
from pathlib import Path

if not (PROJECT / "snn").is_dir():
    raise WorkflowError(
        f"{PROJECT}: the project's Python package is not beside the workflow; take the Snakefile of a local clone"
    )


def package_folder():
    """The folder of the package `snn`: the project's, or the image's (docs/container.md) where its code is the same, since
    its kernels are compiled."""
    image = Path(os.environ.get("SNN_IMAGE_ROOT", PROJECT))
    files = sorted(path.relative_to(PROJECT) for path in PROJECT.glob("snn/**/*.py"))
    equal, _, _ = filecmp.cmpfiles(PROJECT, image, files, shallow=False)
    return str(image if len(equal) == len(files) else PROJECT)


sys.path.insert(0, package_folder())
# Jobs run in the working folder, which may be another than the project's.
paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
if sys.path[0] not in paths:
    os.environ |= {"PYTHONPATH": os.pathsep.join([sys.path[0], *paths])}

from snn import warm
from snn.benchmark import checks, dependencies, sources
from snn.benchmark.cell import Cell, pattern
from snn.benchmark.plan import Plan
from snn.errors import UserError, explained
from snn.runtime import files, slurm, stopping
from snn.runtime.planning import without_torch

try:
    with without_torch():  # a plan computes nothing, and torch takes seconds to import
        PLAN = Plan.load(config)
        checks.check_inputs(PLAN)
except UserError as error:
    raise WorkflowError(str(error)) from None
except OSError as error:
    raise WorkflowError(explained(error)) from None

if workflow.resource_settings.cores == 0:  # Snakemake would wait for ever
    raise WorkflowError(
        "--cores 0: no job can run without a core; use --cores 1 or more, or --cores all"
    )

C = PLAN.config
LAYOUT = PLAN.layout
# resources of a job on a GPU; a job on a processor does not even ask for none, which Kubernetes refuses
GPU = {} if C.resources.device == "cpu" else {"gpu": 1}
VENVS = "results/.venvs"
DEPLOYMENT = {str(method) for method in workflow.deployment_settings.deployment_method}
IN_CONTAINER = "apptainer" in DEPLOYMENT  # --sdm apptainer

if "conda" in DEPLOYMENT:
    raise WorkflowError(
        "--sdm conda: this project has one environment for all jobs, which Snakemake itself runs in; make it once by "
        "`make env` or `conda env create -f environment.yml`, and leave the option out"
    )

# The files of a cell and of a data set, with Snakemake's wildcards {cell} and {dataset}.
CELL = LAYOUT.cell("{cell}")
# Snakemake moves declared files alone to and from an object store, so that all files of a store are declared there; on a
# file system its last file stands for it.
OBJECT_STORE = workflow.storage_settings.default_storage_provider is not None
STORE = LAYOUT.store_files("{dataset}", every=OBJECT_STORE)
if OBJECT_STORE and C.foreign:
    raise WorkflowError(
        "foreign: the environments of other frameworks do not travel through an object store; run these cells on a "
        "file system that all nodes share"
    )

# Jobs on this machine start warm, as forks of one process (docs/warm.md), unless `resources.warm_start` is false.
WARM = warm.Server(
    threads=C.resources.threads,
    enabled=C.resources.warm_start
    and workflow.local_exec
    and not IN_CONTAINER
    and not GPU,
)

# One submission to a cluster may hold several jobs (docs/cluster.md): they start warm too. (A run's own warm process is
# started by `onstart`, which Snakemake leaves out on the nodes. Slurm's plug-in reads the workflow twice there, first only
# to start what then runs the jobs.)
if workflow.remote_exec:
    slurm.become_step()
    # Slurm's signal before the time limit is for the trainings: neither Snakemake nor the shells between end by it, and
    # none is lost while a training starts.
    stopping.hold()
    if "slurm-jobstep" not in sys.argv:
        WARM.start()

# Every shell command finds $SNN, the command line of this project, and $CONFIG, its configuration. Jobs run in the
# environment that Snakemake runs in, or in that of the container (docs/container.md).
prefix = f"SNN={shlex.quote(WARM.command)}; "
if not OBJECT_STORE:
    prefix += f"CONFIG={shlex.quote(str(LAYOUT.configuration))}; "
if not IN_CONTAINER:
    prefix += f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
shell.prefix(prefix.replace("{", "{{").replace("}", "}}"))

# Jobs that need the network run where Snakemake runs, unless the nodes of the cluster have a network too.
ON_SUBMIT_HOST = not C.resources.network_on_nodes

# The resolved configuration, as every job reads it. It is no output of a rule: Snakemake would not look at the params of
# the jobs behind a rule that runs, not even where its output is ancient() to them, so that a changed configuration would
# rerun none of them. `onstart` writes it, so that a dry-run writes nothing. Jobs that find their files in an object store
# take it from there, and need the rule (after a change of the configuration such a run takes two rounds).
RESOLVED = json.dumps(C.model_dump(mode="json"), indent=1)
CONFIGURATION = ancient(LAYOUT.configuration) if OBJECT_STORE else []


def literal(path):
    """A path in which braces are no wildcards."""
    return str(path).replace("{", "{{").replace("}", "}}")


def write_configuration():
    """What a run does first: write config.json, unless it says the same already."""
    path, text = LAYOUT.configuration, f"{RESOLVED}\n"
    if not OBJECT_STORE and not (
        path.exists() and path.read_text(encoding="utf-8") == text
    ):
        files.write_text(path, text)


if not workflow.modifier.is_main_snakefile():  # a module has no onstart
    write_configuration()


# The cells of this project's methods, and those that scripts of other frameworks train; (?!) fits no name.
FOREIGN = "|".join(C.foreign) or "(?!)"
FOREIGN_CELL = pattern(f"(?:{FOREIGN})")


wildcard_constraints:
    cell=pattern(f"(?!(?:{FOREIGN})/)[^/]+"),
    dataset=r"[^/]+",
    t=r"\d+",


def growing(amount):
    """resources function: as much again with each attempt, since a job may have failed for want of it."""
    return lambda wildcards, attempt: amount * attempt


def processes(wildcards):
    """How many processes share the batches of a cell's training."""
    return PLAN.processes(Cell.parse(wildcards.cell))


def token(phase):
    """params function: the digest of the configuration and the code that a job depends on."""
    return lambda wildcards: PLAN.token(Cell.parse(wildcards.cell), phase)


def raw_inputs(dataset):
    """Raw recordings lie where Snakemake runs, also where everything else is in an object store."""
    paths = dependencies.raw_inputs(PLAN, dataset)
    return [local(path) for path in paths] if OBJECT_STORE else paths


def store_of_cell(wildcards):
    return LAYOUT.store_files(Cell.parse(wildcards.cell).dataset, every=OBJECT_STORE)


def teacher_of_cell(wildcards):
    """The trained network that this cell learns from, if its method has a teacher."""
    teacher = PLAN.teacher(Cell.parse(wildcards.cell))
    return [] if teacher is None else LAYOUT.cell(teacher).weights


def start_of_cell(wildcards):
    """The trained network that this cell's training starts from, if its network is a variant that says so."""
    start = PLAN.start(Cell.parse(wildcards.cell))
    return [] if start is None else LAYOUT.cell(start).weights


def cell_files(method=None):
    """What the tables are made of: the files of every phase of every cell, or of one method's cells alone."""
    cells = [cell for cell in PLAN.all_cells if method in (None, cell.method)]
    if not cells:
        raise WorkflowError(
            f"no cell of {method!r} in this configuration; name it in matrix.methods, "
            f"e.g. by --configfile config/baselines/{method}.yaml"
        )
    paths = []
    for cell in cells:
        folder = LAYOUT.cell(cell)
        if PLAN.is_foreign(cell):
            paths += folder.adopted_files()
            paths += folder.files("deploy") if "deploy" in PLAN.phases(cell) else []
        else:
            paths += [
                file for phase in PLAN.phases(cell) for file in folder.files(phase)
            ]
    return paths


def foreign_script(wildcards):
    """The script of a foreign method; its digest is in foreign_spec, so that edits rerun it and touches do not."""
    return ancient(
        str(dependencies.script(C.foreign[Cell.parse(wildcards.cell).method]))
    )


def foreign_frames(wildcards):
    cell = Cell.parse(wildcards.cell)
    return LAYOUT.frames(cell.dataset, cell.t_train)


def foreign_spec(wildcards):
    """What a foreign script is told: the cell, and all of the configuration that its results depend on."""
    return json.dumps(PLAN.spec(Cell.parse(wildcards.cell), "sweep"), sort_keys=True)


def foreign_environment(framework):
    """What shows that the environment of a framework is there."""
    return f"{VENVS}/{framework}.txt"


def foreign_python(framework):
    return f"{VENVS}/{framework}/bin/python"
