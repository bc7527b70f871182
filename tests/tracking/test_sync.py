"""MLflow shows what the files say: once each, on any start, whatever was left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import fake_cells
import pytest

from snn.benchmark.cell import Cell
from snn.errors import UserError
from snn.tracking.contents import CORE
from snn.tracking.runs import LIVE, SEEN, identity
from snn.tracking.store import View, connect
from snn.tracking.sync import sync

CELL = Cell("saccades", "3c1fc", "mtt", 4, 0)


def test_a_run_holds_everything_that_the_files_hold(layout, store, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    summary = sync(layout, cells)
    (run,) = see.runs(store)[CELL.key]
    assert summary.added == 1
    assert run.info.run_name == "mtt T4 seed0 3c1fc saccades"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 12500
    cell = CELL.asdict()
    assert {key: run.data.params[key] for key in cell} == {key: str(value) for key, value in cell.items()}
    assert run.data.params["neuron.tau"] == "2.0"
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"
    assert run.data.tags["snn.code"] == "c0de"
    assert run.data.tags["snn.status"] == "ok"
    assert see.curve(store, run, "epoch/loss") == [(1, 2.0), (2, 1.0), (3, 0.666667)]
    assert [step for step, _ in see.curve(store, run, "sweep/accuracy")] == [1, 2, 4, 8]
    assert see.curve(store, run, "train/accuracy") == [(4, 0.5)]
    assert see.curve(store, run, "deploy/event-int8/accuracy") == [(0, 0.48)]
    names = {path.path for path in connect(store).client.list_artifacts(run.info.run_id, "train")}
    assert names == {"train/record.json", "train/history.csv", "train/metrics.csv"}


def test_the_headline_numbers_come_first(layout, store, see):
    sync(layout, fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1))
    (run,) = see.runs(store)[CELL.key]
    assert list(run.data.metrics.items())[:5] == [
        ("core/accuracy", 0.5),
        ("core/accuracy_change_points", -2.0),
        ("core/accuracy_event", 0.48),
        ("core/accuracy_event_int8", 0.48),
        ("core/synaptic_operations", 1000.0),
    ]
    assert not [name for name in run.data.metrics if name < "core/"], "sections of charts are in alphabetical order"


def test_a_run_names_its_data_and_leads_to_the_report_and_the_files(layout, store, see):
    sync(layout, fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1))
    (run,) = see.runs(store)[CELL.key]
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("saccades", "0123456789abcdef")
    assert json.loads(data.dataset.profile) == {"train": 10, "test": 5, "classes": 2, "citation": ""}
    note = run.data.tags["mlflow.note.content"]
    assert str(layout.report / "index.html") in note
    assert str(layout.cell(CELL).path) in note


def test_seeds_are_children_of_a_run_with_their_mean(layout, store, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=3)
    fake_cells.make_cell(layout.cell(CELL), CELL, status="diverged")
    assert sync(layout, cells).added == 3
    mean = see.means(store)["saccades/3c1fc/mtt/T4"]
    assert mean.info.run_name == "mtt T4 mean 3c1fc saccades"
    assert mean.data.params["neuron.tau"] == "2.0"
    assert mean.data.params["seed"] == "mean"
    assert see.curve(store, mean, "core/accuracy") == [(0, 0.5075)], "of the two that did not diverge"
    assert [step for step, _ in see.curve(store, mean, "epoch/loss")] == [1, 2, 3]
    assert f"`{CELL.key}`, diverged" in mean.data.tags["mlflow.note.content"]
    parents = [run.data.tags["mlflow.parentRunId"] for (run,) in see.runs(store).values()]
    assert parents == [mean.info.run_id] * 3


def test_headline_means_have_no_rounding_errors(layout, store, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=3)
    for cell, accuracy in zip(cells, (0.816, 0.865, 0.83), strict=True):
        fake_cells.make_cell(layout.cell(cell), cell, accuracy=accuracy)
    sync(layout, cells)
    (mean,) = see.means(store).values()
    assert mean.data.metrics["core/accuracy"] == 0.837, "not 0.8370000000000001, as floating-point numbers add up"


def test_the_experiments_page_links_to_its_means_best_first(layout, store):
    view = connect(store)
    note = view.client.get_experiment(view.experiment).tags["mlflow.note.content"]
    links = [urlsplit(link) for link in re.findall(r"\]\(#([^)]*)\)", note)]
    assert len(links) == 3
    for link, metric in zip(links, ("accuracy_event_int8", "accuracy_change_points", "accuracy"), strict=True):
        assert link.path == f"/experiments/{view.experiment}/runs"
        asked = parse_qs(link.query)
        assert asked["searchFilter"] == ['params.seed = "mean"']
        assert asked["orderByKey"] == [f"metrics.`core/{metric}`"]
        assert f"core/{metric}" in CORE


def test_the_mean_follows_its_seeds(layout, store, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=3)
    *others, last = cells
    sync(layout, dict.fromkeys(others, fake_cells.PHASES))
    (before,) = see.means(store).values()
    sync(layout, dict.fromkeys(others, fake_cells.PHASES))
    assert see.means(store)["saccades/3c1fc/mtt/T4"].info.run_id == before.info.run_id
    assert sync(layout, cells).unchanged == 2
    (after,) = see.means(store).values()
    assert see.curve(store, after, "core/accuracy") != see.curve(store, before, "core/accuracy")
    assert {run.data.tags["mlflow.parentRunId"] for (run,) in see.runs(store).values()} == {after.info.run_id}
    summary = sync(layout, {last: fake_cells.PHASES})
    assert (summary.unchanged, summary.removed) == (1, 2)
    assert not see.means(store), "one seed is its own mean"
    assert "mlflow.parentRunId" not in see.runs(store)[last.key][0].data.tags


def test_what_a_phase_left_that_is_planned_no_more_is_not_shown(layout, store, see):
    fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    sync(layout, {CELL: ["train", "sweep"]})
    (run,) = see.runs(store)[CELL.key]
    assert see.curve(store, run, "train/accuracy")
    assert not see.curve(store, run, "deploy/event-int8/accuracy")


def test_two_syncs_at_once_make_no_run_twice(layout, store, see):
    cells = fake_cells.make_benchmark(layout)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: sync(layout, cells), range(2)))
    assert sorted((s.added, s.unchanged) for s in both) == [(0, 4), (4, 0)]
    assert all(len(runs) == 1 for runs in see.runs(store).values())


def test_a_sync_repeats_nothing_replaces_what_changed_and_removes_what_is_gone(layout, store, see):
    cells = fake_cells.make_benchmark(layout)
    first, second, *_ = cells
    assert sync(layout, cells).added == 4
    assert sync(layout, cells).unchanged == 4
    before = see.runs(store)
    shutil.rmtree(layout.cell(first).path)
    fake_cells.make_cell(layout.cell(first), first, status="diverged")
    shutil.rmtree(layout.cell(second).path)
    summary = sync(layout, cells)
    assert (summary.added, summary.replaced, summary.unchanged) == (0, 1, 2)
    assert (summary.removed, summary.missing) == (1, 1)
    after = see.runs(store)
    assert {key: len(runs) for key, runs in after.items()} == {key: 1 for key in before if key != second.key}
    (run,) = after[first.key]
    assert run.info.status == "FAILED"
    assert run.data.tags["snn.reason"] == "loss is not finite in epoch 3"
    assert [step for step, _ in see.curve(store, run, "epoch/loss")] == [1, 2]


def test_a_deleted_store_is_rebuilt_without_duplicates(layout, tmp_path, see):
    cells = fake_cells.make_benchmark(layout)
    sync(layout, cells)
    before = {key: (run.data.metrics, run.data.params) for key, (run,) in see.runs(layout.mlflow).items()}
    again = fake_cells.layout(
        tmp_path / "again"
    )  # another folder: MLflow keeps connections to a store that it has seen
    shutil.copytree(layout.results / "cells", again.results / "cells")
    assert sync(again, cells).added == 4
    assert {key: (run.data.metrics, run.data.params) for key, (run,) in see.runs(again.mlflow).items()} == before


def test_a_killed_sync_leaves_nothing_double(layout, store, monkeypatch, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",))
    log, calls = View.log, []

    def fails_late(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        log(*arguments, **options)

    monkeypatch.setattr(View, "log", fails_late)
    with pytest.raises(KeyboardInterrupt):
        sync(layout, cells)
    monkeypatch.setattr(View, "log", log)
    sync(layout, cells)
    assert [len(runs) for runs in see.runs(store).values()] == [1, 1]


def test_a_sync_leaves_a_training_that_still_runs_alone_and_clears_up_after_a_dead_one(layout, store, see):
    view = connect(store)
    here = socket.gethostname()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    now, day = int(time.time() * 1000), 24 * 3600 * 1000
    writers = [
        (f"{here}:{os.getpid()}", 0),
        (f"{here}:{dead.pid}", now),
        ("elsewhere:1", now),
        ("elsewhere:1", now - day),
    ]
    for seed, (writer, seen) in enumerate(writers):
        name, params, tags = identity(replace(CELL, seed=seed), view.origin)
        run = view.client.create_run(view.experiment, run_name=name).info.run_id
        view.log(run, params=params, tags=tags | {LIVE: writer, SEEN: seen})
    assert sync(layout, {}).removed == 2
    assert sorted(see.runs(store)) == [CELL.key, replace(CELL, seed=2).key]


def test_no_secret_reaches_a_run(layout, store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim-1234")
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    record = layout.cell(CELL).phase("train") / "record.json"
    record.write_text(record.read_text().replace("0.1", '"geheim-1234"'))
    sync(layout, cells)
    seen = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert b"hunter22" not in seen
    assert b"geheim" not in seen
    assert b"https://***@host/data" in seen


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("record.json", "{}", "not a record of a phase"),
        ("record.json", '{"status": "ok"}', "not as this program writes it"),
        ("metrics.csv", "phase,t_eval,mode,metric,value\ntrain,4,clock,accuracy,high\n", "not as this program writes"),
    ],
)
def test_a_damaged_file_is_named(layout, name, content, said):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    (layout.cell(CELL).phase("train") / name).write_text(content)
    with pytest.raises(UserError, match=rf"seed0/train/{name}: {said}"):
        sync(layout, cells)
