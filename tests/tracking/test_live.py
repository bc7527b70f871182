"""Curves of a running training: complete, in one run, and at no cost to the training, whatever becomes of MLflow."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import fake_cells

from snn.benchmark.cell import Cell
from snn.tracking import live
from snn.tracking.runs import LIVE
from snn.tracking.sync import sync

CELL = Cell("saccades", "3c1fc", "mtt", 4, 0)


def live_run(store, cell: Cell = CELL) -> live.LiveRun:
    return live.LiveRun(store, cell, settings={"train": {"lr": 0.1}}, protocol="validation")


def follow(store, *messages: dict) -> None:
    """The far end of a LiveRun, in this process."""
    head = {"store": str(store), "cell": CELL.asdict(), "settings": {"train": {"lr": 0.1}}, "protocol": "validation"}
    live.follow(iter([json.dumps(message) for message in ({**head, "start": 1000}, *messages)]))


def epoch(number: int) -> dict:
    return {"epoch": number, "time": 1000 * number, "metrics": {"loss": 1 / number}}


def test_eight_trainings_on_a_cold_machine(tmp_path, see):
    """No store yet, eight jobs at once: one makes the store, the others wait for it."""
    store = fake_cells.layout(tmp_path).mlflow
    trainings = [live_run(store, replace(CELL, seed=seed)) for seed in range(8)]
    for number in range(1, 4):
        for training in trainings:
            training.epoch(number, {"loss": 1 / number})
    for training in trainings:
        training.process.stdin.write(json.dumps({"status": "ok", "time": 5000}).encode() + b"\n")
        training.process.stdin.close()
    assert [training.process.wait(timeout=100) for training in trainings] == [0] * 8
    runs = see.runs(store)
    assert len(runs) == 8
    for ((run,),) in zip(runs.values(), strict=True):
        assert run.info.status == "FINISHED"
        assert see.curve(store, run, "epoch/loss") == [(1, 1.0), (2, 0.5), (3, 0.333333)]
        assert run.data.params["train.lr"] == "0.1"
        assert run.data.tags["protocol"] == "validation"


def test_a_training_that_is_killed_and_resumed_has_one_run(layout, store, see):
    follow(store, epoch(1), epoch(2), epoch(3))  # the pipe closes: killed
    (killed,) = see.runs(store)[CELL.key]
    assert (killed.info.status, killed.data.tags["snn.status"]) == ("KILLED", "killed")
    follow(store, epoch(3), epoch(4), {"status": "ok", "time": 5000})  # from the checkpoint after epoch 2
    (resumed,) = see.runs(store)[CELL.key]
    assert (resumed.info.run_id, resumed.info.status) == (killed.info.run_id, "FINISHED")
    assert [step for step, _ in see.curve(store, resumed, "epoch/loss")] == [1, 2, 3, 4]
    follow(store, epoch(1), {"status": "diverged", "time": 5000})  # from the start
    (anew,) = see.runs(store)[CELL.key]
    assert (anew.info.run_id != killed.info.run_id, anew.info.status) == (True, "FAILED")
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    assert sync(layout, cells).replaced == 1
    (run,) = see.runs(store)[CELL.key]
    assert LIVE not in run.data.tags


def test_kill_nine_of_a_training_closes_its_run(store, see):
    program = f"""
import os, signal
from snn.benchmark.cell import Cell
from snn.tracking import live
live.WATCHABLE = 0
training = live.LiveRun({str(store)!r}, {CELL!r}, settings={{}}, protocol="validation")
training.epoch(1, {{"loss": 1.0}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program])
    for _ in range(300):
        status = [run.info.status for run in see.runs(store).get(CELL.key, [])]
        if status == ["KILLED"]:
            break
        time.sleep(0.2)
    assert status == ["KILLED"]


def test_a_server_that_is_down_costs_a_training_one_warning(store, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    training = live_run(store)
    training.epoch(1, {"loss": 1.0})
    training.process.wait(timeout=60)
    slowest = 0.0
    for number in range(2, 50):
        started = time.monotonic()
        training.epoch(number, {"loss": float("nan"), "strange": object()})
        slowest = max(slowest, time.monotonic() - started)
    training.finish("ok")
    assert slowest < 1
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["warning: no live curves in MLflow: Connection refused; the training goes on"]


def test_no_failure_of_mlflow_reaches_a_training(tmp_path, monkeypatch, capfd):
    def broken(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(live.subprocess, "Popen", broken)
    training = live_run(fake_cells.layout(tmp_path).mlflow)
    for number in range(3):
        training.epoch(number, {"loss": 1.0})
    training.finish("ok")
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_store_that_hangs_holds_no_training_up(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(live, "GRACE", 0.2)
    monkeypatch.setattr(live, "BACKLOG", 1000)
    popen = subprocess.Popen
    monkeypatch.setattr(live.subprocess, "Popen", lambda _, **k: popen(["sleep", "60"], **k))
    training = live_run(fake_cells.layout(tmp_path).mlflow)
    began = time.monotonic()
    for number in range(2000):
        training.epoch(number, {f"metric{i}": 1.0 for i in range(8)})
    training.finish("ok")
    assert time.monotonic() - began < 10
    assert "the store takes too long" in capfd.readouterr().err
    training.process.kill()


def test_a_short_training_pays_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "WATCHABLE", 60)
    layout = fake_cells.layout(tmp_path)
    training = live_run(layout.mlflow)
    training.epoch(1, {"loss": 1.0})
    training.finish("ok")
    assert training.process is None
    assert not layout.results.exists()
