"""How far a benchmark is: cells done, jobs that run with their epoch, and the time left by what jobs cost so far."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from snn.benchmark.cell import Cell
from snn.benchmark.epochs import Epoch, epoch_file, read_epoch, write_epoch
from snn.benchmark.layout import Layout
from snn.benchmark.plan import Plan
from snn.benchmark.progress import (
    Costs,
    Observer,
    Running,
    duration,
    left_text,
    line_text,
    parsed,
    running_jobs,
)
from snn.config.read import read_configuration
from snn.config.validation import merge

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = {
    "benchmark": "demo",
    "matrix": {"networks": ["3c1fc"], "methods": ["sdt", "mtt"], "t_train": [4], "seeds": [0, 1], "extra": []},
    "probe": {"seeds": 0},
    "robustness": {"seeds": 0, "recovery": []},
}


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def plan(tmp_path) -> Plan:
    """Four cells with three phases each, none of which has run."""
    values = merge(read_configuration(ROOT / "config/config.yaml").model_dump(), OVERLAY)
    loaded = Plan.load(values)
    return Plan(loaded.config, Layout("demo", tmp_path / "results", tmp_path / "reports"))


def finish(plan: Plan, cell: Cell, phase: str, seconds: float, status: str = "ok", token: str | None = None) -> None:
    """Leave what a finished job leaves, as far as anybody looks at it here."""
    record = plan.layout.cell(cell).phase(phase) / "record.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"status": status, "seconds": seconds, "token": token or plan.token(cell, phase)}))


def test_cells_and_jobs_are_counted_as_they_end(plan):
    observer = Observer(plan, processes=lambda: [])
    first, second = plan.cells[0], plan.cells[1]
    assert observer.look()[:4] == (4, 0, 12, 0)
    for phase in ("train", "sweep", "deploy"):
        finish(plan, first, phase, 10)
    finish(plan, second, "train", 10, status="diverged")
    look = observer.look()
    assert look[:4] == (4, 1, 12, 4)
    assert look.states == {"done": 3, "diverged": 1, "missing": 8}
    finish(plan, first, "sweep", 10, token="of-other-code")
    assert observer.look().cells_done == 0, "an old result is made anew"
    plan.layout.failure(second, "sweep").parent.mkdir(parents=True)
    plan.layout.failure(second, "sweep").write_text("no memory\n")
    assert observer.look().states["failed"] == 1


def test_what_runs_is_shown_with_its_epoch(plan):
    write_epoch(plan.layout, plan.cells[0].key, Epoch(1, 4, 0.301))
    job = Running("train", plan.cells[0].key, 12.0)
    look = Observer(plan, processes=lambda: [job, Running("convert", "saccades", 3.0)]).look()
    assert look.states["running"] == 1
    assert look.running[0][3:] == (1, 4, 0.301)
    text = line_text(look)
    assert text.startswith("0/4 cells · 0/12 jobs · perhaps 2 min left · ")
    assert text.endswith(" · train 3c1fc/mtt/T4/seed0 (epoch 1/4, validation 30.1 %), convert saccades")
    write_epoch(plan.layout, plan.cells[0].key, Epoch(2, 4, None))
    assert "(epoch 2/4)" in line_text(Observer(plan, processes=lambda: [job]).look()), "it was not evaluated"


def test_the_time_left_follows_from_measured_costs(plan):
    observer = Observer(plan, processes=lambda: [])
    assert left_text(observer.look()) == "time left: known after the first jobs"
    finish(plan, plan.cells[0], "train", 100)
    assert left_text(observer.look()) == "perhaps 5 min left", "three trainings; no sweep was measured"
    finish(plan, plan.cells[0], "sweep", 20)
    finish(plan, plan.cells[0], "deploy", 30)
    assert not observer.look().complete, "the other method may cost something else"
    for phase, seconds in (("train", 100), ("sweep", 20), ("deploy", 30)):
        finish(plan, plan.cells[2], phase, seconds)
    look = observer.look()
    assert plan.cells[2].method != plan.cells[0].method
    assert look.complete
    assert look.seconds_left == 2 * 150
    two = Observer(plan, processes=lambda: [Running("train", c.key, 40.0) for c in plan.cells[1::2]]).look()
    assert two.seconds_left == (300 - 2 * 40) / 2, "two at once, each 40 s on its way"


def test_a_run_that_is_slower_than_its_jobs_say_is_believed(plan):
    """Costs are the jobs' own seconds: what starting them takes, and others on the machine, shows in the pace."""
    clock = Clock()
    observer = Observer(plan, processes=lambda: [], clock=clock)
    for cell in (plan.cells[0], plan.cells[2]):
        for phase in ("train", "sweep", "deploy"):
            finish(plan, cell, phase, 100)
    assert observer.look().seconds_left == 600
    clock.now = 150
    finish(plan, plan.cells[1], "train", 100)
    assert observer.look().seconds_left == 500 * 1.5


def test_nothing_is_left_at_the_end(plan):
    for cell in plan.cells:
        for phase in plan.phases(cell):
            finish(plan, cell, phase, 1)
    look = Observer(plan, processes=lambda: []).look()
    assert line_text(look) == "4/4 cells · 12/12 jobs · all cells done"


def test_a_damaged_record_is_a_failed_job_without_a_cost(plan):
    finish(plan, plan.cells[0], "train", 1)
    (plan.layout.cell(plan.cells[0]).phase("train") / "record.json").write_text("{")
    look = Observer(plan, processes=lambda: []).look()
    assert look.states["failed"] == 1
    assert look.seconds_left is None


def test_costs_are_those_of_the_most_similar_jobs():
    cell = Cell("a", "net", "sdt", 4, 0)
    costs = Costs({(cell, "train"): 10.0, (Cell("a", "net", "mtt", 4, 0), "train"): 30.0})
    assert costs.of(Cell("a", "net", "sdt", 4, 7), "train") == 10, "another seed"
    assert costs.of(Cell("a", "net", "mtt", 8, 0), "train") == 30, "another T"
    assert costs.of(Cell("a", "net", "tet", 4, 0), "train") == 20, "another method"
    assert costs.of(Cell("b", "other", "tet", 4, 0), "train") == 20, "another data set"
    assert costs.of(cell, "sweep") is None


def test_the_epoch_is_that_of_this_attempt(plan):
    cell = plan.cells[0].key
    assert read_epoch(plan.layout, cell, since=0) is None
    write_epoch(plan.layout, cell, Epoch(1, 4, 0.301))
    assert read_epoch(plan.layout, cell, since=0) == (1, 4, 0.301)
    os.utime(epoch_file(plan.layout, cell), (1000, 1000))
    assert read_epoch(plan.layout, cell, since=1001) is None, "of an earlier attempt"
    epoch_file(plan.layout, cell).write_text("[1, 4")
    assert read_epoch(plan.layout, cell, since=0) is None, "half written"


def test_a_disk_that_refuses_fails_no_training(plan):
    plan.layout.results.parent.mkdir(parents=True)
    plan.layout.results.write_text("a file where the folder should be")
    write_epoch(plan.layout, plan.cells[0].key, Epoch(1, 4, 0.3))
    assert plan.layout.results.is_file(), "it stays as it was"
    assert read_epoch(plan.layout, plan.cells[0].key, since=0) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "python -m snn.warm train a/b/c/T4/seed0 --configfile c.json --token x",
            ("train", "a/b/c/T4/seed0", "c.json"),
        ),
        ("python -m snn convert saccades --configfile c.json", ("convert", "saccades", "c.json")),
        ("/x/bin/python /x/bin/snn collect --configfile c.json", ("collect", "", "c.json")),
        ("python -m snn adopt a/b/c/T4/seed0 --configfile c.json", ("train", "a/b/c/T4/seed0", "c.json")),
        ("python -m snn.warm --serve 7", None),
        ("snn watch --configfile c.yaml -- snakemake", None),
        ("bash -c snn", None),
        ("", None),
    ],
)
def test_command_lines_of_jobs(words, expected):
    assert parsed(words.split()) == expected


def test_the_processes_of_this_machine_are_found(tmp_path, monkeypatch):
    """By command line and configuration; the same cell of another benchmark is not meant."""
    import subprocess

    script = tmp_path / "snn"
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    cell = "saccades/3c1fc/sdt/T4/seed0"
    command = [sys.executable, str(script), "train", cell, "--configfile", "results/demo/config.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        process.stdout.readline()
        (job,) = running_jobs(tmp_path / "results/demo/config.json")
        assert job[:2] == ("train", cell)
        assert job.seconds >= 0
        assert running_jobs(tmp_path / "results/other/config.json") == []
    finally:
        process.kill()
        process.communicate()


def test_durations_are_read_at_a_glance():
    assert [duration(s) for s in (4.2, 61, 720, 11_100, 200_000)] == ["4 s", "1 min", "12 min", "3 h 05 min", "2 d 7 h"]
