"""The loop: resume to the bit, divergence as a result, nothing chosen on the test set, bad checkpoints."""

from __future__ import annotations

import csv
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from snn import methods
from snn.config.blocks import Train
from snn.data.frames import Frames
from snn.errors import DataError
from snn.methods.sdt import SDT
from snn.phases.deploy import deploy
from snn.phases.sweep import sweep
from snn.phases.train import train
from snn.runtime import files
from snn.training import loop as training


class Killed(Exception):
    pass


def kill_after(epoch):
    def live(done, row):
        if done == epoch:
            raise Killed

    return live


def history(job):
    keep = set(next(csv.reader((job.out / "history.csv").open()))) - {"seconds"}
    return [{k: r[k] for k in keep} for r in csv.DictReader((job.out / "history.csv").open())]


def assert_same_cell(a, b):
    assert history(a) == history(b)
    wa, wb = (torch.load(j.out / "weights.pt", weights_only=True) for j in (a, b))
    for part in ("network", "running"):
        assert all(torch.equal(wa[part][k], wb[part][k]) for k in wa[part])
    with np.load(a.out / "predictions.npz") as pa, np.load(b.out / "predictions.npz") as pb:
        assert all(np.array_equal(pa[k], pb[k]) for k in pa.files)


@pytest.mark.parametrize("name", ["sdt", "mtt", "ann"])
def test_a_killed_training_resumes_to_the_same_bits(name, make_job, tmp_path):
    recipe = {"epochs": 3, "augment": {"crop": 2}}
    undisturbed = make_job(name, folder=tmp_path / "a", train=recipe)
    train(undisturbed, 100)
    killed = make_job(name, folder=tmp_path / "b", train=recipe)
    with pytest.raises(Killed):
        train(killed, 100, live=kill_after(2))
    assert (killed.folder / "checkpoint.pt").exists()
    assert not (killed.out / "record.json").exists()
    done = []
    train(again := make_job(name, folder=tmp_path / "b", train=recipe), 100, live=lambda e, row: done.append(e))
    assert done == [3], "only what was missing is trained"
    assert_same_cell(undisturbed, again)


def test_a_checkpoint_of_another_configuration_is_not_used(make_job, tmp_path):
    with pytest.raises(Killed):
        train(make_job("sdt", train={"epochs": 3, "lr": 1e-3}), 100, live=kill_after(2))
    done = []
    train(make_job("sdt", train={"epochs": 3}), 100, live=lambda e, row: done.append(e))
    assert done == [1, 2, 3]


def test_a_corrupt_checkpoint_is_named_with_the_remedy(make_job, tmp_path):
    job = make_job("sdt")
    job.folder.mkdir(parents=True)
    (job.folder / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"checkpoint\.pt: not a readable checkpoint.*delete this file"):
        train(job, 100)


def test_a_corrupt_weights_file_is_named_with_the_remedy(make_job, tmp_path):
    train(job := make_job("sdt", train={"epochs": 1}), 100)
    (job.out / "weights.pt").write_bytes(b"no")
    with pytest.raises(DataError, match=r"weights\.pt.*delete it and run again"):
        sweep(make_job("sdt", "sweep", train={"epochs": 1}), 100)


def test_divergence_is_a_result_of_its_cell(make_job, monkeypatch):
    def explode(self, model, x, y):
        loss, logits = original(self, model, x, y)
        return loss * float("nan"), logits

    original = SDT.loss
    calls = []

    def later(self, model, x, y):
        calls.append(1)
        return (explode if len(calls) > 3 else original)(self, model, x, y)

    monkeypatch.setattr(SDT, "loss", later)
    train(job := make_job("sdt"), 100)
    record = files.read_json(job.out / "record.json")
    assert record["status"] == "diverged"
    assert "nan" in record["reason"]
    assert len(history(job)) == 1, "the epoch before it is kept"
    for phase, run in (("sweep", sweep), ("deploy", deploy)):
        run(other := make_job("sdt", phase), 100)
        assert files.read_json(other.out / "record.json")["status"] == "diverged"


def test_the_test_set_chooses_nothing(make_job, tmp_path, monkeypatch):
    """With the test labels turned round, weights and selected epoch stay what they were."""
    train(first := make_job("sdt", folder=tmp_path / "a", train={"epochs": 3}), 100)
    original = Frames.__init__

    def turned(self, store, split, *rest, **more):
        original(self, store, split, *rest, **more)
        if split == "test":
            self.labels = 9 - self.labels

    monkeypatch.setattr(Frames, "__init__", turned)
    train(second := make_job("sdt", folder=tmp_path / "b", train={"epochs": 3}), 100)
    with np.load(first.out / "predictions.npz") as a, np.load(second.out / "predictions.npz") as b:
        assert all(np.array_equal(a[k], b[k]) for k in a.files if k.startswith("clock"))
    wa, wb = (torch.load(j.out / "weights.pt", weights_only=True)["network"] for j in (first, second))
    assert all(torch.equal(wa[k], wb[k]) for k in wa)


def test_in_memory_and_batch_by_batch_give_the_same_bits(make_job, tmp_path):
    train(a := make_job("sdt", folder=tmp_path / "a"), in_memory_mb=100)
    train(b := make_job("sdt", folder=tmp_path / "b"), in_memory_mb=0)
    assert_same_cell(a, b)


def test_seeds_differ(make_job, tmp_path):
    train(a := make_job("sdt", folder=tmp_path / "a", train={"epochs": 1}), 100)
    train(b := make_job("sdt", folder=tmp_path / "b", seed=1, train={"epochs": 1}), 100)
    wa, wb = (torch.load(j.out / "weights.pt", weights_only=True)["network"] for j in (a, b))
    assert not any(torch.equal(wa[k], wb[k]) for k in wa if wa[k].dtype.is_floating_point)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_learning_rate_rises_and_falls_as_said(schedule):
    recipe = Train(schedule=schedule, warmup=0.1)
    rates = [training.rate(i, 100, recipe) for i in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1.0
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert rates[100] == pytest.approx(0.0 if schedule == "cosine" else 1.0)
    assert training.rate(55, 100, recipe) == pytest.approx(0.5 if schedule == "cosine" else 1.0)


def test_matched_epochs_follow_mtts_factor():
    matched = methods.find("sdt-matched")
    assert matched.epochs(matched.Params(), 10, 10) == round(10 * 3 * 11 / 20) == 16
    assert matched.epochs(matched.Params(draws=2), 10, 1) == 20


def test_time_steps_are_counted(make_job, tmp_path):
    train(job := make_job("sdt", train={"epochs": 1}), 100)
    assert float(history(job)[0]["time_steps"]) == 40 * 4  # 40 samples at T = 4
    train(job := make_job("mtt", folder=tmp_path / "m", train={"epochs": 1}), 100)
    steps = float(history(job)[0]["time_steps"])
    assert 40 * 3 * 1 <= steps <= 40 * 3 * 4
    assert not math.isclose(steps, 40 * 4)


def test_a_network_with_batch_norm_is_refused_or_takes_the_bias_free_route(make_job, tmp_path):
    more = {"networks": {"3c1fc": {"norm": "batch"}}, "train": {"epochs": 1}}
    train(make_job("sdt", **more), 100)
    deploy(job := make_job("sdt", "deploy", **more), 100)
    record = files.read_json(job.out / "record.json")
    assert record["status"] == "refused"
    assert "stages.0" in record["reason"]
    deploy(job := make_job("sdt", "deploy", **more, deploy={"bias_free_epochs": 1}), 100)
    assert files.read_json(job.out / "record.json")["status"] == "ok"
    assert (job.out / "network.npz").exists()
