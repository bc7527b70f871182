"""MLflow shows what the files say: once each, on any start, whatever was left behind, at no training's cost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_cells
import pytest

from snn.errors import UserError
from snn.tracking import track

CELL = {"dataset": "saccades", "network": "3c1fc", "method": "mtt", "t_train": 4, "seed": 0}


@pytest.fixture(autouse=True)
def local(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(track, "WATCHABLE", 0.0)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store is made once (its schema takes seconds) and copied."""
    store = tmp_path_factory.mktemp("made") / "demo" / "mlflow"
    track.init(store)
    return store


@pytest.fixture
def store(empty_store, tmp_path) -> Path:
    store = tmp_path / "demo" / "mlflow"
    shutil.copytree(empty_store, store)
    made = json.loads((store / "made.json").read_text())
    (store / "made.json").write_text(json.dumps({**made, "folder": str(store)}))
    with track_sql(store) as sql:
        sql.execute("update experiments set artifact_location = ?", [(store / "artifacts").as_uri()])
    return store


def track_sql(store: Path):
    import sqlite3

    return sqlite3.connect(store / "mlflow.db")


def runs(store: Path) -> dict[str, list]:
    """The runs that a person sees, by cell."""
    client = track._client(store)
    experiment = client.get_experiment_by_name("demo").experiment_id
    found: dict[str, list] = {}
    for run in client.search_runs([experiment], max_results=1000):
        found.setdefault(run.data.tags[track.CELL], []).append(run)
    return found


def curve(store: Path, run, name: str) -> list[tuple[int, float]]:
    points = track._client(store).get_metric_history(run.info.run_id, name)
    return sorted((point.step, round(point.value, 6)) for point in points)


def follow(store: Path, *messages: dict, **head) -> None:
    """The far end of a LiveRun, in this process."""
    first = {"store": str(store), "cell": CELL, "params": {"train": {"lr": 0.1}}, "tags": {"phase": "train"}}
    first |= {"experiment": "demo", "resume_epoch": 0, "start": 1000, **head}
    track._follow(iter([json.dumps(message) for message in (first, *messages)]))


def epoch(number: int) -> dict:
    return {"epoch": number, "time": 1000 * number, "metrics": {"loss": 1 / number}}


def test_a_run_holds_everything_that_the_files_hold(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    summary = track.sync("demo", cells, store)
    (run,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert summary.added == 1
    assert run.info.run_name == "mtt T4 seed0 3c1fc saccades"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 12500
    assert {key: run.data.params[key] for key in CELL} == {key: str(value) for key, value in CELL.items()}
    assert run.data.params["neuron.tau"] == "2.0"
    assert run.data.tags["mlflow.source.git.commit"] == "abc123"
    assert run.data.tags["snn.code"] == "c0de"
    assert run.data.tags["snn.status"] == "ok"
    assert curve(store, run, "epoch/loss") == [(1, 2.0), (2, 1.0), (3, 0.666667)]
    assert [step for step, _ in curve(store, run, "sweep/accuracy")] == [1, 2, 4, 8]
    assert curve(store, run, "train/accuracy") == [(4, 0.5)]
    assert curve(store, run, "deploy/accuracy_event-int8") == [(0, 0.48)]
    names = {path.path for path in track._client(store).list_artifacts(run.info.run_id, "train")}
    assert names == {"train/record.json", "train/history.csv", "train/metrics.csv"}


def test_what_a_phase_left_that_is_planned_no_more_is_not_shown(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    (cell,) = ({**cell, "phases": ["train", "sweep"]} for cell in cells)
    track.sync("demo", [cell], store)
    (run,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert curve(store, run, "train/accuracy")
    assert not curve(store, run, "deploy/accuracy_event-int8")


def test_two_syncs_at_once_make_no_run_twice(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: track.sync("demo", cells, store), range(2)))
    assert sorted((s.added, s.unchanged) for s in both) == [(0, 4), (4, 0)]
    assert all(len(found) == 1 for found in runs(store).values())


def test_a_sync_repeats_nothing_replaces_what_changed_and_removes_what_is_gone(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo")
    page = tmp_path / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("<h1>Report</h1>")
    assert track.sync("demo", cells, store, page).added == 5
    assert track.sync("demo", cells, store, page).unchanged == 5
    before = runs(store)
    fake_cells.make(cells[0]["folder"], status="diverged")
    shutil.rmtree(cells[1]["folder"])
    summary = track.sync("demo", cells, store, page)
    assert (summary.added, summary.replaced, summary.unchanged) == (0, 1, 3)
    assert (summary.removed, summary.missing) == (1, 1)
    after = runs(store)
    assert {key: len(found) for key, found in after.items()} == {key: 1 for key in before if "sdt/T4/seed1" not in key}
    (run,) = after["saccades/3c1fc/sdt/T4/seed0"]
    assert run.info.status == "FAILED"
    assert run.data.tags["snn.reason"] == "loss is not finite in epoch 2"
    assert [step for step, _ in curve(store, run, "epoch/loss")] == [1, 2]


def test_a_deleted_store_is_rebuilt_without_duplicates(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo")
    track.sync("demo", cells, store)
    before = {key: (run.data.metrics, run.data.params) for key, (run,) in runs(store).items()}
    again = tmp_path / "again" / "demo" / "mlflow"  # MLflow keeps connections to a store that it has seen
    assert track.sync("demo", cells, again).added == 4
    assert {key: (run.data.metrics, run.data.params) for key, (run,) in runs(again).items()} == before


def test_a_moved_store_is_made_afresh(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    track.sync("demo", cells, store)
    moved = tmp_path / "elsewhere" / "demo" / "mlflow"
    moved.parent.mkdir(parents=True)
    shutil.move(store, moved)
    assert track.sync("demo", cells, moved).added == 1
    (run,) = runs(moved)["saccades/3c1fc/mtt/T4/seed0"]
    assert run.info.artifact_uri.startswith((moved / "artifacts").as_uri())


def test_a_killed_sync_leaves_nothing_double(store, tmp_path, monkeypatch):
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",))
    log, calls = track._log, []

    def fails_late(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        log(*arguments, **options)

    monkeypatch.setattr(track, "_log", fails_late)
    with pytest.raises(KeyboardInterrupt):
        track.sync("demo", cells, store)
    monkeypatch.setattr(track, "_log", log)
    track.sync("demo", cells, store)
    assert [len(found) for found in runs(store).values()] == [1, 1]


def test_eight_trainings_on_a_cold_machine(tmp_path):
    """No store yet, eight jobs at once: one makes the store, the others wait for it."""
    store = tmp_path / "demo" / "mlflow"
    live = [track.LiveRun(store, CELL | {"seed": seed}, {"lr": 0.1}, {}, "demo") for seed in range(8)]
    for number in range(1, 4):
        for run in live:
            run.epoch(number, {"loss": 1 / number})
    for run in live:
        run._child.stdin.write(json.dumps({"status": "ok", "time": track._now()}).encode() + b"\n")
        run._child.stdin.close()
    assert [run._child.wait(timeout=100) for run in live] == [0] * 8
    found = runs(store)
    assert len(found) == 8
    for ((run,),) in zip(found.values(), strict=True):
        assert run.info.status == "FINISHED"
        assert curve(store, run, "epoch/loss") == [(1, 1.0), (2, 0.5), (3, 0.333333)]


def test_a_training_that_is_killed_and_resumed_has_one_run(store, tmp_path):
    follow(store, epoch(1), epoch(2), epoch(3))  # the pipe closes: killed
    (killed,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert (killed.info.status, killed.data.tags["snn.status"]) == ("KILLED", "killed")
    follow(store, epoch(3), epoch(4), {"status": "ok", "time": 5000})  # from the checkpoint after epoch 2
    (resumed,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert (resumed.info.run_id, resumed.info.status) == (killed.info.run_id, "FINISHED")
    assert [step for step, _ in curve(store, resumed, "epoch/loss")] == [1, 2, 3, 4]
    follow(store, epoch(1), {"status": "diverged", "time": 5000})  # from the start
    (anew,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert (anew.info.run_id != killed.info.run_id, anew.info.status) == (True, "FAILED")
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    assert track.sync("demo", cells, store).replaced == 1
    (run,) = runs(store)["saccades/3c1fc/mtt/T4/seed0"]
    assert track.LIVE not in run.data.tags


def test_a_sync_leaves_a_training_that_still_runs_alone_and_clears_up_after_a_dead_one(store):
    client = track._client(store)
    experiment = client.get_experiment_by_name("demo").experiment_id
    here = track.socket.gethostname()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for seed, pid in enumerate((track.os.getpid(), dead.pid)):
        name, params, tags = track._identity(CELL | {"seed": seed}, store)
        run = client.create_run(experiment, run_name=name).info.run_id
        track._log(client, run, params=params, tags=tags | {track.LIVE: f"{here}:{pid}"})
    assert track.sync("demo", [], store).removed == 1
    assert list(runs(store)) == ["saccades/3c1fc/mtt/T4/seed0"]


def test_kill_nine_of_a_training_closes_its_run(store):
    program = f"""
import os, signal
from snn.tracking import track
track.WATCHABLE = 0
live = track.LiveRun({str(store)!r}, {CELL!r}, {{}}, {{}}, "demo")
live.epoch(1, {{"loss": 1.0}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program])
    for _ in range(300):
        found = [run.info.status for run in runs(store).get("saccades/3c1fc/mtt/T4/seed0", [])]
        if found == ["KILLED"]:
            break
        time.sleep(0.2)
    assert found == ["KILLED"]


def test_a_server_that_is_down_is_one_clear_line(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    began = time.monotonic()
    for act in (lambda: track.init(store), lambda: track.sync("demo", [], store)):
        with pytest.raises(UserError) as failure:
            act()
        text = str(failure.value)
        assert text.startswith("MLFLOW_TRACKING_URI=http://***@127.0.0.1:9: Connection refused; start that server")
        assert "hunter22" not in text
        assert "\n" not in text
    assert time.monotonic() - began < 20


def test_a_server_that_is_down_costs_a_training_one_warning(store, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    live = track.LiveRun(store, CELL, {}, {}, "demo")
    live.epoch(1, {"loss": 1.0})
    live._child.wait(timeout=60)
    slowest = 0.0
    for number in range(2, 50):
        started = time.monotonic()
        live.epoch(number, {"loss": float("nan"), "strange": object()})
        slowest = max(slowest, time.monotonic() - started)
    live.finish("ok")
    assert slowest < 1
    lines = capfd.readouterr().err.splitlines()
    assert lines == ["warning: no live curves in MLflow: Connection refused; the training goes on"]


def test_no_failure_of_mlflow_reaches_a_training(tmp_path, monkeypatch, capfd):
    def broken(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(track.subprocess, "Popen", broken)
    live = track.LiveRun(tmp_path / "demo" / "mlflow", CELL, {}, {}, "demo")
    for number in range(3):
        live.epoch(number, {"loss": 1.0})
    live.finish("ok")
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_store_that_hangs_holds_no_training_up(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(track, "GRACE", 0.2)
    monkeypatch.setattr(track, "BACKLOG", 1000)
    popen = subprocess.Popen
    monkeypatch.setattr(track.subprocess, "Popen", lambda _, **k: popen(["sleep", "60"], **k))
    live = track.LiveRun(tmp_path / "demo" / "mlflow", CELL, {}, {}, "demo")
    began = time.monotonic()
    for number in range(2000):
        live.epoch(number, {f"metric{i}": 1.0 for i in range(8)})
    live.finish("ok")
    assert time.monotonic() - began < 10
    assert "the store takes too long" in capfd.readouterr().err
    live._child.kill()


def test_a_short_training_pays_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(track, "WATCHABLE", 60)
    live = track.LiveRun(tmp_path / "demo" / "mlflow", CELL, {}, {}, "demo")
    live.epoch(1, {"loss": 1.0})
    live.finish("ok")
    assert live._child is None
    assert not (tmp_path / "demo").exists()


def test_a_tracking_uri_of_the_user_is_honoured_and_working_copies_kept_apart(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    one = fake_cells.make_all(tmp_path / "one" / "demo", methods=("mtt",), seeds=1)
    two = fake_cells.make_all(tmp_path / "two" / "demo", methods=("mtt",), seeds=1)
    assert track.sync("demo", one, tmp_path / "one" / "demo" / "mlflow").added == 1
    assert track.sync("demo", two, tmp_path / "two" / "demo" / "mlflow").added == 1
    assert track.sync("demo", one, tmp_path / "one" / "demo" / "mlflow").unchanged == 1
    assert [len(found) for found in runs(store).values()] == [2]
    assert not (tmp_path / "one" / "demo" / "mlflow").exists()


def test_no_secret_reaches_a_run(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim-1234")
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    record = cells[0]["folder"] / "train" / "record.json"
    record.write_text(record.read_text().replace("0.1", '"geheim-1234"'))
    track.sync("demo", cells, store)
    seen = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert b"hunter22" not in seen
    assert b"geheim" not in seen
    assert b"https://***@host/data" in seen


def test_a_foreign_record_is_named(store, tmp_path):
    cells = fake_cells.make_all(tmp_path / "demo", methods=("mtt",), seeds=1)
    (cells[0]["folder"] / "train" / "record.json").write_text("{}")
    with pytest.raises(UserError, match=r"seed0/train/record\.json: not as this program writes it"):
        track.sync("demo", cells, store)


def test_importing_the_module_is_cheap():
    program = "import sys, snn.tracking.track; print([m for m in ('mlflow', 'torch', 'pandas') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
