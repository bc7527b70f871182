"""A store is made once, whoever comes first; a server that does not answer is one clear line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import fake_cells
import pytest

from snn.errors import UserError
from snn.tracking.store import init
from snn.tracking.sync import sync

KEY = "saccades/3c1fc/mtt/T4/seed0"


def test_a_moved_store_is_made_afresh(layout, tmp_path, see):
    cells = fake_cells.make_benchmark(layout, methods=("mtt",), seeds=1)
    sync(layout, cells)
    moved = fake_cells.layout(tmp_path / "elsewhere")
    moved.results_root.mkdir(parents=True)
    shutil.move(layout.results, moved.results)
    assert sync(moved, cells).added == 1
    (run,) = see.runs(moved.mlflow)[KEY]
    assert run.info.artifact_uri.startswith((moved.mlflow / "artifacts").as_uri())


def test_a_server_that_is_down_is_one_clear_line(layout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    began = time.monotonic()
    for act in (lambda: init(layout.mlflow), lambda: sync(layout, {})):
        with pytest.raises(UserError) as failure:
            act()
        text = str(failure.value)
        assert text.startswith("MLFLOW_TRACKING_URI=http://***@127.0.0.1:9: Connection refused; start that server")
        assert "hunter22" not in text
        assert "\n" not in text
    assert time.monotonic() - began < 20


def test_a_tracking_uri_of_the_user_is_honoured_and_working_copies_kept_apart(store, tmp_path, monkeypatch, see):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    one, two = fake_cells.layout(tmp_path / "one"), fake_cells.layout(tmp_path / "two")
    cells = fake_cells.make_benchmark(one, methods=("mtt",), seeds=1)
    assert fake_cells.make_benchmark(two, methods=("mtt",), seeds=1) == cells
    assert sync(one, cells).added == 1
    assert sync(two, cells).added == 1
    assert sync(one, cells).unchanged == 1
    assert [len(runs) for runs in see.runs(store).values()] == [2]
    assert not one.mlflow.exists()


def test_importing_tracking_is_cheap():
    program = (
        "import sys, snn.tracking.sync, snn.tracking.live;"
        "print([m for m in ('mlflow', 'torch', 'pandas') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
