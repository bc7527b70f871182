"""collect: many cells, one tidy table; what is missing is named and does not count."""

import csv
import json
import shutil

import numpy as np
import pytest
from fake import make_cells

from snn.benchmark.layout import COLLECTED
from snn.errors import DataError
from snn.phases.collect import METRICS, collect
from snn.report.results import Results


@pytest.fixture
def cells(tmp_path):
    few = {"seeds": (0, 1), "networks": ("resnet-small",), "methods": ("ann", "mtt"), "samples": 40, "epochs": 2}
    return make_cells(tmp_path / "cells", diverged=(("resnet-small", "mtt", 1),), **few)


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def test_the_tidy_table(cells, tmp_path):
    collect("smoke", "matched", cells, tmp_path / "out")
    metrics = rows(tmp_path / "out" / "metrics.csv")
    assert tuple(metrics[0]) == METRICS
    assert {row["phase"] for row in metrics} == {"train", "sweep", "deploy", "robustness"}
    assert {(row["benchmark"], row["protocol"]) for row in metrics} == {("smoke", "matched")}
    assert {row["t_eval"] for row in metrics if row["mode"] == "event-int8"} == {""}
    value = next(row["value"] for row in metrics if row["metric"] == "spikes" and row["mode"] == "event-float")
    original = rows(cells[-2]["folder"] / "deploy" / "metrics.csv")
    assert value == next(row["value"] for row in original if (row["metric"], row["mode"]) == ("spikes", "event-float"))


def test_same_cells_same_bytes_in_any_order(cells, tmp_path):
    collect("smoke", "matched", cells, tmp_path / "a")
    collect("smoke", "matched", cells[::-1], tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert set(names) == set(COLLECTED)
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_diverged_training_is_one_hole_without_numbers(cells, tmp_path):
    collect("smoke", "matched", cells, tmp_path)
    (hole,) = rows(tmp_path / "holes.csv")
    assert (hole["method"], hole["seed"], hole["phase"], hole["status"]) == ("mtt", "1", "train", "diverged")
    assert hole["reason"] == "loss is nan in epoch 5"
    assert not [row for row in rows(tmp_path / "metrics.csv") if (row["method"], row["seed"]) == ("mtt", "1")]
    assert [row for row in rows(tmp_path / "history.csv") if (row["method"], row["seed"]) == ("mtt", "1")]


def test_a_missing_phase_is_a_hole_and_the_others_count(tmp_path):
    few = {"networks": ("3c1fc",), "methods": ("mtt",), "samples": 40, "epochs": 2, "diverged": ()}
    cells = make_cells(tmp_path / "cells", **few)
    shutil.rmtree(cells[0]["folder"] / "sweep")
    collect("smoke", "matched", cells, tmp_path)
    (hole,) = rows(tmp_path / "holes.csv")
    assert (hole["seed"], hole["phase"], hole["status"]) == ("0", "sweep", "missing")
    assert {row["phase"] for row in rows(tmp_path / "metrics.csv") if row["seed"] == "0"} == {
        "train",
        "deploy",
        "robustness",
    }


def test_phases_may_be_asked_for(tmp_path):
    cell = {"dataset": "d", "network": "n", "method": "m", "t_train": 2, "seed": 0, "folder": tmp_path / "nothing"}
    collect("smoke", "matched", [cell | {"phases": ["train", "sweep"]}], tmp_path)
    assert [hole["phase"] for hole in rows(tmp_path / "holes.csv")] == ["train"]
    assert rows(tmp_path / "metrics.csv") == []


def test_no_output_counts_as_wrong(cells, tmp_path):
    collect("smoke", "matched", cells, tmp_path)
    key = "saccades/resnet-small/mtt/T10/seed0/deploy"
    with (
        np.load(cells[-2]["folder"] / "deploy" / "predictions.npz") as raw,
        np.load(tmp_path / "predictions.npz") as got,
    ):
        silent = raw["event-int8//accuracy"] == -1
        assert silent.any()
        assert not got[f"{key}/event-int8//accuracy"][silent].any()
        assert (got[f"{key}/index"] == raw["index"]).all()


def test_classes_that_are_never_predicted_are_counted_for_each_evaluation(cells, tmp_path):
    path = cells[-2]["folder"] / "deploy" / "predictions.npz"
    with np.load(path) as arrays:
        changed = dict(arrays)
    classes = np.unique(changed["label"])
    changed["event-float//accuracy"] = np.full_like(changed["label"], classes[0])
    changed["event-int8//accuracy"] = np.where(np.isin(changed["label"], classes[:3]), -1, changed["label"])
    np.savez_compressed(path, **changed)
    collect("smoke", "matched", cells, tmp_path)
    key = {name: str(cells[-2][name]) for name in ("network", "method", "t_train", "seed")}
    counts = {
        (row["phase"], row["mode"], row["t_eval"]): float(row["value"])
        for row in rows(tmp_path / "metrics.csv")
        if row["metric"] == "classes_never_predicted" and key.items() <= row.items()
    }
    assert counts["deploy", "event-float", ""] == classes.size - 1
    assert counts["deploy", "event-int8", ""] == 3, "no output is no prediction"
    assert counts["train", "clock", "10"] == 0
    assert {phase for phase, *_ in counts} == {"train", "sweep", "deploy", "robustness"}


def test_provenance_sums_and_lists_what_is_distinct(cells, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"title": "a data set"}))
    collect("smoke", "matched", cells, tmp_path, {"saccades": manifest})
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["commits"] == ["abc1234"]
    assert provenance["versions"]["torch"] == ["2.13.0"]
    assert provenance["data"] == {"saccades": ["5accade5"]}
    assert provenance["manifests"]["saccades"]["title"] == "a data set"
    records = [json.loads(p.read_text()) for c in cells for p in c["folder"].rglob("record.json")]
    assert sum(provenance["seconds"].values()) == pytest.approx(sum(r["seconds"] for r in records))


@pytest.mark.parametrize("name", ["metrics.csv", "record.json", "predictions.npz"])
def test_a_broken_file_is_named_with_a_remedy(cells, tmp_path, name):
    broken = cells[0]["folder"] / "train" / name
    broken.write_text("phase,t_eval,mode,metric,value\ntrain,1,clock,accuracy,high\n")
    with pytest.raises(DataError, match=f"{name}.*delete"):
        collect("smoke", "matched", cells, tmp_path)


def test_a_refused_mode_is_a_hole_and_the_others_count(cells, tmp_path):
    cell = cells[-2]
    record = cell["folder"] / "deploy" / "record.json"
    content = json.loads(record.read_text())
    record.write_text(json.dumps(content | {"reason": "event-int8: a threshold leaves 16 bits"}))
    collect("smoke", "matched", cells, tmp_path)
    hole = next(hole for hole in rows(tmp_path / "holes.csv") if hole["phase"] == "deploy")
    assert (hole["status"], hole["reason"]) == ("partial", "event-int8: a threshold leaves 16 bits")
    key = {name: str(cell[name]) for name in ("network", "method", "t_train", "seed")}
    assert any(row["phase"] == "deploy" and key.items() <= row.items() for row in rows(tmp_path / "metrics.csv"))


def without(name):
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


@pytest.mark.parametrize(
    "damage",
    [
        without("label"),
        lambda arrays: arrays | {"label": arrays["label"].astype("S3")},
        lambda arrays: arrays | {"index": arrays["index"][None]},
        lambda arrays: arrays | {"more": arrays["label"]},
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(cells, tmp_path, damage):
    path = cells[0]["folder"] / "train" / "predictions.npz"
    with np.load(path) as stored:
        arrays = damage(dict(stored.items()))
    with open(path, "wb") as f:
        np.savez(f, **arrays)
    with pytest.raises(DataError, match=r"predictions.npz: not a file of predictions.*delete"):
        collect("smoke", "matched", cells, tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        '"seconds": "long"',
        '"versions": [1]',
        '"config": [1]',
        '"seconds": 1e400',
        f'"seconds": {10**400}',
        '"commit": NaN',
    ],
)
def test_a_record_with_entries_of_other_types_is_refused(cells, tmp_path, more):
    record = cells[0]["folder"] / "train" / "record.json"
    record.write_text(record.read_text().rstrip().removesuffix("}") + f", {more}}}")
    with pytest.raises(DataError, match=r"record.json: not .*delete"):
        collect("smoke", "matched", cells, tmp_path)


@pytest.mark.parametrize("name", ["metrics.csv", "predictions.npz", "provenance.json"])
def test_the_report_refuses_what_was_changed_since_it_was_collected(cells, tmp_path, name):
    collect("smoke", "matched", cells, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-9] + b"7" + content[-8:])
    with pytest.raises(DataError, match=f"{name}: .*changed since it was .*collect"):
        Results(tmp_path)


def test_the_provenance_tells_each_job_and_no_address(cells, tmp_path):
    path = cells[-1]["folder"] / "train" / "record.json"
    record = json.loads(path.read_text())
    settings = {"train": {"lr": 0.1}, "data": {"source": "https://me:hunter22@host/data"}}
    path.write_text(json.dumps(record | {"config": settings, "token": "a-b"}))
    collect("smoke", "matched", cells, tmp_path)
    text = (tmp_path / "provenance.json").read_text()
    job = next(job for job in json.loads(text)["jobs"] if job.get("token") == "a-b")
    assert (job["phase"], job["config"]) == ("train", {"train": {"lr": 0.1}})
    assert job["log"].endswith("/train.log")
    assert "hunter22" not in text
