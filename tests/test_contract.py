"""Every registered method keeps the contract. A new file in snn/methods/ is taken up here by itself."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from snn import methods
from snn.errors import ConfigError
from snn.phases.deploy import deploy
from snn.phases.robustness import disturb
from snn.phases.sweep import sweep
from snn.phases.train import load_teacher, train
from snn.runtime import files
from snn.training.method import Method

NAMES = methods.names()
LEARNING = [n for n in NAMES if methods.find(n).trains]


def rows(path):
    return list(csv.DictReader(path.open()))


def trained(make_job, name, tmp_path, **more):
    """A trained cell of a method, its teacher's first where it has one."""
    teacher = methods.find(name).teacher
    if teacher:
        train(make_job(teacher, folder=tmp_path / "teacher"), 100)
    job = make_job(name, folder=tmp_path / name, **more)
    train(job, 100, teacher=tmp_path / "teacher" if teacher else None)
    return job


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    method = methods.find(name)
    assert issubclass(method, Method)
    module = __import__(methods.module_name(name), fromlist=["x"])
    assert module.__doc__
    assert len(module.__doc__) > 80, "a method file opens with its paper, its equations and what is our choice"
    method.Params()  # every hyper-parameter has a default
    with pytest.raises(ConfigError, match="no_such_key"):
        methods.parameters(name, {"no_such_key": 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_a_whole_cell_behind(name, make_job, tmp_path):
    job = trained(make_job, name, tmp_path)
    out = job.out
    record = files.read_json(out / "record.json")
    assert record["status"] == "ok"
    assert record["config"] == job.spec
    metrics = {r["metric"]: float(r["value"]) for r in rows(out / "metrics.csv")}
    assert 0 <= metrics["accuracy"] <= metrics["accuracy_best_on_test"] <= 1
    with np.load(out / "predictions.npz") as p:
        t = job.cell.t_train
        assert metrics["accuracy"] == (p[f"clock/{t}/accuracy"] == p["label"]).mean()
        assert len(p["label"]) == 20
    epochs = rows(out / "history.csv")
    expected = job.method.epochs(job.params, job.train.epochs, t) if job.method.trains else 1
    assert [int(r["epoch"]) for r in epochs] == list(range(1, expected + 1))
    assert not (job.folder / "checkpoint.pt").exists()


@pytest.mark.parametrize("name", LEARNING)
def test_its_stripped_network_is_the_plain_one(name, make_job, tmp_path):
    job = trained(make_job, name, tmp_path)
    plain = job.build(job.store())
    saved = torch.load(job.out / "weights.pt", weights_only=True)["network"]
    assert saved.keys() == plain.state_dict().keys()
    assert all(saved[k].shape == v.shape for k, v in plain.state_dict().items())
    moved = sum(not torch.equal(saved[n], p) for n, p in plain.named_parameters())
    assert moved == len(list(plain.parameters())), "every weight learns"


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_sees_the_same_initial_weights_and_order_of_data(name, make_job, tmp_path, monkeypatch):
    seen = []
    method = methods.find(name)
    original = method.step

    def spy(self, model, x, y):
        seen.append(y.tolist())
        return original(self, model, x, y)

    monkeypatch.setattr(method, "step", spy)
    job = trained(make_job, name, tmp_path, train={"epochs": 1})
    reference = torch.Generator()
    from snn.runtime.seeds import derive

    reference.manual_seed(derive(0, "order"))
    labels = job.store().labels[job.store().indices("train")]
    order = torch.randperm(len(labels), generator=reference)
    assert seen[0] == labels[order[:16].numpy()].tolist()


@pytest.mark.parametrize("name", [n for n in LEARNING if not methods.find(n).timeless])
def test_it_can_be_swept_deployed_and_disturbed(name, make_job, tmp_path):
    folder = trained(make_job, name, tmp_path).folder
    job = make_job(name, "sweep", folder=folder)
    sweep(job, 100)
    assert {int(r["t_eval"]) for r in rows(job.out / "metrics.csv")} == {1, 3, 4}
    job = make_job(name, "deploy", folder=folder)
    deploy(job, 100)
    assert files.read_json(job.out / "record.json")["status"] == "ok"
    assert {r["mode"] for r in rows(job.out / "metrics.csv")} == {"clock", "event-float", "event-int8"}
    disturb(job := make_job(name, "disturb", folder=folder), 100)
    modes = {r["mode"] for r in rows(job.out / "metrics.csv")}
    assert modes == {"clock", "mismatch-0.1", "bits-4", "noise-0.05", "silenced-0.2"}


@pytest.mark.parametrize("name", [n for n in NAMES if methods.find(n).teacher])
def test_its_teacher_is_still(name, make_job, tmp_path):
    train(make_job(methods.find(name).teacher, folder=tmp_path / "teacher"), 100)
    job = make_job(name)
    teacher = load_teacher(job, job.store(), tmp_path / "teacher")
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
