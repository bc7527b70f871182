"""No sync removes runs that it did not make: who made a run is told by an id that a copy of the folder cannot have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import fake_cells
import pytest

from snn.errors import ConfigError
from snn.tracking import origin as origins
from snn.tracking.origin import origin
from snn.tracking.sync import sync


def copy(layout, root):
    """The results of a benchmark copied to another folder, as with `cp -a` or `rsync -a`."""
    to = fake_cells.layout(root)
    root.mkdir()
    subprocess.run(["cp", "-a", str(layout.results_root), str(to.results_root)], check=True)
    return to


@pytest.fixture
def server(store, monkeypatch):
    """A database that several working copies use."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    return store


def test_a_tracking_uri_of_the_user_is_honoured_and_working_copies_kept_apart(server, tmp_path, see):
    one, two = fake_cells.layout(tmp_path / "one"), fake_cells.layout(tmp_path / "two")
    cells = fake_cells.make_benchmark(one, methods=("mtt",), seeds=1)
    assert fake_cells.make_benchmark(two, methods=("mtt",), seeds=1) == cells
    assert sync(one, cells).added == 1
    assert sync(two, cells).added == 1
    assert sync(one, cells).unchanged == 1
    assert [len(runs) for runs in see.runs(server).values()] == [2]
    assert not one.mlflow.exists()


def test_a_second_machine_with_the_same_path_and_fewer_cells_removes_nothing(server, tmp_path, see):
    """Two machines: the same path, one after the other on this one."""
    here = fake_cells.layout(tmp_path / "checkout")
    cells = fake_cells.make_benchmark(here)
    assert sync(here, cells).added == 4
    os.rename(here.results_root, tmp_path / "the first machine")
    fewer = fake_cells.make_benchmark(here, methods=("mtt",), seeds=1)
    summary = sync(here, fewer)
    assert (summary.added, summary.removed) == (1, 0)
    assert sum(len(runs) for runs in see.runs(server).values()) == 5


def test_a_copied_folder_makes_runs_of_its_own_and_says_so(server, tmp_path, see, capfd):
    original = fake_cells.layout(tmp_path / "original")
    cells = fake_cells.make_benchmark(original)
    sync(original, cells)
    copied = copy(original, tmp_path / "copied")
    first, *_ = cells
    summary = sync(copied, {first: cells[first]})
    assert (summary.added, summary.removed) == (1, 0)
    (line,) = capfd.readouterr().err.splitlines()
    assert "this one is a copy" in line
    assert origin(original.mlflow) in line
    assert sync(original, cells).unchanged == 4
    assert sync(copied, {first: cells[first]}).unchanged == 1
    assert not capfd.readouterr().err


def test_a_copy_on_another_machine_at_the_same_path_is_a_copy(tmp_path, monkeypatch):
    """Even where the file happens to have the same inode number there: its time of change is that of the copy."""
    here = fake_cells.layout(tmp_path)
    drawn = origin(here.mlflow)
    path = here.results / ".mlflow.origin"
    seal = json.loads(path.read_text())
    monkeypatch.setattr(origins.socket, "gethostname", lambda: "another")
    assert origin(here.mlflow) == drawn, "the same file: a folder that both machines have mounted"
    path.write_text(json.dumps(seal | {"written": seal["written"] - 3600}))  # as if written an hour before this inode
    assert origin(here.mlflow) != drawn


def test_a_copy_of_hard_links_is_a_copy(tmp_path):
    one, two = fake_cells.layout(tmp_path / "one"), fake_cells.layout(tmp_path / "two")
    drawn = origin(one.mlflow)
    two.results.mkdir(parents=True)
    os.link(one.results / ".mlflow.origin", two.results / ".mlflow.origin")
    assert len({drawn, origin(one.mlflow), origin(two.mlflow)}) >= 2
    assert origin(one.mlflow) != origin(two.mlflow)


def test_a_moved_folder_keeps_its_runs(server, tmp_path):
    one = fake_cells.layout(tmp_path / "one")
    cells = fake_cells.make_benchmark(one)
    sync(one, cells)
    moved = fake_cells.layout(tmp_path / "moved")
    moved.results_root.parent.mkdir()
    shutil.move(one.results_root, moved.results_root)
    subprocess.run(["chmod", "-R", "g+w", str(moved.results_root)], check=True)
    assert sync(moved, cells).unchanged == 4


def test_jobs_that_start_at_once_draw_one_id(tmp_path):
    store = fake_cells.layout(tmp_path).mlflow
    program = f"from pathlib import Path; from snn.tracking.origin import origin; print(origin(Path({str(store)!r})))"
    with ThreadPoolExecutor(4) as pool:
        jobs = pool.map(lambda _: subprocess.check_output([sys.executable, "-c", program]), range(4))
        assert len(set(jobs)) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}', '{"id": 1, "inode": "y", "written": "z"}'])
def test_a_damaged_id_is_drawn_anew(tmp_path, content):
    store = fake_cells.layout(tmp_path).mlflow
    drawn = origin(store)
    path = store.with_name(".mlflow.origin")
    path.write_text(content)
    again = origin(store)
    assert again != drawn
    assert origin(store) == again


def test_the_environment_names_a_working_copy_without_a_folder_in_common(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_MLFLOW_ORIGIN", "anna-pods")
    store = fake_cells.layout(tmp_path).mlflow
    assert origin(store) == "anna-pods"
    assert not store.parent.exists()
    for wrong in ("it's", "a b", "local", "x" * 61):
        monkeypatch.setenv("SNN_MLFLOW_ORIGIN", wrong)
        with pytest.raises(ConfigError, match="SNN_MLFLOW_ORIGIN"):
            origin(store)
