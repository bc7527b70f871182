"""The command line. `snn <command> --help` explains each; Snakemake's rules call the same commands.

Exit status: 0 done (a diverged training is a result), 2 something of the user's to mend (one line says what), other
values are faults of the program, with a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
from pathlib import Path

from snn.benchmark.cell import Cell, results
from snn.config.read import load as read_configuration
from snn.errors import UserError, did_you_mean


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (FileNotFoundError, PermissionError) as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        print(f"error: {error.filename}: {reason}; what it needs is made by running snakemake", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"error: no space left on the disk ({error.filename or 'while writing'}); free some and run again: "
              "what was finished is kept", file=sys.stderr)  # fmt: skip
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="snn", description=__doc__.splitlines()[0])
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        c = commands.add_parser(name, help=help, description=help)
        c.set_defaults(run=run)
        c.add_argument("--configfile", nargs="+", type=Path, default=[],
                       help="overlays on config/config.yaml, or one resolved configuration (.json)")  # fmt: skip
        return c

    command("plan", plan, "show the matrix of cells and jobs; nothing is run")
    command("status", status, "show which jobs are done, running, missing or failed, as a grid")
    c = command("convert", convert, "convert one data set's raw recordings to a store")
    c.add_argument("dataset")
    for name, run, text in (
        ("train", train, "train one cell, or go on with its training"),
        ("sweep", sweep, "evaluate a trained cell at other numbers of time steps"),
        ("deploy", deploy, "run a trained cell on the event-driven engine"),
        ("probe", probe, "measure the mechanisms of a trained cell: gradients, memory, firing rates, noise"),
        ("disturb", disturb, "run a trained cell on disturbed hardware, and let it learn there"),
    ):
        c = command(name, marking_failure(name, run), text)
        c.add_argument("cell", help="dataset/network/method/T<t>/seed<s>")
        c.add_argument("--token", help="what the workflow planned; another configuration or code is then refused")
    c = command("export-frames", export_frames, "write a data set's frames for a foreign script")
    c.add_argument("dataset")
    c.add_argument("t", type=int, help="time steps of the training")
    c.add_argument("out", type=Path, help="file to write (.npz)")
    c = command("adopt", marking_failure("train", adopt), "make a cell of what a foreign script left in its folder")
    c.add_argument("cell", help="dataset/network/method/T<t>/seed<s>")
    c.add_argument("--token", help="what the workflow planned; another configuration or code is then refused")
    command("collect", collect, "put the metrics of all cells into one table")
    command("report", report, "render tables, figures and index.html from the collected metrics")
    command("mlflow-init", mlflow_init, "make the MLflow store (before any parallel job)")
    command("mlflow-sync", mlflow_sync, "make MLflow show what the files say; rebuilds a deleted store")
    c = command("export-nir", export_nir, "write a cell's deployable network as a NIR graph")
    c.add_argument("cell", help="dataset/network/method/T<t>/seed<s>")
    c.add_argument("out", type=Path, help="file to write (.nir)")
    command("compile", compile_kernels, "compile the numerical kernels once, by a tiny benchmark (make env does it)")
    command("schema", schema, "print the JSON schema of the configuration")
    text = "start a new training method: its file, configuration, rule and test"
    c = commands.add_parser("new-baseline", help=text, description=text)
    c.set_defaults(run=new_baseline)
    c.add_argument("name", help="lower-case words with hyphens, e.g. my-method")
    return p


def load(options: argparse.Namespace):
    """The plan of the given configuration; overlays are laid over config/config.yaml."""
    from snn.benchmark.plan import Plan

    return Plan(read_configuration(*configuration_files(options)))


def configuration_files(options: argparse.Namespace) -> list[Path]:
    paths = options.configfile
    resolved = len(paths) == 1 and paths[0].suffix == ".json"
    return paths if resolved else [Path("config/config.yaml"), *paths]


def plan(options: argparse.Namespace) -> None:
    from snn.benchmark.status import plan_text

    print(plan_text(load(options)))


def status(options: argparse.Namespace) -> None:
    from snn.benchmark.status import status_text

    plan = load(options)
    print(status_text(plan, results(plan.config.benchmark)))


def convert(options: argparse.Namespace) -> None:
    from snn.phases.convert import convert

    c = read_configuration(*configuration_files(options))
    if options.dataset not in c.datasets:
        raise UserError(f"unknown data set {options.dataset!r}{did_you_mean(options.dataset, c.datasets)}")
    convert(c.datasets[options.dataset], results(c.benchmark) / "data" / options.dataset)


def job(options: argparse.Namespace, phase: str, kind: type | None = None):
    """(job, plan) of the cell in the options."""
    from snn.phases._job import Job

    plan, cell = load(options), Cell.parse(options.cell)
    if cell not in plan.trained:
        raise UserError(f"{cell.key}: no cell of this benchmark{did_you_mean(cell.key, [c.key for c in plan.trained])}")
    if phase not in plan.phases(cell):
        raise UserError(
            f"{cell.key}: the plan has no {phase} for it: methods without time are only trained, static images have no "
            "events, and probe.seeds and disturb.seeds say whose cells are looked at"
        )
    if (cell.method in plan.config.foreign) != (kind is not None):
        raise UserError(f"{cell.key}: a foreign method's cell is made by its own rule and `snn adopt`, and no other is")
    root = results(plan.config.benchmark)
    spec, token = plan.spec(cell, phase), plan.token(cell, phase)
    if options.token not in (None, token):
        raise UserError(
            f"{options.configfile[0]} or the code changed after this run was planned; run snakemake again "
            f"(planned {options.token}, found {token})"
        )
    return (kind or Job)(spec, token, root / "data" / cell.dataset, root / "cells" / cell.key, phase), plan


def teacher_folder(plan, cell: Cell) -> Path | None:
    """Where the trained network is that the cell learns from, if its method has a teacher."""
    teacher = plan.teacher(cell)
    return None if teacher is None else results(plan.config.benchmark) / "cells" / teacher.key


def train(options: argparse.Namespace) -> None:
    from snn.phases.train import train

    j, plan = job(options, "train")
    root = results(plan.config.benchmark)
    # Named here and not imported by the phase: how runs are shown is no part of what a result depends on.
    from snn.tracking.track import LiveRun

    tags = {"phase": "train", "protocol": plan.config.protocol}
    live = LiveRun(root / "mlflow", j.cell.asdict(), {"train": j.spec["train"]}, tags, plan.config.benchmark)
    train(
        j,
        plan.config.resources.in_memory_mb,
        teacher=teacher_folder(plan, j.cell),
        live=live.epoch,
    )
    live.finish("diverged" if j.diverged() else "ok")


def sweep(options: argparse.Namespace) -> None:
    from snn.phases.sweep import sweep

    j, plan = job(options, "sweep")
    sweep(j, plan.config.resources.in_memory_mb)


def deploy(options: argparse.Namespace) -> None:
    from snn.phases.deploy import deploy

    j, plan = job(options, "deploy")
    deploy(j, plan.config.resources.in_memory_mb)


def probe(options: argparse.Namespace) -> None:
    from snn.phases.probe import probe

    j, plan = job(options, "probe")
    probe(j, teacher_folder(plan, j.cell))


def export_frames(options: argparse.Namespace) -> None:
    from snn.data.store import open_store
    from snn.phases.foreign import export

    c = read_configuration(*configuration_files(options))
    store = open_store(results(c.benchmark) / "data" / options.dataset)
    export(store, options.t, c.sweep.t_eval, options.out)


def adopt(options: argparse.Namespace) -> None:
    from snn.phases.foreign import ForeignJob, adopt

    sweep, plan = job(options, "sweep", ForeignJob)
    token = plan.token(sweep.cell, "train")
    adopt(ForeignJob(plan.spec(sweep.cell, "train"), token, sweep.store_path, sweep.folder, "train"), sweep)


def disturb(options: argparse.Namespace) -> None:
    from snn.phases.robustness import disturb

    j, plan = job(options, "disturb")
    disturb(j, plan.config.resources.in_memory_mb, teacher_folder(plan, j.cell))


def marking_failure(phase: str, run):
    """`run`, leaving a note for `snn status` when it fails."""

    def marked(options: argparse.Namespace) -> None:
        c = read_configuration(*configuration_files(options))
        note = results(c.benchmark) / "logs" / Cell.parse(options.cell).key / f"{phase}.failed"
        note.unlink(missing_ok=True)
        try:
            run(options)
        except Exception as error:
            with contextlib.suppress(OSError):  # the disk may be what failed
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(f"{error}\n")
            raise

    return marked


def cells_of(plan) -> list[dict]:
    root = results(plan.config.benchmark)
    return [
        {**cell.asdict(), "folder": str(root / "cells" / cell.key), "phases": plan.phases(cell)}
        for cell in plan.trained
    ]


def collect(options: argparse.Namespace) -> None:
    from snn.phases.collect import collect

    plan = load(options)
    c = plan.config
    root = results(c.benchmark)
    manifests = {name: root / "data" / name / "manifest.json" for name in {cell.dataset for cell in plan.trained}}
    collect(c.benchmark, c.protocol, cells_of(plan), Path("reports") / c.benchmark, manifests)


def report(options: argparse.Namespace) -> None:
    from snn.report import render

    c = load(options).config
    render(Path("reports") / c.benchmark, c.model_dump(mode="json"), Path("reports/templates"))
    print(f"report: {Path('reports') / c.benchmark / 'index.html'}")


def mlflow_init(options: argparse.Namespace) -> None:
    from snn.tracking.track import init

    init(results(load(options).config.benchmark) / "mlflow")


def mlflow_sync(options: argparse.Namespace) -> None:
    from snn.tracking.track import sync

    plan = load(options)
    c = plan.config
    print(sync(c.benchmark, cells_of(plan), results(c.benchmark) / "mlflow"))


def export_nir(options: argparse.Namespace) -> None:
    from snn.events import load, to_nir

    c = read_configuration(*configuration_files(options))
    path = results(c.benchmark) / "cells" / Cell.parse(options.cell).key / "deploy" / "network.npz"
    # NIR has neither a lower clip nor a soft reset: they travel as metadata, which this project reads back.
    to_nir(load(path), options.out, extensions=True)
    print(f"{options.out}: NIR graph of {options.cell}; lower clip and reset stand in its metadata")


def compile_kernels(options: argparse.Namespace) -> None:
    from snn.phases.compile import compile_kernels

    compile_kernels(read_configuration(*configuration_files(options)))


def schema(options: argparse.Namespace) -> None:
    print(schema_text(), end="")


def schema_text() -> str:
    import json

    from snn.benchmark.schema import full_schema

    return json.dumps(full_schema(), indent=1) + "\n"


def new_baseline(options: argparse.Namespace) -> None:
    from snn import scaffold
    from snn.benchmark import sources
    from snn.runtime import files

    if Path.cwd() != sources.ROOT:
        raise UserError(f"new-baseline writes into the project that it is part of: change to {sources.ROOT} first")
    written = scaffold.new_baseline(options.name)
    exported = Path("workflow/schemas/config.schema.json")
    files.write_text(exported, schema_text())
    method, overlay, _, test = written
    print(*(f"wrote {path}" for path in [*written, exported]), sep="\n")
    print(f"""
It runs as it stands: standard training with one more term. Put your own into {method}, then
    python -m pytest {test} tests/test_contract.py -k "{method.stem} or {options.name}"
    snakemake --cores 2 --configfile config/smoke.yaml {overlay}    # a quick try, up to the report
    snakemake --cores 2 {method.stem} --configfile {overlay}    # this baseline alone""")


if __name__ == "__main__":
    sys.exit(main())
