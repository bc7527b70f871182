"""Finished cells travel in one file, and a run goes on from them: `tools/cells.py`."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

from snn.benchmark.plan import Plan
from snn.config.blocks import Config
from snn.config.validation import validate
from snn.errors import DataError
from tests import fake_cells

PATH = Path(__file__).resolve().parents[1] / "tools/cells.py"
CONFIG = {
    "benchmark": "demo",
    "matrix": {"datasets": ["saccades"], "networks": ["3c1fc"], "methods": ["sdt"], "t_train": [4], "seeds": [0, 1]},
    "datasets": {"saccades": {"reader": "saccades"}},
    "probe": {"seeds": 0},
    "robustness": {"seeds": 0},
}


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("cells_tool", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plan_in(folder: Path, **overlay) -> Plan:
    return Plan(validate(Config, CONFIG | overlay), fake_cells.layout(folder))


def finished(plan: Plan, seed: int) -> None:
    """Fake files of one cell, whose records have the tokens of the plan."""
    (cell,) = [cell for cell in plan.cells if cell.seed == seed]
    folder = plan.layout.cell(cell)
    fake_cells.make_cell(folder, cell)
    for phase in plan.phases(cell):
        record = folder.record(phase) | {"token": plan.token(cell, phase)}
        for path in folder.files(phase):
            path.exists() or path.write_bytes(b"1")
        fake_cells.write_json(folder.files(phase)[-1], record)


def converted(plan: Plan) -> None:
    for path in plan.layout.store_files("saccades"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a version")


def test_what_is_packed_is_unpacked_elsewhere_to_the_same_bytes(tool, tmp_path):
    source, target, archive = plan_in(tmp_path / "a"), plan_in(tmp_path / "b"), tmp_path / "reports/cells.tar.xz"
    finished(source, seed=0)
    assert tool.pack(source, archive) == (3, 6)
    converted(target)
    assert tool.unpack(target, archive) == (3, 0, 3)
    for path in (tmp_path / "a/results/demo/cells").rglob("*.*"):
        if path.is_file() and not path.name.startswith("."):
            assert (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes() == path.read_bytes()
    assert tool.unpack(target, archive) == (0, 3, 3)


def test_cells_of_another_configuration_are_left_out(tool, tmp_path):
    source, archive = plan_in(tmp_path / "a"), tmp_path / "cells.tar.xz"
    finished(source, seed=0)
    tool.pack(source, archive)
    other = plan_in(tmp_path / "b", train={"epochs": 7})
    converted(other)
    assert tool.unpack(other, archive) == (0, 0, 6)
    assert not (tmp_path / "b/results/demo/cells").exists()


def test_stale_cells_are_not_packed(tool, tmp_path):
    finished(plan_in(tmp_path), seed=1)
    assert tool.pack(plan_in(tmp_path, train={"epochs": 7}), tmp_path / "cells.tar.xz") == (0, 6)


def test_a_stale_phase_is_replaced_and_all_files_are_of_one_moment(tool, tmp_path):
    source, archive = plan_in(tmp_path / "a"), tmp_path / "cells.tar.xz"
    finished(source, seed=0)
    tool.pack(source, archive)
    target = plan_in(tmp_path / "b")
    finished(target, seed=0)
    record = target.layout.cell(target.cells[0]).files("sweep")[-1]
    fake_cells.write_json(record, {"status": "ok", "token": "of another code"})
    converted(target)
    assert tool.unpack(target, archive) == (1, 2, 3)
    assert len({path.stat().st_mtime_ns for path in target.layout.cell(target.cells[0]).files("sweep")}) == 1


def test_a_phase_that_lacks_a_file_is_left_out(tool, tmp_path):
    plan = plan_in(tmp_path)
    finished(plan, seed=0)
    plan.layout.cell(plan.cells[0]).files("sweep")[0].unlink()
    assert tool.pack(plan, tmp_path / "cells.tar.xz") == (2, 6)


def test_the_command_says_what_it_did_and_a_mistake_in_one_line(tool, tmp_path, capsys):
    arguments = ["--configfile", str(tool.Path("config/smoke.yaml"))]
    assert tool.main(["pack", str(tmp_path / "cells.tar.xz"), *arguments]) == 0
    assert re.match(r"packed \d+ of \d+ phases into ", capsys.readouterr().out)
    assert tool.main(["unpack", str(tmp_path / "none.tar.xz"), *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_store_that_is_not_there_and_a_damaged_archive_are_named(tool, tmp_path):
    plan = plan_in(tmp_path)
    with pytest.raises(DataError, match="convert first"):
        tool.unpack(plan, tmp_path / "cells.tar.xz")
    finished(plan, seed=0)
    tool.pack(plan, tmp_path / "cells.tar.xz")
    converted(plan)
    shutil.rmtree(tmp_path / "results/demo/cells")
    content = (tmp_path / "cells.tar.xz").read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[: len(content) // 2], bytes(flipped)):
        (tmp_path / "cells.tar.xz").write_bytes(damaged)
        with pytest.raises(DataError, match="not an archive of cells"):
            tool.unpack(plan, tmp_path / "cells.tar.xz")
