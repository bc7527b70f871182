"""A search takes the setting that most methods rank best, and no single failure decides."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

PATH = Path(__file__).resolve().parents[1] / "tools/search_table.py"


@pytest.fixture(scope="module")
def search_table():
    spec = importlib.util.spec_from_file_location("search_table", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.search_table


def metrics(accuracies: dict[str, dict[str, float]], metric: str = "accuracy_val") -> pd.DataFrame:
    rows = [
        {"network": setting, "method": method, "seed": seed, "metric": metric, "value": value + 0.01 * (2 * seed - 1)}
        for setting, methods in accuracies.items()
        for method, value in methods.items()
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_the_best_median_rank_is_taken_whatever_one_method_loses(search_table):
    good = {"sdt": 0.97, "mtt": 0.96, "dspike": 0.40}  # the best for two of three, a disaster for the third
    poor = {"sdt": 0.95, "mtt": 0.94, "dspike": 0.96}
    table = search_table(metrics({"poor": poor, "good": good}))
    assert list(table.index) == ["good", "poor"]
    assert table["mean"]["poor"] > table["mean"]["good"]
    assert table["sdt"]["good"] == pytest.approx(97)


def test_teachers_and_other_metrics_have_no_say(search_table):
    rows = metrics({"a": {"sdt": 0.9, "ann": 0.1}, "b": {"sdt": 0.8, "ann": 0.99}})
    test_split = metrics({"a": {"sdt": 0.1}, "b": {"sdt": 0.99}}, "accuracy")
    table = search_table(pd.concat([rows, test_split]))
    assert list(table.index) == ["a", "b"]
    assert "ann" not in table


def test_an_incomplete_search_is_refused_by_the_missing_cell(search_table):
    with pytest.raises(ValueError, match="b/mtt are missing"):
        search_table(metrics({"a": {"sdt": 0.9, "mtt": 0.9}, "b": {"sdt": 0.8}}))
