"""Bring the runs up to date with the files: one run a cell, with everything that its files hold.

A run whose tag `snn.digest` agrees with the files is left alone. Any other is replaced: one that a killed training left
behind, one that shows older files. Runs of cells that are planned no more are removed.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snn.benchmark.cell import Cell
from snn.benchmark.layout import REMEDY, CellFolder, Layout
from snn.errors import UserError
from snn.runtime.files import sha256
from snn.tracking.failures import answering, clean, server
from snn.tracking.lock import locked
from snn.tracking.runs import CELL, DIGEST, LIVE, SEEN, flat, identity, metrics, numbers
from snn.tracking.store import ORIGIN, View, connect, init

if TYPE_CHECKING:
    from mlflow.entities import Run

LAYOUT = "1"  # how runs are laid out; raise it, and the next sync replaces every run
SILENCE = 24 * 3600  # seconds without a point after which a live run of another machine counts as dead
SMALL = 2 << 20  # bytes: larger files are not copied into a run


@dataclass(frozen=True)
class Summary:
    """What a sync did; its text is one line."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    missing: int = 0
    where: str = ""

    def __str__(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {self.removed} removed"
        return f"MLflow: {counts}, {self.missing} cells without results ({self.where})"


@dataclass(frozen=True)
class Point:
    """Values of some metrics at one time (milliseconds since 1970) and step."""

    values: dict[str, float]
    time_ms: int
    step: int


@dataclass(frozen=True)
class Content:
    """What a run shows, as read from the files; files: path in the artifacts -> file; start, end: milliseconds."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    points: list[Point]
    start: int
    end: int
    status: str
    files: dict[str, Path]


def sync(layout: Layout, cells: dict[Cell, list[str]]) -> Summary:
    """Make the runs of a benchmark show what its files hold. A second call changes nothing.

    cells: the planned phases of each planned cell; what a phase left that is planned no more is not shown. Returns
    what was done. UserError where a file is damaged or MLflow does not answer.
    """
    store = layout.mlflow.resolve()
    init(store)
    count: dict[str, int] = defaultdict(int)
    with answering(store):
        view = connect(store)
    # Two at once would make every run twice. The lock lies beside the store: with a server there is no store here.
    with locked(store.with_name(f".{store.name}.lock")), answering(store):
        runs = defaultdict(list)
        for run in view.runs():
            runs[run.data.tags.get(CELL)].append(run)
        for cell, phases in cells.items():
            folder = layout.cell(cell)
            if folder.is_complete("train"):
                count[_bring(view, cell, folder, _files(folder, phases), runs.pop(cell.key, []))] += 1
            else:
                count["missing"] += 1
        for run in (run for rest in runs.values() for run in rest):
            if not _alive(run):
                view.delete(run)
                count["removed"] += 1
    return Summary(**count, where=clean(server()) or str(store / "mlflow.db"))


def _bring(view: View, cell: Cell, folder: CellFolder, files: dict[str, Path], old: list[Run]) -> str:
    """Make one run of the cell that shows these files, and delete its other runs; returns what was done.

    The digest is written last, so that a sync that is killed leaves no run that seems complete.
    """
    digest = _digest(files)
    right = [run for run in old if run.data.tags.get(DIGEST) == digest][:1]
    if not right:
        content = read(cell, folder, files, view.origin)
        owner = {key: content.tags[key] for key in (CELL, ORIGIN)}
        run = view.client.create_run(view.experiment, content.start, owner, content.name).info.run_id
        points = [metric for point in content.points for metric in metrics(point.values, point.time_ms, point.step)]
        view.log(run, points, content.params, content.tags)
        with tempfile.TemporaryDirectory() as stage:
            for name, path in content.files.items():
                (target := Path(stage, name)).parent.mkdir(parents=True, exist_ok=True)
                target.write_text(clean(path.read_text(encoding="utf-8")), encoding="utf-8")
            view.client.log_artifacts(run, stage)
        view.client.set_terminated(run, content.status, content.end)
        view.client.set_tag(run, DIGEST, digest)
    for rest in old:
        if rest not in right:
            view.delete(rest)
    return "unchanged" if right else "replaced" if old else "added"


def _files(folder: CellFolder, phases: list[str]) -> dict[str, Path]:
    """The small text files of a cell's phases, by their path in its folder."""
    paths = (path for phase in phases for path in folder.files(phase) if path.suffix in (".json", ".csv"))
    return {
        str(path.relative_to(folder.path)): path
        for path in sorted(paths)
        if path.exists() and path.stat().st_size <= SMALL
    }


def _digest(files: dict[str, Path]) -> str:
    lines = [LAYOUT, *(f"{name} {sha256(path)}" for name, path in files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read(cell: Cell, folder: CellFolder, files: dict[str, Path], origin: str) -> Content:
    """What the run of a cell shows. UserError, naming the file, where one is not as this program writes it."""
    name, params, tags = identity(cell, origin)
    record = folder.record("train")
    path = folder.phase("train") / "record.json"
    points = []
    try:
        start = int(datetime.fromisoformat(record["started"]).timestamp() * 1000)
        end = start + int(1000 * float(record.get("seconds") or 0))
        path, time_ms = folder.phase("train") / "history.csv", float(start)
        for row in folder.rows("train", "history.csv"):
            time_ms += 1000 * float(row.get("seconds") or 0)
            points.append(Point(numbers(row, "epoch/"), int(time_ms), int(row["epoch"])))
            points[-1].values.pop("epoch/epoch", None)
        for phase in (Path(name).parent.name for name in files if name.endswith("/metrics.csv")):
            path = folder.phase(phase) / "metrics.csv"
            for row in folder.rows(phase, "metrics.csv"):
                mode = "" if row["mode"] in ("", "clock") else f"_{row['mode']}"
                key = f"{row['phase']}/{row['metric']}{mode}"  # the UI makes a section of what is before the slash
                points.append(Point(numbers({key: row["value"]}), end, int(row["t_eval"] or 0)))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not as this program writes it ({error!r}); {REMEDY}") from None
    config = {key: value for key, value in record.get("config", {}).items() if key != "cell"}
    tags |= {
        "mlflow.source.git.commit": record.get("commit", ""),
        "mlflow.note.content": _note(cell, record, points),
        "snn.code": record.get("code", ""),
        "snn.status": record["status"],
    }
    if record.get("reason"):
        tags["snn.reason"] = record["reason"]
    status = "FINISHED" if record["status"] == "ok" else "FAILED"
    return Content(name, flat(config) | params, tags, points, start, end, status, files)


def _note(cell: Cell, record: dict[str, Any], points: list[Point]) -> str:
    """What a person reads first on the page of a run."""
    lines = [f"Files: `{cell.key}`, status **{record['status']}** {record.get('reason', '')}".rstrip()]
    last = {key: (value, p.step) for p in points for key, value in p.values.items() if "accuracy" in key}
    for key, (value, step) in sorted(last.items()):
        if not key.startswith("epoch/"):
            lines.append(f"* {key}{f' at T={step}' if step else ''}: {value:.4f}")
    return "\n".join(lines)


def _alive(run: Run) -> bool:
    """Whether a live run's training may still be going on.

    A process of this machine is asked for; one of another machine counts as dead after `SILENCE`.
    """
    if run.info.status != "RUNNING" or LIVE not in run.data.tags:
        return False
    host, _, pid = run.data.tags[LIVE].rpartition(":")
    if host != socket.gethostname():
        seen = int(run.data.tags.get(SEEN, run.info.start_time))
        return time.time() - seen / 1000 < SILENCE
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
