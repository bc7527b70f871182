"""The phase `disturb`: rows and predictions agree, chips are shared between methods, and what is done is not redone."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from snn.config.blocks import Disturb
from snn.errors import ConfigError, DataError
from snn.phases import robustness as phase
from snn.phases.robustness import Case, cases, disturb, learnt_on
from snn.phases.train import train
from snn.runtime import files

LEVELS = {"chips": 2, "mismatch": [0.2], "bits": [3, 8], "noise": [0.1], "silenced": [0.4], "recordings": 10}
LEARN = {"recovery": ["ltl-offline"], "recovery_epochs": 2, "recovery_chips": 1, "recovery_levels": "strongest"}
SHORT = {"train": {"epochs": 1}}


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def run(make_job, method, folder, teacher=None, **settings):
    job = make_job(method, "disturb", folder=folder, **SHORT, disturb=LEVELS | settings)
    disturb(job, 100, teacher)
    return job


@pytest.fixture
def sdt(make_job, tmp_path):
    train(make_job("sdt", folder=tmp_path / "sdt", **SHORT), 100)
    return tmp_path / "sdt"


@pytest.fixture
def ltl(make_job, tmp_path):
    train(make_job("ann", folder=tmp_path / "ann", **SHORT), 100)
    train(make_job("ltl-offline", folder=tmp_path / "ltl", **SHORT), 100, teacher=tmp_path / "ann")
    return tmp_path / "ltl", tmp_path / "ann"


def test_the_defaults_are_the_specifications_levels():
    found = cases(Disturb())
    assert len(found) == len(set(found)) == 3 * 10 + 6 + 3 * 10 + 3 * 10
    strongest = learnt_on(Disturb(recovery_levels="strongest", recovery_chips=1))
    assert {case.mode for case in strongest} == {"clock", "mismatch-0.2", "bits-2", "noise-0.1", "silenced-0.4"}
    assert len(strongest) == 5
    assert len(learnt_on(Disturb())) == len(found) + 1


def test_rows_curves_and_predictions_agree(make_job, sdt):
    job = run(make_job, "sdt", sdt)
    curves = rows(job.out / "curves.csv")
    metrics = {(r["mode"], r["metric"]): float(r["value"]) for r in rows(job.out / "metrics.csv")}
    assert {m for m, _ in metrics} == {"clock", "mismatch-0.2", "bits-3", "bits-8", "noise-0.1", "silenced-0.4"}
    assert {r["curve"] for r in curves} == {"accuracy_over_level"}, "SDT is not among the methods that learn there"
    with np.load(job.out / "predictions.npz") as p:
        assert len(p["label"]) == 10
        for r in curves:
            key = f"{r['mode']}-{float(r['x']):g}/4/accuracy_chip{r['chip']}"
            assert float(r["value"]) == (p[key] == p["label"]).mean()
        found = [float(r["value"]) for r in curves if r["mode"] == "mismatch"]
        assert metrics["mismatch-0.2", "accuracy"] == pytest.approx(np.mean(found))
        with np.load(sdt / "train/predictions.npz") as trained:
            at = np.searchsorted(trained["index"], p["index"])
            assert np.array_equal(p["clock/4/accuracy"], trained["clock/4/accuracy"][at])
    assert files.read_json(job.out / "record.json")["status"] == "ok"


def test_it_gives_the_same_bytes_twice_and_a_chip_does_not_depend_on_how_many_there_are(make_job, sdt):
    job = run(make_job, "sdt", sdt)
    before = {name: (job.out / name).read_bytes() for name in ("metrics.csv", "curves.csv", "predictions.npz")}
    run(make_job, "sdt", sdt)
    assert all((job.out / name).read_bytes() == content for name, content in before.items())
    run(make_job, "sdt", sdt, chips=1, bits=[])
    known = [line for line in before["curves.csv"].decode().splitlines() if ",0" in line[-2:]]
    assert set(rows_text(job)) <= {*known, "mode,curve,x,value,chip"}


def rows_text(job):
    return (job.out / "curves.csv").read_text().splitlines()


def test_a_diverged_training_gives_no_numbers(make_job, sdt):
    record = files.read_json(sdt / "train/record.json")
    files.write_json(sdt / "train/record.json", record | {"status": "diverged", "reason": "nan"})
    job = run(make_job, "sdt", sdt)
    assert files.read_json(job.out / "record.json")["status"] == "diverged"
    assert rows(job.out / "metrics.csv") == rows(job.out / "curves.csv") == []


def test_learning_on_the_chip_starts_from_what_was_measured_there(make_job, ltl):
    job = run(make_job, "ltl-offline", *ltl, **LEARN)
    curves = rows(job.out / "curves.csv")
    learnt = [r for r in curves if r["curve"] == "accuracy_over_epochs"]
    assert {r["mode"] for r in learnt} == {"clock", "mismatch-0.2", "bits-3", "noise-0.1", "silenced-0.4"}
    assert [r["x"] for r in learnt[:3]] == ["0", "1", "2"]
    for r in learnt:
        if r["x"] == "0" and r["mode"] != "clock":
            kind, level = r["mode"].split("-")
            (own,) = [c for c in curves if (c["mode"], float(c["x"]), c["chip"]) == (kind, float(level), "0")]
            assert own["value"] == r["value"]
    metrics = {(r["mode"], r["metric"]) for r in rows(job.out / "metrics.csv")}
    assert {("bits-3", "accuracy_after_1"), ("bits-3", "accuracy_after_2"), ("clock", "accuracy_after_2")} <= metrics
    assert not (job.folder / "disturb.pt").exists()
    assert not (job.folder / "disturb.partial").exists()


def test_an_interrupted_job_learns_only_what_is_left_and_ends_with_the_same_bytes(make_job, ltl, monkeypatch):
    learn, done = phase.learn, []

    def stopping(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return learn(*arguments)

    whole = run(make_job, "ltl-offline", *ltl, **LEARN)
    expected = (whole.out / "curves.csv").read_bytes()
    monkeypatch.setattr(phase, "learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(make_job, "ltl-offline", *ltl, **LEARN)
    kept = sorted((whole.folder / "disturb.partial").iterdir())
    assert len(kept) == 2

    content = kept[0].read_bytes()
    kept[0].write_bytes(b"no")
    with pytest.raises(DataError, match=r"clock-chip0\.npz: not readable .*delete this file"):
        run(make_job, "ltl-offline", *ltl, **LEARN)
    kept[0].write_bytes(content)

    again = []
    monkeypatch.setattr(phase, "learn", lambda *arguments: again.append(1) or learn(*arguments))
    run(make_job, "ltl-offline", *ltl, **LEARN)
    assert len(again) == 3
    assert (whole.out / "curves.csv").read_bytes() == expected


def test_finished_chips_of_another_configuration_are_learnt_anew(tmp_path):
    path = tmp_path / "bits-2-chip0.npz"
    phase.save_partial(path, "a", np.zeros((2, 3), np.int64))
    assert phase.load_partial(path, "a").shape == (2, 3)
    assert phase.load_partial(path, "b") is None
    assert phase.load_partial(tmp_path / "none.npz", "a") is None


def test_without_its_teacher_it_says_what_is_missing(make_job, ltl):
    with pytest.raises(ConfigError, match="give it the trained `ann`"):
        run(make_job, "ltl-offline", ltl[0], **LEARN)


def test_a_case_has_a_readable_mode():
    assert Case("noise", 0.05, 3).mode == "noise-0.05"
    assert Case("bits", 8, 0).mode == "bits-8"
    assert phase.UNDISTURBED.mode == "clock"
