"""The chance that a number of seeds decides a claim, from a pilot's estimate."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import fake
import numpy as np
import pytest

from snn.phases.collect import collect
from snn.report.claims.verdicts import judgements, seeds_to_decide
from snn.report.results import Results
from snn.statistics import estimate, exact_estimate

PATH = Path(__file__).resolve().parents[2] / "tools/power.py"


@pytest.fixture(scope="module")
def power():
    spec = importlib.util.spec_from_file_location("power", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pilot(mean: float, sd: float, n: int = 12):
    """Seeds with exactly this mean and standard deviation."""
    values = np.random.default_rng(1).normal(size=n)
    return estimate(mean + sd * (values - values.mean()) / values.std(ddof=1))


def test_the_chance_rises_with_seeds_and_falls_with_their_scatter(power):
    chances = [power.chance(pilot(0.01, 0.01), "greater", 0.01, n) for n in (3, 6, 12, 40)]
    assert chances == sorted(chances)
    assert chances[0] < 0.5
    assert chances[-1] > 0.95
    assert power.chance(pilot(0.01, 0.03), "greater", 0.01, 6) < chances[1]


def test_it_agrees_with_the_reports_number_of_seeds(power):
    """At a true difference of zero the report asks for seeds that decide a "not less" in 80 % of cases."""
    found = pilot(0.02, 0.02)
    assert power.chance(found, "not less", 0.02, 30) > 0.99
    level = pilot(0.0, 0.02, 10)
    n = seeds_to_decide(level, "not less", 0.02)
    assert power.chance(level, "not less", 0.02, n) == pytest.approx(0.8, abs=0.08)


def test_the_choice_of_samples_is_a_limit_that_seeds_do_not_lift(power):
    """Ten recordings on which the first method is right and ten on which the second is: every seed the same."""
    same = np.tile(np.repeat([1.0, -1.0, 0.0], [10, 10, 80]), (6, 1))
    assert power.chance(estimate(same), "greater", 0.01, 1000) < 0.2


def test_one_seed_tells_nothing(power):
    assert np.isnan(power.chance(estimate(np.array([0.1])), "greater", 0.01, 5))
    assert np.isnan(power.chance(pilot(0, 0.01), "greater", 0.01, 1))
    assert power.chance(exact_estimate(0.03), "less", 0.1, 1) == 1.0  # but what is counted needs no second one


def test_the_table_has_a_row_for_each_judged_claim(power, tmp_path):
    cells = fake.make_cells(tmp_path / "cells", networks=("3c1fc",), diverged=(), star=())
    collect("fake", "matched", cells, tmp_path / "report")
    results = Results(tmp_path / "report")
    table = power.power(results, [3, 12]).set_index("claim")
    judged = {j.claim.name: j.measurement.estimate for j in judgements(results) if j.measurement}
    assert set(table.index) == set(judged)
    assert table["mean"]["mtt_accuracy"] == pytest.approx(100 * judged["mtt_accuracy"].mean, abs=0.005)
    assert table["margin"]["mtt_accuracy"] == 1.0
    assert (table["12"] >= table["3"] - 3).all()


def test_a_pilot_that_was_not_run_is_one_line(power, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert power.main([]) == 2
    assert capsys.readouterr().err.startswith("error: ")
