"""What a run shows, read from the files: of one cell, and as the mean over the seeds of a setting.

Names of metrics, whose part before the last slash is a section of the UI's charts; sections come in alphabetical order:

    core/accuracy, …                   the headline numbers, see `CORE`
    deploy/event-int8/accuracy, …      event-driven, by mode; deploy/accuracy, … : clock-driven, on the same recordings
    epoch/loss, …                      step: the epoch
    robustness/accuracy/bits-4, …      by mode of the simulated hardware non-idealities
    probe/…, sweep/…, train/…          step: the time steps T of the evaluation
"""

from __future__ import annotations

import re
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from snn.benchmark.cell import Cell
from snn.benchmark.layout import REMEDY, CellFolder, Layout
from snn.errors import UserError
from snn.runtime.files import read_json
from snn.tracking.runs import Identity, flat, identity, numbers, setting_identity

SMALL = 2 << 20  # bytes: larger files are not copied into a run


class Source(NamedTuple):
    """A metric of a cell, and the factor to the unit in which it is shown."""

    phase: str
    mode: str
    metric: str
    factor: float = 1.0


CORE = {
    "core/accuracy": Source("train", "clock", "accuracy"),
    "core/accuracy_change_points": Source("deploy", "event-float", "difference", 100.0),
    "core/accuracy_event": Source("deploy", "event-float", "accuracy"),
    "core/accuracy_event_int8": Source("deploy", "event-int8", "accuracy"),
    "core/synaptic_operations": Source("deploy", "event-float", "synops"),
}
"""The headline numbers: clock-driven test accuracy; accuracy change on event-driven deployment, in points (negative is
worse); accuracy after event-driven deployment, with float and with int8 weights; synaptic operations a recording."""


class Point(NamedTuple):
    """One value of a metric; time_ms: milliseconds since 1970."""

    name: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class Dataset:
    """The data of a run; version: sixteen hex digits; path: its store; profile: counts and the like."""

    name: str
    version: str
    path: Path
    profile: dict[str, Any]


@dataclass(frozen=True)
class Content:
    """What a run shows. start, end: milliseconds since 1970; status: `ok` or as in the record of the training;
    files: path in the artifacts -> file."""

    identity: Identity
    points: list[Point]
    start: int
    end: int
    status: str
    dataset: Dataset
    files: dict[str, Path]


def small_files(folder: CellFolder, phases: Sequence[str]) -> dict[str, Path]:
    """The small text files of a cell's phases, by their path in its folder."""
    paths = (path for phase in phases for path in folder.files(phase) if path.suffix in (".json", ".csv"))
    return {
        str(path.relative_to(folder.path)): path
        for path in sorted(paths)
        if path.exists() and path.stat().st_size <= SMALL
    }


def read(layout: Layout, cell: Cell, files: dict[str, Path], origin: str) -> Content:
    """What the run of a cell shows; files: the small ones of its planned phases.

    UserError, naming the file, where one is not as this program writes it.
    """
    folder = layout.cell(cell)
    record = folder.record("train")
    path = folder.phase("train") / "record.json"
    try:
        start = int(datetime.fromisoformat(record["started"]).timestamp() * 1000)
        end = start + int(1000 * float(record.get("seconds") or 0))
        config = {key: value for key, value in record.get("config", {}).items() if key != "cell"}
        path = folder.phase("train") / "history.csv"
        points = list(_epochs(folder.rows("train", path.name), start))
        for phase in (Path(name).parent.name for name in files if name.endswith("/metrics.csv")):
            path = folder.phase(phase) / "metrics.csv"
            points += _metrics(folder.rows(phase, path.name), end)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not as this program writes it ({error!r}); {REMEDY}") from None
    order = {name: i for i, name in enumerate(CORE)}  # the UI lists metrics in the order of their writing
    points.sort(key=lambda point: order.get(point.name, len(order)))
    name, params, tags = identity(cell, origin)
    tags |= {
        "mlflow.source.git.commit": record.get("commit", ""),
        "mlflow.note.content": _note(layout, cell, record),
        "snn.code": record.get("code", ""),
        "snn.status": record["status"],
    }
    if record.get("reason"):
        tags["snn.reason"] = record["reason"]
    dataset = _dataset(layout, cell.dataset, record.get("dataset_version", ""))
    return Content(Identity(name, flat(config) | params, tags), points, start, end, record["status"], dataset, files)


def _epochs(rows: list[dict[str, str]], start: int) -> Iterator[Point]:
    time_ms = float(start)
    for row in rows:
        time_ms += 1000 * float(row.get("seconds") or 0)
        step = int(row["epoch"])
        for name, value in numbers(row).items():
            if name != "epoch":
                yield Point(f"epoch/{name}", value, int(time_ms), step)


def _metrics(rows: list[dict[str, str]], time_ms: int) -> Iterator[Point]:
    headlines = {source[:3]: (name, source.factor) for name, source in CORE.items()}
    for row in rows:
        phase, mode, metric = row["phase"], row["mode"], row["metric"]
        for value in numbers({metric: row["value"]}).values():
            yield Point(_name(phase, mode, metric), value, time_ms, int(row["t_eval"] or 0))
            if headline := headlines.get((phase, mode, metric)):
                yield Point(headline[0], round(value * headline[1], 9), time_ms, 0)


def _name(phase: str, mode: str, metric: str) -> str:
    mode = re.sub(r"[^\w\-. :/]", "_", mode)  # MLflow takes no `@` and `=`, as in `event-int8@v_min=-4`
    if phase == "robustness":
        return f"{phase}/{metric}/{mode}"
    return f"{phase}/{metric}" if mode in ("", "clock") else f"{phase}/{mode}/{metric}"


def _dataset(layout: Layout, name: str, version: str) -> Dataset:
    """The data set; without numbers where its store is not there (any more)."""
    path = layout.store(name)
    try:
        manifest = read_json(path / "manifest.json")
        counts = {split: sum(classes.values()) for split, classes in manifest["counts"].items()}
        profile = counts | {"classes": len(manifest["classes"]), "citation": manifest.get("citation", "")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        profile = {}
    return Dataset(name, version, path.resolve(), profile)


def _note(layout: Layout, cell: Cell, record: dict[str, Any]) -> str:
    """What a person reads first on the page of a cell's run; the UI shows three lines before it is unfolded."""
    status = f"**{record['status']}**" + (f": {record['reason']}" if record.get("reason") else "")
    return "\n".join([f"* Status: {status}", *_places(layout, layout.cell(cell).path)])


def _places(layout: Layout, files: Path) -> list[str]:
    host = socket.gethostname()
    return [
        f"* Report: `{layout.report.resolve() / 'index.html'}` on {host}",
        f"* Files: `{files.resolve()}`",
    ]


def mean(layout: Layout, contents: dict[Cell, Content], origin: str) -> Content:
    """The mean over the seeds of one setting, of each value over all seeds that have it.

    Cells whose training diverged count in no mean; the note names them. Parameters are those that all seeds share.
    """
    cells = sorted(contents)
    ok = [contents[cell] for cell in cells if contents[cell].status == "ok"]
    values: dict[tuple[str, int], list[Point]] = defaultdict(list)
    for content in ok:
        for point in content.points:
            values[point.name, point.step].append(point)
    points = []
    for (name, step), same in values.items():
        value = fmean(p.value for p in same)
        if name in CORE:  # as of the seeds: the page shows all digits, also those that are rounding errors
            value = round(value, 9)
        points.append(Point(name, value, same[0].time_ms, step))
    name, params, tags = setting_identity(cells[0], origin)
    every = [contents[cell].identity.params for cell in cells]
    shared = {key: value for key, value in every[0].items() if all(p.get(key) == value for p in every)}
    lines = [f"* Mean over {len(ok)} seed{'s' * (len(ok) != 1)}", *_places(layout, layout.cell(cells[0]).path.parent)]
    lines += [f"* Not in the mean: `{c.key}`, {contents[c].status}" for c in cells if contents[c].status != "ok"]
    for (headline, _), same in values.items():
        if headline in CORE:
            lowest, highest = min(p.value for p in same), max(p.value for p in same)
            lines.append(f"* {headline}: from {lowest:.4g} to {highest:.4g}")
    tags["mlflow.note.content"] = "\n".join(lines)
    start = min(content.start for content in contents.values())
    return Content(
        Identity(name, shared | params, tags),
        points,
        start,
        start + int(fmean(content.end - content.start for content in contents.values())),
        "ok" if ok else contents[cells[0]].status,
        contents[cells[0]].dataset,
        {},
    )
