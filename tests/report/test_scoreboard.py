"""The scoreboard: every number beside the baseline's, and a mark only where the two can be told apart."""

import pandas as pd
import pytest
from fake import CEILING, make_cells

from snn.phases.collect import collect
from snn.report import TEMPLATES, tables
from snn.report.results import Results
from snn.report.tables import scoreboard
from snn.report.tables.scoreboard import Board, Cell, Row
from snn.statistics import Interval

SMALL = {"networks": ("3c1fc",), "samples": 300, "epochs": 2, "diverged": (), "star": ()}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    root = tmp_path_factory.mktemp("scoreboard")
    collect("fake", "matched", make_cells(root / "cells", **SMALL), root / "report")
    return Results(root / "report")


def row(board: Board, method: str) -> Row:
    return next(row for row in board.rows if row.setting.method == method)


def test_the_common_order_comes_first_and_the_others_behind_it(results):
    boards = scoreboard.boards(results)
    assert [board.inference for board in boards] == ["breadth-first", "depth-first"]
    view = tables.make("scoreboard", results, TEMPLATES).view
    assert list(view["Method"]) == ["SDT", "SDT, matched compute", "MTT"], "no controls"
    assert view["Event-driven accuracy, float (%)"].notna().all()
    assert set(tables.make("scoreboard", results, TEMPLATES).data["inference"]) == {"breadth-first", "depth-first"}


def test_a_difference_to_the_baseline_is_marked_in_its_direction(results):
    cells = row(scoreboard.boards(results)[0], "mtt").cells
    for column, better, mark in (
        ("Change at T below training (points)", "better", "▲"),
        ("Change event-driven (points)", "better", "▲"),
        ("Time to 95 % of final (ms)", "better", "▲"),
        ("Training: time steps / SDT", "worse", "▼"),
    ):
        assert (cells[column].better, cells[column].mark) == (better, mark), column
        assert cells[column].meaning == f"{better} than SDT, also after Holm’s correction"
    assert cells["Training: time steps / SDT"].shown == "1.65"
    baseline = row(scoreboard.boards(results)[0], "sdt").cells
    assert all(cell.p is None and not cell.mark for cell in baseline.values())


def test_the_marks_agree_with_the_p_values_of_the_file(results):
    data = tables.make("scoreboard", results, TEMPLATES).data
    differs = data["differs"] != ""
    assert differs.equals(data["p"].astype(float) < 0.05)
    assert (data["p_holm"].astype(float).dropna() >= data["p"].astype(float).dropna()).all()


def test_robustness_is_the_mean_over_kinds_of_the_mean_over_levels(results):
    rows = results.curves[(results.curves["curve"] == "accuracy_over_level") & (results.curves["method"] == "sdt")]
    expected = rows.groupby(["mode", "x", "seed"])["value"].mean().groupby(["mode", "seed"]).mean().mean()
    cell = row(scoreboard.boards(results)[0], "sdt").cells["Robustness (%)"]
    assert cell.interval.mean == pytest.approx(expected)


def test_few_seeds_get_no_mark_and_say_so(tmp_path):
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL | {"seeds": (0, 1)}), tmp_path / "report")
    board = scoreboard.boards(Results(tmp_path / "report"))[0]
    assert all(not cell.mark and cell.few == "2 seeds" for r in board.rows for cell in r.cells.values())
    assert Cell("1.0", Interval(1.0, 0.9, 1.1, 3, 0)).few == ""


def test_without_deployment_the_columns_of_it_are_not_there(tmp_path):
    cells = [
        cell | {"phases": ["train", "sweep"]}
        for cell in make_cells(tmp_path / "cells", **SMALL, methods=("sdt", "mtt"))
    ]
    collect("fake", "matched", cells, tmp_path / "report")
    (board,) = scoreboard.boards(Results(tmp_path / "report"))
    assert board.inference == ""
    assert not any("vent-driven" in column for column in board.columns)
    assert "Clock-driven accuracy (%)" in board.columns


def test_a_network_without_the_baseline_is_shown_unmarked(tmp_path):
    methods = tuple(method for method in CEILING if method != "sdt")
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL | {"methods": methods}), tmp_path / "report")
    view = tables.make("scoreboard", Results(tmp_path / "report"), TEMPLATES).view
    assert not view.map(lambda value: any(mark in str(value) for mark in "▲△▼▽")).to_numpy().any()
    assert isinstance(view, pd.DataFrame)
    assert len(view) == 2
