"""The command line. `snn <command> --help` explains each; Snakemake's rules call the same commands.

Exit status: 0 done (a diverged training is a result), 2 something of the user's to mend (one line says what), 130
interrupted, other values are faults of the program, with a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from snn import answer_interrupts
from snn.benchmark.cell import Cell
from snn.benchmark.layout import Layout
from snn.config.read import read_configuration
from snn.errors import UserError, did_you_mean, explained

if TYPE_CHECKING:
    from snn.benchmark.plan import Plan
    from snn.config.blocks import Config
    from snn.phases.experiment import Experiment
    from snn.phases.outcome import Outcome

Command = Callable[[argparse.Namespace], None]
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Where it can write no cache, matplotlib says so beside the line that names the remedy.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    options = parser().parse_args(arguments)
    try:
        answer_interrupts()
        options.run(options)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return 2
    except UnicodeError as error:
        print(f"error: a name is no valid text ({error}); rename it to plain UTF-8", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments and help texts."""
    p = argparse.ArgumentParser(prog="snn", description=(__doc__ or "").splitlines()[0])
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Command, help: str) -> argparse.ArgumentParser:
        c = commands.add_parser(name, help=help, description=help)
        c.set_defaults(run=run)
        c.add_argument("--configfile", nargs="+", type=Path, default=[],
                       help="overlays on config/config.yaml, or one resolved configuration (.json)")  # fmt: skip
        return c

    command("plan", plan, "show the matrix of cells and jobs; nothing is run")
    command("status", status, "show which jobs are done, running, missing or failed, as a grid, and the time left")
    c = command("watch", watch, "run the workflow and show one line of how far it is (make reproduce does it)")
    c.add_argument("workflow", nargs="+", metavar="COMMAND",
                   help="what to run, after --, e.g. -- snakemake --cores 2; its output goes to a file")  # fmt: skip
    c = command("convert", convert, "convert one data set's raw recordings to a store")
    c.add_argument("dataset", help="its name under `datasets:`")
    for phase, run, text in (
        ("train", train, "train one cell, or resume its training"),
        ("sweep", sweep, "evaluate a trained cell at other numbers of time steps"),
        ("deploy", deploy, "run a trained cell on the event-driven engine"),
        ("probe", probe, "measure the mechanisms of a trained cell: gradients, memory, firing rates, noise"),
        (
            "robustness",
            robustness,
            "run a trained cell under simulated hardware non-idealities, and let it learn there",
        ),
        ("adopt", adopt, "make a cell of what a foreign script left in its folder"),
    ):
        c = command(phase, marking_failure("train" if phase == "adopt" else phase, run), text)
        c.add_argument("cell", help="dataset/network/method/T<t>/seed<s>")
        c.add_argument("--token", help="what the workflow planned; another configuration or code is then refused")
    c = command("export-frames", export_frames, "write a data set's frames for a foreign script")
    c.add_argument("dataset", help="its name under `datasets:`")
    c.add_argument("t", type=int, help="time steps of the training")
    c.add_argument("out", type=Path, help="file to write (.npz)")
    command("collect", collect, "put the metrics of all cells into one table")
    c = command("report", report, "render tables, figures and index.html from the collected metrics")
    c.add_argument("--figure", metavar="NAME", help="draw this figure alone, into its files")
    command("mlflow-init", mlflow_init, "make the MLflow store (before any parallel job)")
    command("mlflow-sync", mlflow_sync, "make MLflow show what the files say; rebuilds a deleted store")
    c = command("export-nir", export_nir, "write a cell's deployable network as a NIR graph")
    c.add_argument("cell", help="dataset/network/method/T<t>/seed<s>")
    c.add_argument("out", type=Path, help="file to write (.nir)")
    deployment_commands(commands)
    command("compile", compile_kernels, "compile the numerical kernels once, by a tiny benchmark (make env does it)")
    command("schema", schema, "print the JSON schema of the configuration")
    text = "start a new training method: its file, configuration, rule and test"
    c = commands.add_parser("new-baseline", help=text, description=text)
    c.set_defaults(run=new_baseline)
    c.add_argument("name", help="lower-case words with hyphens, e.g. my-method")
    return p


def deployment_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands that need no configuration: a network from a file on recordings from a folder."""
    text = "deploy a network from a NIR file event-driven on a folder of recordings (docs/nir.md)"
    c = commands.add_parser("deploy-nir", help=text, description=text)
    c.set_defaults(run=deploy_nir)
    c.add_argument("file", type=Path, help="network of any tool (.nir), or of this project (.npz)")
    c.add_argument("--data", type=Path, required=True, help="folder of recordings")
    c.add_argument("--reader", default="event-folder", help="what reads the folder (config/README.md lists all)")
    c.add_argument("--reader-params", nargs="+", default=[], metavar="KEY=VALUE",
                   help="settings of the reader, values in YAML, e.g. height=34 width=34")  # fmt: skip
    c.add_argument("--split", default="test", choices=["test", "train", "all"],
                   help="of the official split; where there is none, all recordings are used")  # fmt: skip
    c.add_argument("--recordings", type=int, help="maximum number of recordings, spread over the classes")
    c.add_argument("--classes", nargs="+", help="names of the network's outputs in their order, where they differ")
    c.add_argument(
        "--reset",
        choices=["hard", "soft"],
        default="hard",
        help="hard: to 0, as NIR defines it; soft: subtract the threshold (some tools write the same file for both)",
    )
    c.add_argument(
        "--dt", type=float, help="of leaky neurons: a step's seconds when the file was written (snnTorch: 1e-4)"
    )
    c.add_argument(
        "--step-us", type=float, help="of leaky neurons: microseconds of a training's step in the recordings"
    )
    c.add_argument("--lower-bound", type=lower_bound, help="of the membrane; NIR files have none")
    c.add_argument(
        "--lower-bounds",
        nargs="+",
        type=lower_bound,
        help="further ones to try: numbers, or none (default: none and 8, 4, 2, 1 thresholds below 0)",
    )
    c.add_argument(
        "--numbers",
        nargs="+",
        default=["float", "int8"],
        choices=["float", "int8", "dynapcnn"],
        help="32-bit numbers; integers of 8 and 16 bits; the same rounded as for the Speck chip",
    )
    c.add_argument("--threads", type=int, default=1)
    c.add_argument("--out", type=Path, help="folder for the page, the table, the figure and the predictions")

    text = "compare the engine with a real chip's spike counts (docs/silicon.md)"
    c = commands.add_parser("silicon", help=text, description=text)
    c.set_defaults(run=silicon)
    c.add_argument("--data", type=Path, required=True, help="folder with N-MNIST, and nir_nmnist/ (fetched if absent)")
    c.add_argument("--split", default="all", choices=["all", "test", "train"], help="recordings for the accuracies")
    c.add_argument("--threads", type=int, default=1)
    c.add_argument("--out", type=Path, default=Path("reports/silicon"), help="folder of the report")


def lower_bound(text: str) -> float | None:
    """A number, or `none`."""
    return None if text == "none" else float(text)


# --- the configuration


def configuration(options: argparse.Namespace) -> Config:
    """The configuration of the options; overlays are laid over config/config.yaml."""
    paths = options.configfile if is_resolved(options) else [project_configuration(), *options.configfile]
    return read_configuration(*paths)


def is_resolved(options: argparse.Namespace) -> bool:
    """Whether the options name one resolved configuration, as the workflow's jobs are given, and no overlays."""
    return len(options.configfile) == 1 and options.configfile[0].suffix == ".json"


def layout(options: argparse.Namespace, config: Config) -> Layout:
    """Where the files are: around the resolved configuration, or in the working folder."""
    if is_resolved(options):
        return Layout.around(options.configfile[0], config.benchmark)
    return Layout(config.benchmark)


def project_configuration() -> Path:
    """config/config.yaml of the working folder, or the project's own where there is none."""
    from snn.benchmark import sources

    path = Path("config/config.yaml")
    return path if path.exists() else sources.ROOT / path


def planned(options: argparse.Namespace) -> Plan:
    from snn.benchmark.plan import Plan

    c = configuration(options)
    return Plan(c, layout(options, c))


def plan(options: argparse.Namespace) -> None:
    from snn.runtime.planning import without_torch

    with without_torch():
        from snn.benchmark.status import plan_text

        print(plan_text(planned(options)))


def status(options: argparse.Namespace) -> None:
    from snn.runtime.planning import without_torch

    with without_torch():
        from snn.benchmark.progress import Observer, line_text
        from snn.benchmark.status import status_text

        plan = planned(options)
        print(status_text(plan))
        print(line_text(Observer(plan).look()))


def watch(options: argparse.Namespace) -> None:
    from snn.runtime.planning import without_torch

    with without_torch():
        from snn.watch import watch

        sys.exit(watch(planned(options), options.workflow))


def schema(options: argparse.Namespace) -> None:
    from snn.benchmark.schema import schema_text

    print(schema_text(), end="")


# --- data


def convert(options: argparse.Namespace) -> None:
    from snn.phases.convert import convert

    c = configuration(options)
    if options.dataset not in c.datasets:
        raise UserError(f"unknown data set {options.dataset!r}{did_you_mean(options.dataset, c.datasets)}")
    convert(c.datasets[options.dataset], layout(options, c).store(options.dataset))


def export_frames(options: argparse.Namespace) -> None:
    from snn.data.store import EventStore, open_store
    from snn.phases.foreign import export

    c = configuration(options)
    store = open_store(layout(options, c).store(options.dataset))
    if not isinstance(store, EventStore):
        raise UserError(f"{options.dataset}: foreign scripts are given frames of events, not static images")
    export(store, options.t, c.sweep.t_eval, options.out)


# --- phases of a cell


def run_phase(options: argparse.Namespace, phase: str, compute: Callable[[Experiment], Outcome]) -> None:
    """Compute one phase of the cell in the options and write its files."""
    from snn.phases.jobs import experiment, planned_cell
    from snn.phases.run import run

    plan = planned(options)
    cell = planned_cell(plan, options.cell, phase, options.token)
    run(phase, experiment(plan, cell, phase), compute)


def train(options: argparse.Namespace) -> None:
    from snn.benchmark.epochs import Epoch, write_epoch
    from snn.phases.jobs import experiment, planned_cell
    from snn.phases.run import run
    from snn.phases.train import train
    from snn.runtime.stopping import requests
    from snn.tracking.live import LiveRun

    plan = planned(options)
    cell = planned_cell(plan, options.cell, "train", options.token)
    job = experiment(plan, cell, "train")
    live = LiveRun(plan.layout.mlflow, cell, settings={"train": job.spec["train"]}, protocol=plan.config.protocol)

    def on_epoch(epoch: int, row: dict[str, float]) -> None:  # called when the checkpoint of the epoch is written
        live.epoch(epoch, row)
        write_epoch(plan.layout, cell.key, Epoch(epoch, job.epochs, row.get("val_accuracy")))
        if stop.received and epoch < job.epochs:
            raise UserError(f"{cell.key}: stopped after epoch {epoch}, as the batch system asked; run again to resume")

    with requests() as stop:
        outcome = run("train", job, lambda e: train(e, on_epoch=on_epoch))
    live.finish(outcome.status)


def sweep(options: argparse.Namespace) -> None:
    from snn.phases.sweep import sweep

    run_phase(options, "sweep", sweep)


def deploy(options: argparse.Namespace) -> None:
    from snn.phases import deploy, foreign_deploy

    foreign = planned(options).is_foreign(Cell.parse(options.cell))
    run_phase(options, "deploy", foreign_deploy.deploy if foreign else deploy.deploy)


def probe(options: argparse.Namespace) -> None:
    from snn.phases.probe import probe

    run_phase(options, "probe", probe)


def robustness(options: argparse.Namespace) -> None:
    from snn.phases.robustness import robustness

    run_phase(options, "robustness", robustness)


def adopt(options: argparse.Namespace) -> None:
    from snn.phases.foreign import adopt
    from snn.phases.jobs import planned_cell

    plan = planned(options)
    adopt(plan, planned_cell(plan, options.cell, "sweep", options.token, foreign=True))


def marking_failure(phase: str, run: Command) -> Command:
    """`run`, leaving a note for `snn status` when it fails."""

    def marked(options: argparse.Namespace) -> None:
        note = layout(options, configuration(options)).failure(Cell.parse(options.cell), phase)
        note.unlink(missing_ok=True)
        try:
            run(options)
        except Exception as error:
            with contextlib.suppress(OSError):  # the disk may be what failed
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(f"{error}\n", encoding="utf-8")
            raise

    return marked


# --- results


def collect(options: argparse.Namespace) -> None:
    from snn.phases.collect import collect

    plan = planned(options)
    c, layout = plan.config, plan.layout
    cells = [
        {**cell.asdict(), "folder": str(layout.cell(cell).path), "phases": plan.phases(cell)} for cell in plan.all_cells
    ]
    manifests = {name: layout.store(name) / "manifest.json" for name in plan.datasets}
    collect(c.benchmark, c.protocol, cells, layout.report, manifests)


def report(options: argparse.Namespace) -> None:
    from snn.report import TEMPLATES, draw, render

    c = configuration(options)
    folder = layout(options, c).report
    if options.figure:
        print(f"figure: {draw(folder, c.model_dump(mode='json'), options.figure)}")
        return
    render(folder, c.model_dump(mode="json"), TEMPLATES)
    print(f"report: {folder / 'index.html'}")


def mlflow_init(options: argparse.Namespace) -> None:
    from snn.tracking.store import init

    init(layout(options, configuration(options)).mlflow)


def mlflow_sync(options: argparse.Namespace) -> None:
    from snn.tracking.sync import sync

    plan = planned(options)
    print(sync(plan.layout, {cell: plan.phases(cell) for cell in plan.all_cells}))


def export_nir(options: argparse.Namespace) -> None:
    from snn.events import load, to_nir

    path = layout(options, configuration(options)).cell(Cell.parse(options.cell)).network_file
    # NIR has neither a lower bound of the membrane nor a soft reset: they travel as metadata, which this project reads.
    to_nir(load(path), options.out, extensions=True)
    print(f"{options.out}: NIR graph of {options.cell}; lower bound and reset stand in its metadata")


def deploy_nir(options: argparse.Namespace) -> None:
    from snn.config.read import read_values
    from snn.deployment import deploy, page

    evaluation = deploy(
        options.file,
        options.data,
        reader=options.reader,
        reader_params=read_values(options.reader_params),
        part=options.split,
        limit=options.recordings,
        reset=options.reset,
        v_min=options.lower_bound,
        dt=options.dt,
        step_us=options.step_us,
        lower_bounds=options.lower_bounds,
        numbers=options.numbers,
        classes=options.classes,
        threads=options.threads,
        progress=True,
    )
    print(evaluation)
    if options.out:
        print(f"\npage: {page.write(evaluation, options.out)}")


def silicon(options: argparse.Namespace) -> None:
    from snn.silicon import page, study

    print(f"report: {page.write(study.run(options.data, options.split, options.threads), options.out)}")


# --- the project itself


def compile_kernels(options: argparse.Namespace) -> None:
    from snn.phases.compile import compile_kernels

    compile_kernels(configuration(options))


def new_baseline(options: argparse.Namespace) -> None:
    from snn import scaffold
    from snn.benchmark import sources
    from snn.benchmark.schema import schema_text
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
