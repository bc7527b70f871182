"""The published recipes: every value as sourced, and one iteration of each on a CPU."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from jobs import do

from snn import models
from snn.benchmark.layout import CellFolder
from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.config.validation import merge
from snn.data.conversion import write
from snn.data.format import EVENT, Description, Entry, Image, Picture, Recording, Sensor
from snn.data.params import SplitParams
from snn.events import Engine
from snn.models.export import export
from snn.models.fold import without_biases
from snn.models.stages import weight_count
from snn.neurons import make_neuron
from snn.phases.experiment import Experiment

CONFIG = Path(__file__).resolve().parents[2] / "config"
NAMES = ["cifar10", "cifar100", "cifar10dvs"]
METHODS = ["sdt", "mtt", "tet", "shortcut", "shortcut-evolutionary", "dspike", "ltl-offline", "ltl-online"]
NETWORKS = ["resnet18", "resnet19", "resnet20mod", "resnet34", "vgg11", "vgg14", "vggsnn"]


def plan(name, **overlay) -> Plan:
    base = read_configuration(CONFIG / "config.yaml", CONFIG / "published" / f"{name}.yaml", CONFIG / "gpu.yaml")
    return Plan.load(merge(base.model_dump(mode="json"), overlay))


MTT = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "epochs": 300, "schedule": "cosine",
       "clip_norm": None, "logits": "mean", "logit_scale": 1.0, "warmup": 0.0}  # fmt: skip
LIF = {"decay": 0.5, "threshold": 1.0, "strict_threshold": True, "reset": "hard", "v_reset": 0.0, "detach_reset": False,
       "multi_spike": False, "v_min": None}  # fmt: skip
SHORTCUT = {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.02, "batch_size": 128, "epochs": 300,
            "schedule": "cosine"}  # fmt: skip
LTL = {"optimizer": "adam", "lr": 1e-4, "batch_size": 64, "schedule": "multistep"}
LTL_OFFLINE = LTL | {"epochs": 100, "milestones": [10, 20, 30, 40, 50, 80, 90], "gamma": 0.5}
LTL_ONLINE = LTL | {"epochs": 50, "milestones": list(range(10, 50, 5)), "gamma": 0.2}
LTL_LIF = {"decay": math.exp(-0.1), "threshold": 0.6, "reset": "hard", "strict_threshold": True}
TEACHER = {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "epochs": 200, "batch_size": 64,
           "schedule": "multistep", "milestones": [60, 120, 160], "gamma": 0.2}  # fmt: skip
TET = {"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "epochs": 150, "batch_size": 128}
PUBLISHED = {  # method -> (train, neuron, surrogate in force)
    "mtt": (MTT, LIF, ("triangle", {"width": 1.0, "height": 1.0})),
    "sdt": (MTT, LIF, ("triangle", {"width": 1.0, "height": 1.0})),
    "shortcut": (SHORTCUT, LIF, ("rectangle", {"width": 1.0, "height": 1.0})),
    "shortcut-evolutionary": (SHORTCUT, LIF, ("rectangle", {"width": 1.0, "height": 1.0})),
    "dspike": ({}, {"decay": 0.25, "threshold": 0.5, "reset": "hard"}, None),
    "ltl-offline": (LTL_OFFLINE, LTL_LIF, ("boxcar", {"width": 0.4, "height": 1.0})),
    "ltl-online": (LTL_ONLINE, LTL_LIF, ("boxcar", {"width": 0.4, "height": 1.0})),
    "ann-ltl": (TEACHER, {}, None),
    "tet": (TET, LIF, ("triangle", {"width": 1.0, "height": 1.0})),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", PUBLISHED)
def test_recipes_are_exactly_the_published_ones(name, method):
    p = plan(name)
    network = p.config.matrix.networks[0]
    recipe, neuron = p.recipe(method, network).model_dump(), p.neuron(method, network)
    expected, spec, surrogate = PUBLISHED[method]
    assert recipe == recipe | expected
    assert neuron.model_dump() == neuron.model_dump() | spec
    if surrogate:
        assert (neuron.surrogate.name, neuron.surrogate.parameters(neuron.threshold)) == surrogate
    if method in ("mtt", "sdt"):
        assert recipe["batch_size"] == (50 if name == "cifar10dvs" else 256)
    images = {"crop": 4, "roll": 0, "flip": True, "autoaugment": True, "cutout": 16}
    if name != "cifar10dvs" and "ltl" not in method:
        assert recipe["augment"] == images | ({"cutout": 0} if method.startswith("shortcut") else {})
    if name == "cifar10dvs":
        shifts = {"crop": 0, "roll": 5, "flip": True}
        assert recipe["augment"] == shifts | {"autoaugment": False, "cutout": 0}, "the last two are for images"


@pytest.mark.parametrize("name", NAMES)
def test_every_method_is_planned_on_its_published_network(name):
    p = plan(name)
    cells = {(c.network, c.method, c.t_train) for c in p.cells}
    assert {m for _, m, _ in cells} == set(METHODS)
    published = {("resnet18", "mtt", 10), ("vggsnn", "mtt", 10), ("vggsnn", "tet", 10), ("resnet18", "dspike", 10)}
    if name != "cifar10dvs":
        published = {("resnet18", "mtt", 6), ("vgg14", "mtt", 5), ("resnet18", "shortcut-evolutionary", 4),
                     ("resnet19", "shortcut-evolutionary", 2), ("resnet20mod", "dspike", 4),
                     ("resnet20mod", "dspike", 6)}  # fmt: skip
    assert published <= cells
    assert ("vgg11", "ltl-online", 16) in cells
    assert {(c.network, c.method) for c in p.all_cells} - {(c.network, c.method) for c in p.cells} == {
        ("vgg11", "ann-ltl")
    }
    m = p.config.methods
    assert (m["mtt"]["draws"], m["mtt"]["t_min"], m["mtt"]["reduction"]) == (3, 1, "sum")
    assert (m["tet"]["regularisation"], m["tet"]["target"]) == (1e-3, 1.0)
    assert m["shortcut-evolutionary"]["start"] == 0.25
    assert (m["ltl-offline"]["percentile"], m["ltl-online"]["percentile"]) == (99.9, 99.0)
    assert int(m["ltl-online"]["warm"] * 16) == 12
    assert p.config.networks["vgg11"] == {"norm": "none", "bias": True}
    assert m["ann-ltl"] == {"clip": 2.0, "dropout": 0.2}


def test_the_two_cifars_have_one_recipe():
    ten, hundred = (plan(name).config.model_dump() for name in ("cifar10", "cifar100"))
    different = {key for key in ten if ten[key] != hundred[key]}
    assert different == {"benchmark", "matrix", "datasets"}


def test_what_is_deployed_event_driven_is_trained_as_published():
    files = [CONFIG / f"published/cifar10dvs{of}.yaml" for of in ("", "-events")]
    p = Plan(read_configuration(CONFIG / "config.yaml", *files, CONFIG / "gpu.yaml"))
    tuned = "vggsnn-fine-tuned"
    assert {(c.network, c.method, c.t_train) for c in p.cells} == {(tuned, "sdt", 10), (tuned, "mtt", 10)}
    assert {(c.network, c.method) for c in p.all_cells} - {(tuned, "sdt"), (tuned, "mtt")} == {("vggsnn", "sdt")}
    cell = next(c for c in p.cells if c.method == "mtt")
    assert p.start(cell) == replace(cell, network="vggsnn", method="sdt")
    first, second = p.recipe("sdt", "vggsnn").model_dump(), p.recipe("mtt", tuned).model_dump()
    assert first == first | {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.02, "batch_size": 32, "epochs": 300}
    assert second == second | {"optimizer": "sgd", "lr": 1e-3, "momentum": 0.0, "batch_size": 32, "epochs": 60}
    assert second == second | {"weight_decay": 5e-4, "schedule": "constant"}
    neuron = p.neuron("mtt", tuned)
    published = {
        "decay": 1.0,
        "threshold": 1.0,
        "reset": "soft",
        "multi_spike": True,
        "v_min": -1.0,
        "strict_threshold": False,
    }
    assert neuron.model_dump() == neuron.model_dump() | published
    assert neuron.surrogate.parameters(1.0) == {"scale": 2.0, "sharpness": 2.0}
    assert not neuron.surrogate.periodic
    name, values = p.network(tuned)
    network = without_biases(models.build(name, values, (2, 32, 32), 10, lambda: make_neuron(neuron)))
    assert weight_count(network) == 9_237_632
    assert Engine(export(network, neuron, (2, 32, 32), [str(k) for k in range(10)]))


def invented(images: bool) -> SimpleNamespace:
    """Two classes, of each two samples to train on, one to validate and one to test, in the shape of the real data."""
    rng = np.random.default_rng(0)
    entries = [Entry(i % 2, f"{i}", "test" if i < 2 else "train") for i in range(8)]

    def sample(e):
        if images:
            return Image(rng.integers(0, 256, (3, 32, 32), dtype=np.uint8), e.label, e.name, e.split)
        events = np.zeros(2000, EVENT)
        events["t"] = np.sort(rng.integers(0, 1_300_000, 2000))
        events["x"], events["y"], events["p"] = (rng.integers(0, n, 2000) for n in (48, 48, 2))
        return Recording(events, e.label, e.name, e.split)

    shape = Picture(3, 32, 32) if images else Sensor(48, 48)
    return SimpleNamespace(
        KIND="images" if images else "events",
        describe=lambda params: Description("invented", shape, ["even", "odd"], ""),
        listing=lambda params: entries,
        samples=lambda params, positions=None: (sample(entries[i]) for i in positions),
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    for kind in ("images", "events"):
        write(invented(kind == "images"), None, SplitParams(validation=2), folder / kind)
    return lambda name: folder / ("events" if name == "cifar10dvs" else "images")


@pytest.mark.parametrize("name", ["cifar10", "cifar10dvs"])  # CIFAR-100 has CIFAR-10's recipes, by the test above
@pytest.mark.parametrize("method", METHODS)
def test_one_iteration_of_every_recipe_runs_on_a_cpu(name, method, stores, tmp_path):
    """In the mixed precision that it would have on a GPU, the published network at a sixteenth of its width."""
    small = {n: {"width": 1 / 16} for n in NETWORKS}
    p = plan(name, networks=small, methods={"dspike": {"weights": 2}}, resources={"device": "cpu", "threads": 1})
    cell = next(c for c in p.cells if c.method == method)
    folders = {}
    for c in filter(None, (p.teacher(cell), cell)):
        spec = p.spec(c, "train")
        assert spec["precision"] == "bf16"
        spec["train"] |= {"epochs": 1}
        folders[c] = CellFolder(tmp_path / c.method)
        teacher = folders.get(p.teacher(c))
        job = do(Experiment(spec, p.token(c, "train"), stores(name), folders[c], teacher, frame_cache_mb=100))
        assert job.folder.record("train")["status"] == "ok"
        before = job.build_network().state_dict()
        after = torch.load(job.folder.weights, weights_only=True)["network"]
        assert before.keys() == after.keys()
        assert any(not torch.equal(before[k], after[k]) for k in before)
