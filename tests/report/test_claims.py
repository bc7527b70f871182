"""The verdicts on the papers' claims follow the planted effects, and say when there is nothing to judge by."""

import fake
import pandas as pd
import pytest

from snn.phases.collect import collect
from snn.phases.report.claims import CLAIMS, HOLDS, NEAR, NOT_SHOWN, NOT_TESTABLE, claims
from snn.phases.report.results import Results


def verdicts(tmp_path, change=lambda cell: None, **options) -> pd.DataFrame:
    options = {"networks": ("3c1fc",), "diverged": (), "star": ()} | options
    cells = fake.make_cells(tmp_path / "cells", **options)
    for cell in cells:
        change(cell)
    collect("fake", "matched", cells, tmp_path / "report")
    return claims(Results(tmp_path / "report")).data.set_index("claim")


def test_planted_effects_hold(tmp_path):
    table = verdicts(tmp_path)
    assert table.verdict[["mtt_flatter", "mtt_flatter_matched", "mtt_events"]].eq(HOLDS).all()
    assert 0 < table.low["mtt_events"] < 0.12 < table.high["mtt_events"]  # 0.12 is what was planted


@pytest.mark.parametrize("effect", [0.0, -0.1])
def test_no_effect_or_the_contrary_does_not_show(tmp_path, effect):
    table = verdicts(tmp_path, effect=effect, methods=("chance", "sdt", "mtt"))
    assert table.verdict["mtt_events"] == NOT_SHOWN
    assert table.low["mtt_events"] <= 0


def test_what_is_missing_is_not_testable(tmp_path):
    table = verdicts(tmp_path, methods=("sdt", "mtt"), seeds=(0, 1))
    assert table.verdict.eq(NOT_TESTABLE).all()
    view = claims(Results(tmp_path / "report")).view.set_index("Claim")
    assert "too few seeds" in view.Evidence["flatter over T than SDT"]
    assert "no Dspike" in view.Evidence["an adapted temperature beats the fixed one"]


def test_every_claim_has_a_line(tmp_path):
    assert set(verdicts(tmp_path, methods=("chance", "sdt")).index) == {claim.name for claim in CLAIMS}


@pytest.mark.parametrize(("below", "verdict"), [(0.0, HOLDS), (2 * NEAR, NOT_SHOWN)])
def test_near_the_teacher_is_within_the_margin(tmp_path, monkeypatch, below, verdict):
    monkeypatch.setitem(fake.MORE, "ltl-offline", fake.CEILING["ann"] - below)
    monkeypatch.setattr(fake, "t_train_key", lambda cell: 1)  # the same luck for all
    table = verdicts(tmp_path, methods=("ann", "ltl-offline"), samples=4000, epochs=5)
    assert table.verdict["ltl_near_teacher"] == verdict


def test_a_long_training_says_nothing_about_five_epochs(tmp_path):
    assert verdicts(tmp_path, methods=("ann", "ltl-offline"), epochs=6).verdict["ltl_near_teacher"] == NOT_TESTABLE


def probed(metrics):
    def change(cell):
        rows = [("probe", t, "clock", name, value) for name, t, value in metrics[cell["method"]]]
        names = ("phase", "t_eval", "mode", "metric", "value")
        folder = cell["folder"] / "probe"
        fake.write_csv(folder / "metrics.csv", [dict(zip(names, row, strict=True)) for row in rows])
        (folder / "record.json").write_text((cell["folder"] / "train" / "record.json").read_text())

    return change


def test_gradients_and_memory_are_judged_by_their_ratios(tmp_path):
    first = "gradient_norm_stages.0.conv"
    metrics = {
        "sdt": [(first, 10, 1.0), ("bytes_for_backward", 2, 200.0), ("bytes_for_backward", 16, 1600.0)],
        "shortcut": [(first, 10, 1.5)],
        "ltl-online": [("bytes_for_backward", 2, 90.0), ("bytes_for_backward", 16, 99.0)],
    }
    table = verdicts(tmp_path, probed(metrics), methods=("sdt", "shortcut", "ltl-online"))
    assert table["mean"]["shortcut_gradient"] == pytest.approx(0.5)
    assert table.verdict["shortcut_gradient"] == HOLDS
    assert table.verdict["ltl_memory"] == HOLDS
