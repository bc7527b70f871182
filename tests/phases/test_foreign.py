"""The door for other frameworks: what a script is given, what it must leave, and the cell that is made of it.

The workflow test runs the rule `snntorch` with a script of numpy alone; and, where `SNN_TEST_SNNTORCH` names a virtual
environment with snnTorch, with the real one.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_workflow import copy_of_the_project, run, snakemake

from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.data.store import open_store
from snn.errors import ConfigError, DataError
from snn.phases.foreign import export, read_cell
from snn.runtime import files

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORK = ROOT / "workflow/foreign/snntorch"
NAME = "snntorch-means"
TINY = {
    "benchmark": "tiny",
    "matrix": {
        "networks": ["3c1fc"],
        "methods": [NAME],
        "t_train": [3],
        "seeds": [0],
        "extra": [],
    },
    "datasets": {"saccades": {"params": {"samples": 80}, "split": {"validation": 20, "test": 20, "seed": 0}}},
    "train": {"epochs": 2, "batch_size": 16},
    "sweep": {"t_eval": [1, 3]},
}

IMAGES = {"pictures": {"reader": "cifar10", "params": {"folder": "nowhere"}}}

# Nearest class mean of the counts: predicts well, needs numpy alone, and takes what any foreign script takes.
MEANS = """
import argparse, csv, json, pathlib
import numpy as np

p = argparse.ArgumentParser()
for name in ("--frames", "--spec", "--out"):
    p.add_argument(name)
o = p.parse_args()
spec, data, out = json.loads(o.spec), np.load(o.frames), pathlib.Path(o.out)
flat = lambda frames: frames.astype(float).sum(1).reshape(len(frames), -1)
x, y = flat(data["train/frames"]), data["train/label"]
means = np.stack([x[y == k].mean(0) for k in range(int(data["classes"]))])
predict = lambda frames: ((flat(frames)[:, None] - means) ** 2).sum(2).argmin(1)
epochs, t = spec["train"]["epochs"], spec["cell"]["t_train"]
tests = {n.split("/")[1]: predict(data[n]) for n in data.files if n.startswith("test/") and n.endswith("/frames")}
found = {f"sweep/{t}": p for t, p in tests.items()}
found |= {"index": data["test/index"], "test": np.stack([tests[str(t)]] * epochs)}
found["validation"] = np.stack([predict(data["validation/frames"])] * epochs)
out.mkdir(parents=True, exist_ok=True)
np.savez(out / "predictions.npz", **found)
with open(out / "history.csv", "w") as f:
    w = csv.writer(f)
    w.writerow(["epoch", "loss", "train_accuracy", "seconds"])
    w.writerows([e, 0.5, 0.5, 0.1] for e in range(1, epochs + 1))
record = {"status": "ok", "reason": "", "parameters": means.size, "versions": {"numpy": np.__version__}}
(out / "record.json").write_text(json.dumps(record))
"""

# The same, and a network of one linear layer as a NIR file, written by another tool's own means.
MEANS_AND_NETWORK = (
    MEANS
    + """
import nir

p, h, w = data["train/frames"].shape[2:]
weight = (means - means.mean(0)).reshape(len(means), -1).astype(np.float32)
one = np.ones(len(means), np.float32)
leak = spec["foreign"]["params"].get("leak")
neurons = nir.IF(r=one, v_threshold=one, v_reset=0 * one)
if leak:  # of a tool whose steps are 1 ms when it writes a file: a step keeps `leak` of the membrane
    tau = one * 1e-3 / (1 - leak)
    neurons = nir.LIF(tau=tau, r=tau / 1e-3, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
nodes = {
    "input": nir.Input({"input": np.array([p, h, w])}),
    "flat": nir.Flatten({"input": np.array([p, h, w])}, 0, -1),
    "weights": nir.Linear(weight),
    "neurons": neurons,
    "output": nir.Output({"output": np.array([len(means)])}),
}
names = list(nodes)
nir.write(out / "network.nir", nir.NIRGraph(nodes, list(zip(names, names[1:]))))
record["nir"] = {"reset": "soft", "v_min": -1.0} | ({"dt": 1e-3} if leak else {})
(out / "record.json").write_text(json.dumps(record))
"""
)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "means.py"
    path.write_text(MEANS)
    return path


def plan_of(script: Path, overlay: dict | None = None) -> Plan:
    own = merge(TINY, {"foreign": {NAME: {"script": str(script), "networks": ["3c1fc"]}}})
    return Plan.load(merge(merge(read_configuration(ROOT / "config/config.yaml").model_dump(), own), overlay or {}))


@pytest.fixture
def left(script, tiny_store, tmp_path):
    """What the script leaves of a cell, and the reading of that: (folder, call)."""
    plan = plan_of(script)
    (cell,) = [c for c in plan.cells if c.method == NAME]
    folder = tmp_path / "cell"
    export(open_store(tiny_store), cell.t_train, plan.config.sweep.t_eval, tmp_path / "frames.npz")
    spec = json.dumps(plan.spec(cell, "sweep"))
    run(tmp_path, sys.executable, str(script), "--frames", "frames.npz", "--spec", spec, "--out", "cell/foreign")
    return folder, lambda: read_cell(CellFolder(folder), open_store(tiny_store), cell=cell, t_eval=[1, 3], threads=1)


def metrics(outcome) -> dict:
    return {(r["t_eval"], r["metric"]): float(r["value"]) for r in outcome.metrics}


def test_the_frames_are_the_stores_and_hold_no_test_label(left, tiny_store, tmp_path):
    store = open_store(tiny_store)
    with np.load(tmp_path / "frames.npz") as data:
        assert np.array_equal(data["train/frames"], store.frames(store.indices("train"), 3))
        assert np.array_equal(data["test/1/frames"], store.frames(store.indices("test"), 1))
        assert {n for n in data.files if n.startswith("test/")} == {"test/1/frames", "test/3/frames", "test/index"}


def test_no_more_is_held_than_one_split_at_one_t(tmp_path):
    """Of a store that counts what is alive of the frames that it has given."""
    alive, most = [], 0

    class Store:
        n_classes, labels = 2, np.arange(30) % 2

        def indices(self, split):
            return np.arange(30).reshape(3, 10)[("train", "validation", "test").index(split)]

        def frames(self, indices, t):
            nonlocal most
            made = np.full((len(indices), t, 2, 4, 4), t, np.uint8)
            alive.append(weakref.ref(made))
            most = max(most, sum(r() is not None for r in alive))
            return made

    export(Store(), 3, range(1, 6), tmp_path / "frames.npz")
    assert (len(alive), most) == (7, 1)
    with np.load(tmp_path / "frames.npz") as data:
        assert all((data[f"test/{t}/frames"] == t).all() for t in range(1, 6))


@pytest.mark.parametrize(
    "rules",
    ["foreign.smk", "cells.smk", "data.smk", "probe.smk", "results.smk", "robustness.smk", "baselines/snntorch.smk"],
)
def test_what_a_rule_puts_into_a_shell_line_is_quoted(rules):
    text = (ROOT / "workflow/rules" / rules).read_text()
    shells = re.findall(r"^ +shell:\n((?: {8,}.*\n|\n)+)", text, re.MULTILINE)  # deeper within an `if`
    assert len(shells) == text.count("shell:")
    for shell in shells:
        values = re.findall(r"\{([^{}]*)\}", shell)
        plain = {
            "params.token",
            "input.configuration",
        }  # a digest, quoted by "${{…}}"; names of cells are letters, digits, - and _
        assert any(v.startswith("log") for v in values)
        assert not [v for v in values if not v.endswith(":q") and v not in plain and not v.startswith("wildcards.")]


def test_a_cell_is_made_with_the_accuracies_computed_here(left, tiny_store):
    folder, call = left
    train, sweep = call()
    store = open_store(tiny_store)
    with np.load(folder / "foreign/predictions.npz") as given:
        expected = (given["sweep/3"] == store.labels[store.indices("test")]).mean()
        assert metrics(train)[3, "accuracy"] == metrics(sweep)[3, "accuracy"] == expected
        assert expected > 0.15, "better than chance"
    assert train.status == "ok"
    assert train.record["versions"] == {"numpy": np.__version__}
    assert train.record["dataset_version"] == store.version
    assert [epoch["epoch"] for epoch in train.history] == [1, 2]
    assert train.history[1]["test_accuracy"] == expected
    assert {"index", "label", "clock/1/accuracy", "clock/3/accuracy"} == set(sweep.predictions)


def test_a_divergence_is_a_result(left):
    folder, call = left
    record = files.read_json(folder / "foreign/record.json")
    files.write_json(folder / "foreign/record.json", record | {"status": "diverged", "reason": "the loss became nan"})
    for outcome in call():
        assert (outcome.status, outcome.reason) == ("diverged", "the loss became nan")


def changed(**arrays):
    def change(folder: Path) -> None:
        with np.load(folder / "predictions.npz") as old:
            new = {k: old[k] for k in old.files} | {k: f(old[k]) for k, f in arrays.items() if k in old.files}
            new |= {k: f(None) for k, f in arrays.items() if k not in old.files}
        np.savez(folder / "predictions.npz", **{k: v for k, v in new.items() if v is not None})

    return change


def written(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


def recorded(**entries):
    path = "record.json"
    return lambda folder: files.write_json(folder / path, files.read_json(folder / path) | entries)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed(**{"sweep/1": lambda a: None}), "predictions.npz: arrays missing: sweep/1"),
        (changed(logits=lambda a: np.zeros(3)), "unknown: logits"),
        (changed(test=lambda a: a[:, :-1]), r"test is int64 \(2, 19\), not whole numbers \(2, 20\)"),
        (changed(validation=lambda a: a / 2), "validation is float64"),
        (changed(index=lambda a: a[::-1]), "index is not the test split's"),
        (changed(**{"sweep/1": lambda a: a + 9}), "sweep/1 has classes outside -1 … 9"),
        (changed(**{"sweep/3": lambda a: (a + 1) % 10}), "two different networks"),
        (written("predictions.npz", "no arrays"), "predictions.npz: not readable"),
        (written("history.csv", "epoch,loss\n1,0.5\n2,0.5\n"), "row 1 has no finite 'train_accuracy'"),
        (written("history.csv", "epoch,loss,train_accuracy,seconds\n2,1,1,1\n"), "row 1 is of epoch 2"),
        (written("history.csv", "epoch,loss,train_accuracy,seconds\n1,nan,1,1\n"), "no finite 'loss'"),
        (written("history.csv", "epoch,loss,train_accuracy,seconds\n1,x,1,1\n"), "not a table of numbers"),
        (written("record.json", "{"), "record.json: not JSON"),
        (written("record.json", '{"status": "ok"}'), "'reason' is missing"),
        (recorded(nir={"reset": "sort"}), "record.json: .*'nir.reset' = 'sort'"),
        (recorded(nir=["soft"]), "record.json: .*nir"),
    ],
)
def test_what_is_wrong_is_refused_by_name(left, change, words):
    folder, call = left
    change(folder / "foreign")
    with pytest.raises(DataError, match=words):
        call()


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"foreign": {NAME: {"script": "nowhere.py"}}}, "foreign.snntorch-means.script: nowhere.py: no such file"),
        ({"foreign": {"sdt": {"script": __file__}}}, "foreign.sdt: taken by a method"),
        ({"datasets": IMAGES, "matrix": {"datasets": ["pictures"]}}, "not static images"),
        ({"matrix": {"networks": ["resnet8"]}}, "builds 3c1fc only"),
        ({"methods": {NAME: {"beta": 1}}}, "foreign.snntorch-means.params"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(script, overlay, words):
    with pytest.raises(ConfigError, match=words):
        plan_of(script, overlay)


@pytest.mark.parametrize("under", [[], ["smoke.yaml"]])
def test_the_overlay_of_snntorch_makes_a_plan(under, monkeypatch):
    monkeypatch.chdir(ROOT)
    paths = [ROOT / "config" / name for name in ["config.yaml", *under, "baselines/snntorch.yaml"]]
    assert {"snntorch-sdt", "sdt"} <= {cell.method for cell in Plan(read_configuration(*paths)).cells}


def test_editing_the_script_changes_its_cells_and_no_other(script):
    plan = plan_of(script)
    before = {cell: plan.token(cell, "train") for cell in plan.cells}
    script.write_text(MEANS + "# a change\n")
    assert {c.method for c in plan.cells if plan.token(c, "train") != before[c]} == {NAME}
    assert all(plan.phases(c) == ["train", "sweep"] for c in plan.cells if c.method == NAME)


def test_its_environment_is_pinned():
    lines = (FRAMEWORK / "requirements.txt").read_text().split()
    assert lines
    assert all(line.count("==") == 1 for line in lines)


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
@pytest.mark.parametrize("kind", ["numpy", "numpy-nir", "snntorch"])
def test_the_workflow_runs_it_in_its_environment_and_shows_it_in_the_tables(kind, tmp_path):
    venv = os.environ.get("SNN_TEST_SNNTORCH") if kind == "snntorch" else None
    if kind == "snntorch" and not venv:
        pytest.skip("SNN_TEST_SNNTORCH names no virtual environment with snnTorch")
    project = copy_of_the_project(tmp_path / "project")
    venvs, script = project / "results/.venvs", "workflow/foreign/snntorch/train.py"
    if venv:
        venvs.mkdir(parents=True)
        (venvs / "snntorch").symlink_to(venv)
    else:
        script = "my means.py"
        (project / script).write_text(MEANS if kind == "numpy" else MEANS_AND_NETWORK)
        (venvs / "snntorch/bin").mkdir(parents=True)
        (venvs / "snntorch/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (venvs / "snntorch/bin/python").chmod(0o755)
    (venvs / "snntorch.txt").write_text("made by a test\n")
    foreign = {"script": script, "nir": kind != "numpy", "params": {"norm": "none"} if venv else {}}
    overlay = {"foreign": {NAME: foreign}, "deploy": {"recordings": 6, "modes": ["event-float"]}}
    (project / "tiny.yaml").write_text(yaml.safe_dump(merge(TINY, overlay)))
    snakemake(project, "reports/tiny/index.html")
    report = project / "reports/tiny"
    rows = list(csv.DictReader((report / "metrics.csv").open()))
    deployed = {("deploy", "3"), ("deploy", "")} if kind != "numpy" else set()
    assert {(r["phase"], r["t_eval"]) for r in rows if (r["method"], r["metric"]) == (NAME, "accuracy")} == {
        ("train", "3"), ("sweep", "1"), ("sweep", "3"), *deployed,
    }  # fmt: skip
    for table in ("accuracy", "accuracy_over_t", "cost", *(["event_driven"] if deployed else [])):
        assert NAME in (report / f"tables/{table}.md").read_text(), table
    assert NAME not in (report / "tables/holes.md").read_text()
    assert not list((project / "results/tiny/foreign").rglob("*.npz")), "frames go when they have been used"
    if venv:
        versions = json.loads((report / "provenance.json").read_text())["versions"]
        assert versions["snntorch"] == ["1.0.0"]
    assert "Nothing to be done" in (again := snakemake(project, "reports/tiny/index.html")).stdout + again.stderr
