"""The chance that a number of seeds decides a claim, from a pilot's estimate."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import fake
import numpy as np
import pytest

from snn.phases.collect import collect
from snn.report.claims.verdicts import Verdict, decide, judgements
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


def draw_differences(generator, seeds: int, truth: float) -> np.ndarray:
    """[seeds, 300]: correct or not, of one method minus another; seeds, recordings and chance on single ones."""
    hard = 0.05 * generator.standard_normal(300)
    skill = 0.01 * generator.standard_normal((2, seeds, 1))
    first, second = generator.random((2, seeds, 300)) < 0.9 + hard + skill
    return first.astype(float) - second + truth


@pytest.mark.parametrize(("n", "truth"), [(6, 0.0), (12, 0.0), (8, 0.02)])
def test_it_foretells_what_the_reports_rule_decides(power, n, truth):
    """From a pilot of 3,000 seeds, which leaves nothing open: the share of new benchmarks that are decided."""
    generator = np.random.default_rng(3)
    foretold = power.chance(estimate(draw_differences(generator, 3000, truth)), "greater", 0.02, n)
    verdicts = [decide(estimate(draw_differences(generator, n, truth)), "greater", 0.02) for _ in range(800)]
    assert foretold == pytest.approx(np.mean([verdict is not Verdict.UNDECIDED for verdict in verdicts]), abs=0.08)


def test_a_small_pilot_leaves_more_open_than_a_large_one(power):
    """Both found a difference of three points, but behind four seeds it may be half a point, which few seeds show."""
    small, large = (power.chance(pilot(0.03, 0.02, n), "greater", 0.01, 12) for n in (4, 40))
    assert small < 0.97 < large


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
