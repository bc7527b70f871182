"""Bring the runs up to date with the files: one run a cell, with everything that its files hold.

The runs of one setting (data set, network, method, training time steps) that has several seeds are the children of a
run with their mean: the UI shows a setting as one line, and its seeds when it is unfolded.

A run whose tag `snn.digest` agrees with the files is left alone. Any other is replaced: one that a killed training left
behind, one that shows older files. Runs of cells that are planned no more are removed; runs of other working copies
are never touched (`snn.tracking.origin`).
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from snn.benchmark.cell import Cell
from snn.benchmark.layout import Layout
from snn.runtime.files import sha256
from snn.tracking.contents import Content, mean, read, small_files
from snn.tracking.failures import answering, clean, server
from snn.tracking.lock import locked
from snn.tracking.runs import CELL, DIGEST, LIVE, MEAN, SEEN, setting_identity
from snn.tracking.store import LAYOUT, ORIGIN, View, connect, init

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
SILENCE = 24 * 3600  # seconds without a point after which a live run of another machine counts as dead


@dataclass(frozen=True)
class Summary:
    """What a sync did to the runs of cells; its text is one line."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0
    missing: int = 0
    where: str = ""

    def __str__(self) -> str:
        counts = f"{self.added} added, {self.replaced} replaced, {self.unchanged} unchanged, {self.removed} removed"
        return f"MLflow: {counts}, {self.missing} cells without results ({self.where})"


def sync(layout: Layout, cells: dict[Cell, list[str]]) -> Summary:
    """Make the runs of a benchmark show what its files hold. A second call changes nothing.

    cells: the planned phases of each planned cell; what a phase left that is planned no more is not shown. Returns
    what was done. UserError where a file is damaged or MLflow does not answer.
    """
    store = layout.mlflow.resolve()
    init(store)
    with answering(store):
        view = connect(store)
    # Two at once would make every run twice. The lock lies beside the store: with a server there is no store here.
    with locked(store.with_name(f".{store.name}.lock")), answering(store):
        return _Sync(view, layout, cells).run()


class _Sync:
    """One sync: the runs that are there and not yet looked at, and what was done so far."""

    def __init__(self, view: View, layout: Layout, cells: dict[Cell, list[str]]):
        self.view, self.layout, self.cells = view, layout, cells
        self.count: dict[str, int] = defaultdict(int)
        self.old: dict[str, list[Run]] = defaultdict(list)
        for run in view.runs():
            self.old[run.data.tags.get(CELL, "")].append(run)

    def run(self) -> Summary:
        settings: dict[str, dict[Cell, dict[str, Path]]] = defaultdict(dict)
        for cell, phases in self.cells.items():
            folder = self.layout.cell(cell)
            if folder.is_complete("train"):
                settings[self._setting(cell)][cell] = small_files(folder, phases)
            else:
                self.count["missing"] += 1
        for key, files in settings.items():
            self._bring_setting(key, files)
        for run in (run for runs in self.old.values() for run in runs):
            if not _alive(run):
                self.view.delete(run)
                self.count["removed"] += run.data.params.get("seed") != MEAN
        return Summary(**self.count, where=clean(server()) or str(self.view.store / "mlflow.db"))

    def _setting(self, cell: Cell) -> str:
        return setting_identity(cell, self.view.origin).tags[CELL]

    def _bring_setting(self, key: str, files: dict[Cell, dict[str, Path]]) -> None:
        """The runs of all seeds of a setting and, where these are several, the parent with their mean."""

        @cache
        def content(cell: Cell) -> Content:
            return read(self.layout, cell, files[cell], self.view.origin)

        digests = {cell: _digest(_lines(of_cell)) for cell, of_cell in files.items()}
        parent = ""
        if len(files) > 1:
            parent, _ = self._bring(
                key,
                _digest(digests.values()),
                lambda: mean(self.layout, {cell: content(cell) for cell in files}, self.view.origin),
            )
        for cell, digest in digests.items():
            _, done = self._bring(cell.key, digest, partial(content, cell), parent)
            self.count[done] += 1

    def _bring(self, key: str, digest: str, content: Callable[[], Content], parent: str = "") -> tuple[str, str]:
        """Make one run that shows the files of this digest, and delete its other runs; (its id, what was done)."""
        old = self.old.pop(key, [])
        right = next((run for run in old if run.data.tags.get(DIGEST) == digest), None)
        if right is None:
            run = self._write(content(), digest, parent)
        else:
            run = right.info.run_id
            if right.data.tags.get(PARENT, "") != parent:
                if parent:
                    self.view.client.set_tag(run, PARENT, parent)
                else:
                    self.view.client.delete_tag(run, PARENT)
        for other in old:
            if other is not right:
                self.view.delete(other)
        return run, "unchanged" if right else "replaced" if old else "added"

    def _write(self, content: Content, digest: str, parent: str) -> str:
        """Make a run; returns its id. The digest is written last: a sync that is killed leaves no run that seems
        complete."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

        client, (name, params, tags) = self.view.client, content.identity
        owner = {key: tags[key] for key in (CELL, ORIGIN)} | ({PARENT: parent} if parent else {})
        run: str = client.create_run(self.view.experiment, content.start, owner, name).info.run_id
        self.view.log(run, [Metric(*point) for point in content.points], params, tags)
        data = content.dataset
        entity = Dataset(
            data.name, data.version or "unknown", "local", str(data.path), profile=json.dumps(data.profile)
        )
        client.log_inputs(run, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
        if content.files:
            with tempfile.TemporaryDirectory() as stage:
                for path_in_run, path in content.files.items():
                    (target := Path(stage, path_in_run)).parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(clean(path.read_text(encoding="utf-8")), encoding="utf-8")
                client.log_artifacts(run, stage)
        client.set_terminated(run, "FINISHED" if content.status == "ok" else "FAILED", content.end)
        client.set_tag(run, DIGEST, digest)
        return run


def _lines(files: dict[str, Path]) -> list[str]:
    return [f"{name} {sha256(path)}" for name, path in files.items()]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join([LAYOUT, *lines]).encode()).hexdigest()[:16]


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
