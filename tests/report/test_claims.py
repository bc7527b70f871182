"""The verdicts on the papers' claims follow the planted effects, and say when there is nothing to judge by."""

import csv

import fake
import pandas as pd
import pytest

from snn.phases.collect import collect
from snn.report.claims import CLAIMS, HOLDS, NEAR, NOT_SHOWN, NOT_TESTABLE
from snn.report.results import Results
from snn.report.tables.claims import claims


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


def test_a_reference_run_on_other_data_stands_beside(tmp_path):
    there = verdicts(tmp_path / "there", dataset="elsewhere", methods=("chance", "sdt", "mtt"))
    there.reset_index().to_csv(tmp_path / "claims.csv", index=False)
    verdicts(tmp_path / "here", methods=("chance", "sdt", "mtt"), effect=0.0)
    view = claims(Results(tmp_path / "here/report"), tmp_path / "claims.csv").view.set_index("Claim")
    claim = "loses less on event-driven deployment than SDT"
    assert view["Verdict"][claim] == NOT_SHOWN
    assert view["Reference run on elsewhere"][claim] == f"{there.evidence['mtt_events']}: {HOLDS}"
    same = claims(Results(tmp_path / "there/report"), tmp_path / "claims.csv").view
    assert not any(column.startswith("Reference run") for column in same), "a table is not held against itself"


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


def leaving(phase, metrics):
    """Gives the cells of some methods the metrics (name, t, value) of a phase."""

    def change(cell):
        rows = [(phase, t, "clock", name, value) for name, t, value in metrics.get(cell["method"], [])]
        names = ("phase", "t_eval", "mode", "metric", "value")
        folder = cell["folder"] / phase
        if rows:
            fake.write_csv(folder / "metrics.csv", [dict(zip(names, row, strict=True)) for row in rows])
            (folder / "record.json").write_text((cell["folder"] / "train" / "record.json").read_text())

    return change


def test_memory_is_judged_by_its_growth(tmp_path):
    memory = {
        "sdt": [("bytes_for_backward", 2, 200.0), ("bytes_for_backward", 16, 1600.0)],
        "ltl-online": [("bytes_for_backward", t, value) for t, value in ((1, 9.0), (2, 90.0), (16, 99.0))],
    }
    table = verdicts(tmp_path, leaving("probe", memory), methods=("sdt", "ltl-online"))
    assert table.verdict["ltl_memory"] == HOLDS
    assert "from T = 2 to 16" in table.evidence["ltl_memory"], "at T = 1 only one of the two was probed"


@pytest.mark.parametrize(("ratio", "verdict"), [(1.5, HOLDS), (1.0, NOT_SHOWN)])
def test_gradient_norms_are_judged_by_their_ratio(tmp_path, ratio, verdict):
    def change(cell):
        path = cell["folder"] / "train" / "history.csv"
        norm = (ratio if cell["method"] == "shortcut" else 1.0) * (1 + 0.01 * cell["seed"] * (cell["method"] == "sdt"))
        fake.write_csv(path, [row | {"gradient_norm_first": norm} for row in csv.DictReader(path.open())])

    table = verdicts(tmp_path, change, methods=("sdt", "shortcut"), networks=("resnet-small",))
    assert table.verdict["shortcut_gradient"] == verdict
    assert table["mean"]["shortcut_gradient"] == pytest.approx(ratio - 1, abs=0.02)


def test_what_is_said_of_deep_networks_is_not_judged_on_a_shallow_one(tmp_path):
    assert verdicts(tmp_path, methods=("sdt", "shortcut")).verdict["shortcut_accuracy"] == NOT_TESTABLE


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, HOLDS), (0.0, NOT_SHOWN)])
def test_recovery_is_judged_by_the_same_chips_before_and_after(tmp_path, gain, verdict):
    def change(cell):
        if cell["method"] == "ltl-offline":
            one = fake._Cell(cell["folder"], {k: v for k, v in cell.items() if k != "folder"}, 1000, 5, 0.0, False)
            predictions = {"clock/10/accuracy": one.predict(0.8), "clock/10/accuracy_after_5_chip0": one.predict(0.8)}
            for mode in ("bits-2", "noise-0.1"):
                predictions |= {f"{mode}/10/accuracy_chip{chip}": one.predict(0.6 - chip / 10) for chip in (0, 1)}
                predictions[f"{mode}/10/accuracy_after_5_chip0"] = one.predict(0.6 + gain)
            # Two chips of one level and one of the other count as one level each.
            predictions["bits-2/10/accuracy_chip0"] = predictions["bits-2/10/accuracy_after_5_chip0"] = one.predict(0.6)
            predictions["noise-0.1/10/accuracy_after_5_chip1"] = one.predict(0.5 + gain)
            one.finish("robustness", predictions, [], 1.0)

    table = verdicts(tmp_path, change, methods=("ltl-offline",))
    assert table.verdict["ltl_recovers"] == verdict
    assert table["mean"]["ltl_recovers"] == pytest.approx(gain / 2, abs=0.02)
    assert "mean of 2 levels" in table.evidence["ltl_recovers"]
