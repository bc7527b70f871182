"""A store of a small benchmark called `demo`, and what a person sees in it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import fake_cells
import pytest

from snn.benchmark.layout import Layout
from snn.tracking import live
from snn.tracking.runs import CELL, MEAN
from snn.tracking.store import connect, init


@pytest.fixture(autouse=True)
def local(monkeypatch):
    """No server of whoever runs the tests; live curves from the first epoch on."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(live, "WATCHABLE", 0.0)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A store is made once (its schema takes seconds) and copied."""
    store = fake_cells.layout(tmp_path_factory.mktemp("made")).mlflow
    init(store)
    return store


@pytest.fixture
def layout(empty_store, tmp_path) -> Layout:
    """The benchmark's folders, with an empty store."""
    layout = fake_cells.layout(tmp_path)
    store = layout.mlflow
    shutil.copytree(empty_store, store)
    made = json.loads((store / "made.json").read_text())
    (store / "made.json").write_text(json.dumps({**made, "folder": str(store)}))
    with sqlite3.connect(store / "mlflow.db") as sql:
        sql.execute("update experiments set artifact_location = ?", [(store / "artifacts").as_uri()])
    return layout


@pytest.fixture
def store(layout) -> Path:
    return layout.mlflow


@pytest.fixture(scope="session")
def see() -> SimpleNamespace:
    """see.runs(store), see.means(store): the runs that a person sees, by cell, and those of the means, by setting.
    see.curve(store, run, metric): its points."""

    def all_runs(store: Path) -> list:
        view = connect(store)
        return view.client.search_runs([view.experiment], max_results=1000)

    def runs(store: Path) -> dict[str, list]:
        by_cell: dict[str, list] = {}
        for run in all_runs(store):
            if run.data.params.get("seed") != MEAN:
                by_cell.setdefault(run.data.tags[CELL], []).append(run)
        return by_cell

    def means(store: Path) -> dict[str, object]:
        runs = [run for run in all_runs(store) if run.data.params.get("seed") == MEAN]
        by_setting = {run.data.tags[CELL]: run for run in runs}
        assert len(by_setting) == len(runs), "one mean a setting"
        return by_setting

    def curve(store: Path, run, metric: str) -> list[tuple[int, float]]:
        points = connect(store).client.get_metric_history(run.info.run_id, metric)
        return sorted((point.step, round(point.value, 6)) for point in points)

    return SimpleNamespace(runs=runs, means=means, curve=curve)
