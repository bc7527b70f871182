"""The phase `robustness`: rows and predictions agree, methods share simulated chips, finished cases are kept."""

from __future__ import annotations

import numpy as np
import pytest
from jobs import do

from snn.config.blocks import Robustness
from snn.errors import ConfigError, DataError
from snn.phases import robustness as phase
from snn.phases.robustness import Case, cases, recovery_cases
from snn.runtime import files

LEVELS = {
    "simulated_chips": 2,
    "mismatch": [0.2],
    "bits": [3, 8],
    "noise": [0.1],
    "dead_fraction": [0.4],
    "recordings": 10,
}
LEARN = {"recovery": ["ltl-offline"], "recovery_epochs": 2, "recovery_chips": 1, "recovery_levels": "strongest"}
SHORT = {"train": {"epochs": 1}}


def perturbed(make_job, method, folder, teacher=None, **settings):
    job = make_job(method, "robustness", folder=folder, teacher=teacher, **SHORT, robustness=LEVELS | settings)
    return do(job, "robustness")


@pytest.fixture
def sdt(make_job, tmp_path):
    return do(make_job("sdt", folder=tmp_path / "sdt", **SHORT)).folder.path


@pytest.fixture
def ltl(make_job, tmp_path):
    ann = do(make_job("ann", folder=tmp_path / "ann", **SHORT)).folder.path
    return do(make_job("ltl-offline", folder=tmp_path / "ltl", teacher=ann, **SHORT)).folder.path, ann


def rows(job, name):
    return job.folder.rows("robustness", name)


def content(job, name):
    return (job.folder.phase("robustness") / name).read_bytes()


def test_the_defaults_are_the_specifications_levels():
    found = cases(Robustness())
    assert len(found) == len(set(found)) == 3 * 10 + 6 + 3 * 10 + 3 * 10
    strongest = recovery_cases(Robustness(recovery_levels="strongest", recovery_chips=1))
    assert {case.mode for case in strongest} == {"clock", "mismatch-0.2", "bits-2", "noise-0.1", "dead_fraction-0.4"}
    assert len(strongest) == 5
    assert len(recovery_cases(Robustness())) == len(found) + 1


def test_rows_curves_and_predictions_agree(make_job, sdt):
    job = perturbed(make_job, "sdt", sdt)
    curves = rows(job, "curves.csv")
    metrics = {(r["mode"], r["metric"]): float(r["value"]) for r in rows(job, "metrics.csv")}
    assert {m for m, _ in metrics} == {"clock", "mismatch-0.2", "bits-3", "bits-8", "noise-0.1", "dead_fraction-0.4"}
    assert {r["curve"] for r in curves} == {"accuracy_over_level"}, "SDT is not among the methods that learn there"
    p = job.folder.predictions("robustness")
    assert len(p["label"]) == 10
    for r in curves:
        key = f"{r['mode']}-{float(r['x']):g}/4/accuracy_chip{r['chip']}"
        assert float(r["value"]) == (p[key] == p["label"]).mean()
    found = [float(r["value"]) for r in curves if r["mode"] == "mismatch"]
    assert metrics["mismatch-0.2", "accuracy"] == pytest.approx(np.mean(found))
    trained = job.folder.predictions("train")
    at = np.searchsorted(trained["index"], p["index"])
    assert np.array_equal(p["clock/4/accuracy"], trained["clock/4/accuracy"][at])
    assert job.folder.record("robustness")["status"] == "ok"


def test_it_gives_the_same_bytes_twice_and_a_chip_does_not_depend_on_how_many_there_are(make_job, sdt):
    job = perturbed(make_job, "sdt", sdt)
    before = {name: content(job, name) for name in ("metrics.csv", "curves.csv", "predictions.npz")}
    perturbed(make_job, "sdt", sdt)
    assert all(content(job, name) == bytes_before for name, bytes_before in before.items())
    perturbed(make_job, "sdt", sdt, simulated_chips=1, bits=[])
    of_first_chip = [line for line in before["curves.csv"].decode().splitlines() if line.endswith(",0")]
    lines = content(job, "curves.csv").decode().splitlines()
    assert len(lines) > 1
    assert set(lines) <= {*of_first_chip, "mode,curve,x,value,chip"}


def test_a_diverged_training_gives_no_numbers(make_job, sdt):
    record = files.read_json(sdt / "train/record.json")
    files.write_json(sdt / "train/record.json", record | {"status": "diverged", "reason": "nan"})
    job = perturbed(make_job, "sdt", sdt)
    assert job.folder.record("robustness")["status"] == "diverged"
    assert rows(job, "metrics.csv") == rows(job, "curves.csv") == []


def test_learning_on_the_chip_starts_from_what_was_measured_there(make_job, ltl):
    job = perturbed(make_job, "ltl-offline", *ltl, **LEARN)
    curves = rows(job, "curves.csv")
    learnt = [r for r in curves if r["curve"] == "accuracy_over_epochs"]
    assert {r["mode"] for r in learnt} == {"clock", "mismatch-0.2", "bits-3", "noise-0.1", "dead_fraction-0.4"}
    assert [r["x"] for r in learnt[:3]] == ["0.0", "1.0", "2.0"]
    for r in learnt:
        if r["x"] == "0.0" and r["mode"] != "clock":
            kind, level = r["mode"].split("-")
            (own,) = [c for c in curves if (c["mode"], float(c["x"]), c["chip"]) == (kind, float(level), "0")]
            assert own["value"] == r["value"]
    metrics = {(r["mode"], r["metric"]) for r in rows(job, "metrics.csv")}
    assert {("bits-3", "accuracy_after_1"), ("bits-3", "accuracy_after_2"), ("clock", "accuracy_after_2")} <= metrics
    assert not (job.folder.path / "robustness.pt").exists()
    assert not (job.folder.path / "robustness.partial").exists()


def test_an_interrupted_job_learns_only_what_is_left_and_ends_with_the_same_bytes(make_job, ltl, monkeypatch):
    learn, done = phase.learn, []

    def stopping(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return learn(*arguments)

    whole = perturbed(make_job, "ltl-offline", *ltl, **LEARN)
    expected = content(whole, "curves.csv")
    monkeypatch.setattr(phase, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        perturbed(make_job, "ltl-offline", *ltl, **LEARN)
    kept = sorted((whole.folder.path / "robustness.partial").iterdir())
    assert len(kept) == 2

    finished = kept[0].read_bytes()
    kept[0].write_bytes(b"no")
    with pytest.raises(DataError, match=r"clock-chip0\.npz: not readable .*delete this file"):
        perturbed(make_job, "ltl-offline", *ltl, **LEARN)
    kept[0].write_bytes(finished)

    again = []
    monkeypatch.setattr(phase, "learn", lambda *arguments: again.append(1) or learn(*arguments))
    perturbed(make_job, "ltl-offline", *ltl, **LEARN)
    assert len(again) == 3
    assert content(whole, "curves.csv") == expected


def test_finished_chips_of_another_configuration_are_learnt_anew(tmp_path):
    path = tmp_path / "bits-2-chip0.npz"
    phase.save_partial(path, "a", np.zeros((2, 3), np.int64))
    assert phase.load_partial(path, "a").shape == (2, 3)
    assert phase.load_partial(path, "b") is None
    assert phase.load_partial(tmp_path / "none.npz", "a") is None


def test_without_its_teacher_it_says_what_is_missing(make_job, ltl):
    with pytest.raises(ConfigError, match="learns from a teacher"):
        perturbed(make_job, "ltl-offline", ltl[0], **LEARN)


def test_a_case_has_a_readable_mode():
    assert Case("noise", 0.05, 3).mode == "noise-0.05"
    assert Case("bits", 8, 0).mode == "bits-8"
    assert phase.UNPERTURBED.mode == "clock"
