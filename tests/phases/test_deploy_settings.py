"""Lower bounds and resets as a factor of the phase deploy."""

from __future__ import annotations

import numpy as np
from jobs import do

from snn.events import load

BOUND = {"v_min": -1.0}


def metrics(e):
    return {
        (row["mode"], row["metric"]): float(row["value"])
        for row in e.folder.rows("deploy", "metrics.csv")
        if row["mode"] != "clock"
    }


def test_each_bound_and_reset_is_a_mode(make_job, tmp_path):
    folder = tmp_path / "one"
    do(make_job("sdt", folder=folder, neuron=BOUND), "train")
    plain_job = make_job("sdt", "deploy", folder=folder, neuron=BOUND)
    do(plain_job, "deploy")
    plain, curves = metrics(plain_job), plain_job.folder.rows("deploy", "curves.csv")

    settings = {"lower_bounds": ["trained", -1, -2, None], "resets": ["trained", "hard"]}
    job = make_job("sdt", "deploy", folder=folder, deploy=settings, neuron=BOUND)
    do(job, "deploy")
    assert job.folder.record("deploy")["status"] == "ok"
    values = metrics(job)
    modes = {mode for mode, _ in values}
    changes = ["", "@reset=hard", "@v_min=-1", "@v_min=-1,reset=hard", "@v_min=-2", "@v_min=-2,reset=hard"]
    changes += ["@v_min=none", "@v_min=none,reset=hard"]
    assert modes == {f"event-{numbers}{change}" for numbers in ("float", "int8") for change in changes}
    assert {key: value for key, value in values.items() if "@" not in key[0]} == plain, "what was there stays as it was"
    assert job.folder.rows("deploy", "curves.csv") == curves
    trained = {p.v_min for p in load(job.folder.network_file).populations if p.spiking}
    assert trained == {-1.0}
    assert values["event-float@v_min=-1", "spikes"] == values["event-float", "spikes"]
    assert values["event-float@v_min=none", "spikes"] != values["event-float", "spikes"]
    predictions = job.folder.predictions("deploy")
    np.testing.assert_array_equal(predictions["event-int8@v_min=-1//accuracy"], predictions["event-int8//accuracy"])


def test_what_a_mode_cannot_hold_is_one_hole(make_job):
    settings = {"modes": ["event-dynapcnn"], "lower_bounds": [-2, None]}
    do(make_job("sdt", neuron=BOUND), "train")
    job = make_job("sdt", "deploy", deploy=settings, neuron=BOUND)
    record = do(job, "deploy").folder.record("deploy")
    assert record["status"] == "ok"
    assert "event-dynapcnn@v_min=none: population" in record["reason"]
    assert {mode for mode, _ in metrics(job)} == {"event-dynapcnn", "event-dynapcnn@v_min=-2"}
