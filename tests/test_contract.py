"""Every registered method keeps the contract (snn/training/method.py). A new file in snn/methods/ is found here."""

from __future__ import annotations

import importlib

import pytest
import torch
from jobs import do

from snn import methods
from snn.errors import ConfigError
from snn.runtime.seeds import derive
from snn.training.method import Method

NAMES = methods.names()
LEARNING = [n for n in NAMES if methods.find(n).trains]


def teacher_of(name):
    return methods.find(name).teacher(methods.find(name).Params())


@pytest.fixture
def trained(make_job, tmp_path):
    """trained(name, **overlay): the experiment of a method, trained; its teacher first where it has one."""

    def train(name, **overlay):
        teacher = None
        if teacher_of(name):
            teacher = tmp_path / "teacher"
            do(make_job(teacher_of(name), folder=teacher), "train")
        experiment = make_job(name, folder=tmp_path / name, teacher=teacher, **overlay)
        do(experiment, "train")
        return experiment

    return train


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name):
    method = methods.find(name)
    assert issubclass(method, Method)
    doc = importlib.import_module(methods.module_name(name)).__doc__
    assert doc
    assert len(doc) > 80, "a method file opens with its paper, its equations and what is our choice"
    method.Params()  # every hyper-parameter has a default
    assert all(field.description for field in method.Params.model_fields.values())
    with pytest.raises(ConfigError, match="no_such_key"):
        methods.parameters(name, {"no_such_key": 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_a_complete_cell(name, trained):
    e = trained(name)
    record = e.folder.record("train")
    assert record["status"] == "ok"
    assert record["config"] == e.spec
    metrics = {row["metric"]: float(row["value"]) for row in e.folder.rows("train", "metrics.csv")}
    assert 0 <= metrics["accuracy"] <= metrics["accuracy_best_on_test"] <= 1
    predictions, t = e.folder.predictions("train"), e.cell.t_train
    assert metrics["accuracy"] == (predictions[f"clock/{t}/accuracy"] == predictions["label"]).mean()
    assert len(predictions["label"]) == 20
    expected = e.epochs if e.method.trains else 1
    history = e.folder.rows("train", "history.csv")
    assert [int(row["epoch"]) for row in history] == list(range(1, expected + 1))
    assert not e.folder.checkpoint.exists()


@pytest.mark.parametrize("name", LEARNING)
def test_its_stripped_network_is_the_built_one_and_every_weight_learns(name, trained):
    e = trained(name)
    built = e.build_network()
    saved = torch.load(e.folder.weights, weights_only=True)["network"]
    assert saved.keys() == built.state_dict().keys()
    assert all(saved[k].shape == v.shape for k, v in built.state_dict().items())
    unchanged = [n for n, p in built.named_parameters() if torch.equal(saved[n], p)]
    assert not unchanged


@pytest.mark.parametrize("norm", ["none", "scale"])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_starts_from_the_same_initial_weights_at_one_seed(name, norm, make_job):
    """The weights of all layers; what only one method has (a bound, a normalisation's shift) has no counterpart."""
    networks = {"networks": {"3c1fc": {"norm": norm}}}

    def initial(method, **more):
        network = make_job(method, **networks, **more).build_network()
        weights = {k: v for k, v in network.state_dict().items() if k.endswith((".conv.weight", ".linear.weight"))}
        assert len(weights) == 4, "all layers of 3c1fc"
        return weights

    reference, weights, other_seed = initial("sdt"), initial(name), initial(name, seed=1)
    assert weights.keys() == reference.keys()
    assert all(torch.equal(weights[k], reference[k]) for k in reference)
    assert not any(torch.equal(weights[k], other_seed[k]) for k in weights), "the seed decides them"


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_begins_with_these_weights_and_the_same_order_of_data(name, trained, monkeypatch):
    """What the first step of the training is given: the initial weights of the seed, then the batches in its order."""
    method, labels, first = methods.find(name), [], {}
    step = method.step

    def spy(self, model, x, y):
        if not labels:
            first.update({k: v.clone() for k, v in self.strip(model).named_parameters()})
        labels.append(y.tolist())
        return step(self, model, x, y)

    monkeypatch.setattr(method, "step", spy)
    e = trained(name, train={"epochs": 1})
    initial = dict(e.build_network().named_parameters())
    assert first.keys() == initial.keys()
    assert all(torch.equal(first[k], initial[k]) for k in initial)
    of_split = e.store.labels[e.store.indices("train")]
    generator = torch.Generator().manual_seed(derive(e.cell.seed, "order"))
    order = torch.randperm(len(of_split), generator=generator).numpy()
    batches = [of_split[order[i : i + 16]].tolist() for i in range(0, len(order), 16)]
    assert labels[: len(batches)] == batches


@pytest.mark.parametrize("name", [n for n in LEARNING if not methods.find(n).timeless])
def test_it_can_be_swept_deployed_and_perturbed(name, trained, make_job):
    folder = trained(name).folder
    for phase in ("sweep", "deploy", "robustness"):
        do(make_job(name, phase, folder=folder.path), phase)
        assert folder.record(phase)["status"] == "ok", folder.record(phase)["reason"]

    def values(phase, column):
        return {row[column] for row in folder.rows(phase, "metrics.csv")}

    assert values("sweep", "t_eval") == {"1", "3", "4"}
    assert values("deploy", "mode") == {"clock", "event-float", "event-int8"}
    assert values("robustness", "mode") == {"clock", "mismatch-0.1", "bits-4", "noise-0.05", "dead_fraction-0.2"}


@pytest.mark.parametrize("name", [n for n in NAMES if teacher_of(n)])
def test_its_teacher_does_not_change(name, make_job, tmp_path):
    folder = tmp_path / "teacher"
    do(make_job(teacher_of(name), folder=folder), "train")
    teacher = make_job(name, teacher=folder).load_teacher()
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
