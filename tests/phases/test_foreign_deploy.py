"""A network that another framework's script leaves as a NIR file fills the cell's event-driven columns."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from test_foreign import MEANS, MEANS_AND_NETWORK, NAME, ROOT, TINY
from test_workflow import run as run_command

from snn.benchmark.layout import Layout
from snn.benchmark.plan import Plan
from snn.config.blocks import Config
from snn.config.read import read_configuration
from snn.config.validation import merge, validate
from snn.data.store import open_event_store
from snn.events import Engine, from_nir, load
from snn.phases import foreign, foreign_deploy, run
from snn.phases.jobs import experiment, planned_cell
from snn.runtime import files

pytest.importorskip("nir")


@pytest.fixture
def cell(tmp_path, tiny_store):
    """cell(script, params) -> (plan, the adopted cell)."""

    def make(text: str, deploy: dict | None = None, **params):
        script = tmp_path / "script.py"
        script.write_text(text)
        own = {"foreign": {NAME: {"script": str(script), "nir": True, "params": params}}}
        own |= {"deploy": {"recordings": 6, "modes": ["event-float", "event-int8"]} | (deploy or {})}
        values = merge(read_configuration(ROOT / "config/config.yaml").model_dump(), merge(TINY, own))
        plan = Plan(validate(Config, values), Layout("tiny", tmp_path / "results", tmp_path / "reports"))
        (one,) = plan.cells
        store, folder = plan.layout.store("saccades"), plan.layout.cell(one)
        store.parent.mkdir(parents=True)
        store.symlink_to(tiny_store)
        foreign.export(open_event_store(store), one.t_train, [1], tmp_path / "frames.npz")
        spec = json.dumps(plan.spec(one, "sweep"))
        to = str(folder.path / "foreign")
        run_command(tmp_path, sys.executable, str(script), "--frames", "frames.npz", "--spec", spec, "--out", to)
        return plan, one

    return make


def deployed(plan, one):
    """The cell's folder after it was adopted and deployed, and its record."""
    foreign.adopt(plan, one)
    run.run("deploy", experiment(plan, planned_cell(plan, one.key, "deploy"), "deploy"), foreign_deploy.deploy)
    folder = plan.layout.cell(one)
    return folder, folder.record("deploy")


def metrics(folder) -> dict:
    return {(r["mode"], r["t_eval"], r["metric"]): float(r["value"]) for r in folder.rows("deploy", "metrics.csv")}


def test_the_scripts_network_fills_the_event_driven_columns(cell, tiny_store):
    plan, one = cell(MEANS_AND_NETWORK, deploy={"lower_bounds": [None], "t_clock": [1, 7]})
    assert plan.phases(one) == ["train", "sweep", "deploy"]
    folder, record = deployed(plan, one)
    assert (record["status"], record["reason"]) == ("ok", "")
    values, predictions = metrics(folder), folder.predictions("deploy")
    modes = {"event-float", "event-int8", "event-float@v_min=none", "event-int8@v_min=none"}
    assert {mode for mode, *_ in values} == modes | {"clock"}
    network = from_nir(folder.foreign_network, reset="soft", v_min=-1.0)
    engine, store = Engine(network), open_event_store(tiny_store)
    for i, predicted in zip(predictions["index"], predictions["event-float//accuracy"], strict=True):
        events = store.events(int(i))
        assert engine.run(*(events[key] for key in "txyp")).prediction == predicted
    # Clock-driven, its own predictions count: at the T of training, and of `t_clock` where the sweep has them.
    sweep = folder.predictions("sweep")
    at = np.isin(sweep["index"], predictions["index"])
    for t in (1, 3):
        np.testing.assert_array_equal(predictions[f"clock/{t}/accuracy"], sweep[f"clock/{t}/accuracy"][at])
    assert "clock/7/accuracy" not in predictions
    change = values["event-float", "", "accuracy"] - values["clock", "3", "accuracy"]
    assert values["event-float", "", "difference"] == pytest.approx(change)
    assert load(folder.network_file).populations[0].v_min == -1.0


def test_a_leak_is_that_of_a_frame_of_the_training(cell, tiny_store):
    folder, _ = deployed(*cell(MEANS_AND_NETWORK, leak=0.75))
    frame_us = open_event_store(tiny_store).manifest["events"]["duration_us_mean"] / 3
    (population,) = load(folder.network_file).populations
    assert np.exp(-frame_us / population.tau_us) == pytest.approx(0.75, rel=1e-5)


def test_without_a_network_the_columns_are_empty_with_the_scripts_reason(cell):
    plan, one = cell(MEANS)
    path = plan.layout.cell(one).path / "foreign/record.json"
    files.write_json(path, files.read_json(path) | {"nir": "it has biases"})
    (path.parent / "network.nir").write_text("of an earlier run")
    _, record = deployed(plan, one)
    assert (record["status"], record["reason"]) == ("refused", "its script left no network.nir: it has biases")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.unlink(), "network.nir: no such file"),
        (lambda p: p.write_bytes(p.read_bytes()[:999]), "network.nir: not a NIR graph, or a damaged one"),
        (lambda p: write_other(p), r"takes \(2, 5, 5\) and has 3 outputs, but the data set has \(2, 34, 34\)"),
    ],
)
def test_a_network_that_cannot_be_deployed_is_refused_with_its_name(cell, change, words):
    plan, one = cell(MEANS_AND_NETWORK)
    change(plan.layout.cell(one).foreign_network)
    _, record = deployed(plan, one)
    assert record["status"] == "refused"
    assert re.search(words, record["reason"])


def write_other(path: Path) -> None:
    from snn.events import EventNetwork, Population, Synapse, to_nir

    weight = np.ones((3, 50), np.float32)
    populations = [Population("out", (3, 1, 1), v_min=None, reset="hard")]
    to_nir(EventNetwork((2, 5, 5), populations, [Synapse("input", "out", "linear", weight)]), path)


def test_a_method_that_leaves_none_has_no_deployment(cell):
    plan, one = cell(MEANS)
    values = plan.config.model_dump(mode="json")
    values["foreign"][NAME]["nir"] = False
    assert Plan.load(values).phases(one) == ["train", "sweep"]
