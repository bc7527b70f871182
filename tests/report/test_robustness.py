"""Simulated hardware non-idealities in the report: what is counted, and what an interval is over."""

from pathlib import Path

import fake
import numpy as np
import pandas as pd
import pytest

from snn.config.blocks import Robustness
from snn.phases import robustness as phase
from snn.phases.collect import collect
from snn.report import ROBUSTNESS_FIGURES, figures, tables
from snn.report.results import Results
from snn.report.simulated_chips import over_chips
from snn.report.tables.files import write
from snn.statistics import TOO_FEW, mean_interval

SMALL = {
    "networks": ("3c1fc",),
    "methods": ("sdt", "ltl-online"),
    "samples": 80,
    "epochs": 2,
    "diverged": (),
    "star": (),
}
SETTINGS = Robustness(simulated_chips=fake.SIMULATED_CHIPS, recovery_chips=fake.SIMULATED_CHIPS, **fake.LEVELS)


def results(root: Path, seeds: int) -> Results:
    collect("fake", "matched", fake.make_cells(root / "cells", seeds=range(seeds), **SMALL), root / "report")
    return Results(root / "report")


def written(root: Path, seeds: int, name: str) -> pd.DataFrame:
    """The CSV file as a reader finds it."""
    write(tables.make(name, results(root, seeds), root), root / name, "")
    return pd.read_csv(root / f"{name}.csv", keep_default_na=False, na_values={"low": "", "high": ""})


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Results:
    return results(tmp_path_factory.mktemp("robustness"), 3)


def test_the_fake_cells_are_shaped_as_the_phase_leaves_them(tmp_path):
    """Modes, chips, curves and predictions follow from the phase's own lists of cases."""
    of = {c["method"]: c["folder"] / "robustness" for c in fake.make_cells(tmp_path, seeds=(0,), **SMALL)}
    level, epochs = "accuracy_over_level", "accuracy_over_epochs"
    cases = phase.cases(SETTINGS)
    learning = phase.recovery_cases(SETTINGS)
    over_levels = {(c.kind, level, c.level, c.chip) for c in cases}
    learnt = {(c.mode, epochs, k, c.chip) for c in learning for k in range(fake.EPOCHS_ON_CHIP + 1)}
    for method, expected in (("sdt", over_levels), ("ltl-online", over_levels | learnt)):
        curves = pd.read_csv(of[method] / "curves.csv")
        assert list(curves) == ["mode", "curve", "x", "value", "chip"]
        assert {(r.mode, r.curve, r.x, r.chip) for r in curves.itertuples()} == expected
        metrics = pd.read_csv(of[method] / "metrics.csv")
        after = [f"accuracy_after_{k}" for k in range(1, fake.EPOCHS_ON_CHIP + 1)] * (method == "ltl-online")
        modes = {"clock", *(c.mode for c in cases)}
        assert set(zip(metrics["mode"], metrics["metric"], strict=True)) == {
            (mode, metric) for mode in modes for metric in ("accuracy", *after)
        }
        names = {"index", "label", "clock/10/accuracy"} | {f"{c.mode}/10/accuracy_chip{c.chip}" for c in cases}
        if after:
            names |= {f"{c.mode}/10/{after[-1]}_chip{c.chip}" for c in learning}
        with np.load(of[method] / "predictions.npz") as predictions:
            assert set(predictions.files) == names


@pytest.mark.parametrize(
    ("seeds", "over", "note"), [(1, "chips", ""), (2, "seeds", TOO_FEW), (3, "seeds", "")], ids=["one", "two", "three"]
)
@pytest.mark.parametrize("name", ["robustness", "on_chip_learning"])
def test_seeds_and_chips_are_counted_apart(tmp_path, name, seeds, over, note):
    data = written(tmp_path, seeds, name)
    assert (data["n_seeds"] == seeds).all()
    chips = data[data["mode"].str.contains("mismatch|noise|dead_fraction")]
    assert (chips["n_chips"] == seeds * fake.SIMULATED_CHIPS).all()
    assert (chips["over"] == over).all()
    assert (chips["note"] == note).all()
    assert chips[["low", "high"]].isna().all(axis=None) == bool(note)
    rounded = data[data["mode"].str.startswith("bits")]  # one chip a seed: one seed has no interval
    assert (rounded["n_chips"] == seeds).all()
    assert (rounded["over"] == "seeds").all()
    assert (rounded["note"] == ("" if seeds == 3 else TOO_FEW)).all()
    control = data[data["mode"] == "clock"]
    if name == "on_chip_learning":
        assert (control["n_chips"] == seeds).all()
    else:
        assert (control["n_chips"] == 0).all()
        assert (control["over"] == ("seeds and recordings" if seeds == 3 else "recordings")).all()


def test_the_interval_is_of_what_it_is_over():
    rows = pd.DataFrame({"seed": np.repeat([0, 1, 2], 4), "value": np.repeat([0.5, 0.6, 0.7], 4) + [0.01, -0.01] * 6})
    interval = over_chips(rows)
    assert (interval.low, interval.high) == pytest.approx(
        (mean_interval([0.5, 0.6, 0.7]).low, mean_interval([0.5, 0.6, 0.7]).high)
    )
    one = over_chips(rows[rows["seed"] == 0])
    assert (one.low, one.high, one.n_seeds, one.n_chips) == pytest.approx(
        (mean_interval([0.51, 0.49, 0.51, 0.49]).low, mean_interval([0.51, 0.49, 0.51, 0.49]).high, 1, 4)
    )
    two = over_chips(rows[rows["seed"] < 2])
    assert (two.mean, two.note, two.n_seeds, two.n_chips) == (pytest.approx(0.55), TOO_FEW, 2, 8)


def test_n_says_seeds_chips_recordings_and_what_the_interval_is_over(three, tmp_path):
    assert set(tables.make("robustness", three, tmp_path).view["n"]) == {"3 seeds × 3 chips × 80, over seeds"}
    assert set(tables.make("on_chip_learning", three, tmp_path).view["n"]) == {
        *("3 seeds × 3 chips × 80, over seeds", "3 seeds × 1 chip × 80, over seeds")
    }
    assert set(tables.make("robustness", results(tmp_path, 2), tmp_path).view["n"]) == {
        f"2 seeds × 3 chips × 80: {TOO_FEW}"
    }


@pytest.mark.parametrize("name", ROBUSTNESS_FIGURES)
def test_only_ltl_learns_on_the_chip(name, three):
    figure = figures.draw(name, three)
    both = {"SDT", "LTL, online"}
    assert {t.get_text() for axes in figure.axes for t in axes.texts} == (
        both - {"SDT"} if name == "on_chip_learning" else both
    )
