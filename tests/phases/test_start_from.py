"""Variants whose training starts from the trained network of another method, with or without its biases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jobs import do

from snn import methods
from snn.benchmark.cell import Cell
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
NO_TRAINING = {"lr": 1e-12, "epochs": 1, "optimizer": "sgd", "momentum": 0.0}
"""A recipe that leaves the weights where they start."""


def overlay(start_from="sdt", **variant):
    return {"variants": {"tuned": {"base": "3c1fc", "start_from": start_from, **variant}}}


def plan(**changes) -> Plan:
    base = read_configuration(ROOT / "config/config.yaml").model_dump()
    matrix = {"networks": ["tuned"], "methods": ["mtt"], "t_train": [4], "seeds": [1], "extra": [], "exclude": []}
    return Plan.load(merge(base | {"matrix": base["matrix"] | matrix}, overlay() | changes))


def weights(experiment):
    return torch.load(experiment.folder.weights, weights_only=True)["network"]


@pytest.fixture
def tuned(make_job, tmp_path):
    """tuned(method, norm, **variant): (the cell that is started from, the fine-tuned cell), both trained."""

    def run(method="mtt", norm="scale", **variant):
        networks = {"3c1fc": {"norm": norm}}
        source = do(make_job("sdt", folder=tmp_path / "source", networks=networks))
        more = overlay(**variant) | {"networks": networks}
        return source, do(make_job(method, network="tuned", start=tmp_path / "source", **more))

    return run


def test_the_training_starts_from_the_weights_of_the_other_cell(tuned):
    source, e = tuned(train=NO_TRAINING)
    a, b = weights(source), weights(e)
    assert a.keys() == b.keys()
    assert all(torch.allclose(a[k], b[k]) for k in a if k.endswith("weight"))
    initial = e.build_network().state_dict()
    assert not any(torch.equal(b[k], initial[k]) for k in b if k.endswith("conv.weight"))


SPIKING = [n for n in methods.names() if methods.find(n).trains and not methods.find(n).timeless]


def cell_of(method, make_job, folder, **more):
    """The trained cell of a method, with its teacher before it."""
    taught_by, teacher = methods.find(method).teacher(methods.find(method).Params()), None
    if taught_by:
        teacher = folder / f"teacher of {method}"
        do(make_job(taught_by, folder=teacher))
    return do(make_job(method, folder=folder / method, teacher=teacher, **more))


@pytest.mark.parametrize("method", SPIKING)
def test_every_method_can_go_on_from_the_network_of_another(method, make_job, tmp_path):
    """Heads, teachers, surrogates and statistics of the method are its own; the weights are the other's."""
    source = cell_of("tet", make_job, tmp_path / "source")
    more = overlay("tet", train=NO_TRAINING) | {"methods": {"dspike-frequent": {"weights": 4}}}
    e = cell_of(method, make_job, tmp_path, network="tuned", start=source.folder.path, **more)
    assert e.folder.record("train")["status"] == "ok"
    a, b = weights(source), weights(e)
    layers = [k for k in a if k.endswith((".conv.weight", ".linear.weight"))]
    assert len(layers) == 4
    assert all(torch.allclose(a[k], b[k]) for k in layers)


@pytest.mark.parametrize("start_from", ["shortcut", "dspike", "ltl-offline", "mtt", "conversion"])
def test_the_network_of_every_kind_of_method_can_be_started_from(start_from, make_job, tmp_path):
    """Its plain network, without what the method adds for its training; a converted network counts as trained."""
    source = cell_of(start_from, make_job, tmp_path / "source")
    more = overlay(start_from, train=NO_TRAINING)
    e = cell_of("sdt", make_job, tmp_path, network="tuned", start=source.folder.path, **more)
    a, b = weights(source), weights(e)
    assert a.keys() == b.keys()
    assert all(torch.allclose(a[k], b[k]) for k in a if k.endswith("weight"))


def test_it_goes_on_from_there_by_its_own_method_and_recipe(tuned):
    source, e = tuned(train={"epochs": 3})
    assert len(e.folder.rows("train", "history.csv")) == 3
    a, b = weights(source), weights(e)
    assert not any(torch.equal(a[k], b[k]) for k in a if k.endswith("conv.weight"))


def test_without_biases_batch_norm_is_its_factor_and_the_network_can_be_deployed(tuned, make_job):
    source, e = tuned(norm="batch", remove_biases=True, train=NO_TRAINING)
    a, b = weights(source), weights(e)
    assert set(b) == {"stages.0.conv.weight", "stages.1.conv.weight", "stages.2.conv.weight", "readout.linear.weight"}
    for i in range(3):
        norm = {k: a[f"stages.{i}.norm.{k}"] for k in ("weight", "running_var")}
        factor = norm["weight"] / torch.sqrt(norm["running_var"] + 1e-5)
        expected = a[f"stages.{i}.conv.weight"] * factor.view(-1, 1, 1, 1)
        assert torch.allclose(b[f"stages.{i}.conv.weight"], expected, rtol=1e-4)
    more = overlay(remove_biases=True, train=NO_TRAINING) | {"networks": {"3c1fc": {"norm": "batch"}}}
    for phase in ("sweep", "deploy"):
        experiment = make_job("mtt", phase, network="tuned", folder=e.folder.path, **more)
        assert do(experiment, phase).folder.record(phase)["status"] == "ok"


def test_a_start_that_diverged_makes_a_hole_with_the_reason(make_job, tmp_path):
    source = do(make_job("sdt", folder=tmp_path / "source", train={"lr": 1e30, "optimizer": "sgd", "clip_norm": None}))
    assert source.folder.record("train")["status"] == "diverged"
    record = do(make_job("mtt", network="tuned", start=tmp_path / "source", **overlay())).folder.record("train")
    assert record["status"] == "diverged"
    assert "the network that it starts from" in record["reason"]


def test_a_start_of_another_layout_is_refused_by_the_layers(make_job, tmp_path):
    do(make_job("sdt", folder=tmp_path / "source", networks={"3c1fc": {"norm": "none"}}))
    with pytest.raises(ConfigError, match=r"cannot start from.*stages\.0\.norm\.weight.*remove_biases"):
        do(make_job("mtt", network="tuned", start=tmp_path / "source", **overlay()))


def test_the_plan_holds_the_cell_that_is_started_from_and_its_teacher():
    cell = Cell("saccades", "tuned", "mtt", 4, 1)
    source = Cell("saccades", "3c1fc", "sdt", 4, 1)
    assert plan().start(cell) == source
    assert set(plan().all_cells) == {cell, source}
    assert plan().start(source) is None
    learnt = plan(variants={"tuned": {"base": "3c1fc", "start_from": "ltl-offline"}})
    needed = {Cell("saccades", "3c1fc", "ltl-offline", 4, 1), Cell("saccades", "3c1fc", "ann", 1, 1)}
    assert set(learnt.all_cells) == {cell, *needed}


def test_a_job_depends_on_where_it_starts_from_and_others_do_not():
    cell, source = Cell("saccades", "tuned", "mtt", 4, 1), Cell("saccades", "3c1fc", "sdt", 4, 1)
    without = plan(variants={"tuned": {"base": "3c1fc"}})
    assert plan().token(cell, "train") != without.token(cell, "train")
    assert "start" not in plan().spec(source, "train")
    assert plan().spec(cell, "sweep")["start"] == {"cell": source.asdict(), "remove_biases": False}


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"start_from": "std"}, "did you mean 'sdt'"),
        ({"start_from": "chance"}, "variants.tuned.start_from: chance has no trained network"),
        ({"remove_biases": True}, "remove_biases needs start_from"),
    ],
)
def test_a_start_without_meaning_is_refused(variant, words):
    with pytest.raises(ConfigError, match=words):
        plan(variants={"tuned": {"base": "3c1fc", "start_from": None} | variant})
