"""Names of deployment settings, and the networks that they make."""

from __future__ import annotations

import numpy as np
import pytest

from snn.errors import UserError
from snn.events import EventNetwork, Population, Synapse
from snn.events.deployment import TRAINED, Deployment, crossed


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        (Deployment(), "event-float"),
        (Deployment("int8", "depth"), "event-int8-depth"),
        (Deployment("dynapcnn"), "event-dynapcnn"),
        (Deployment(v_min=-4.0), "event-float@v_min=-4"),
        (Deployment("int8", v_min=None, reset="hard"), "event-int8@v_min=none,reset=hard"),
        (Deployment(v_min=-1.25), "event-float@v_min=-1.25"),
    ],
)
def test_a_name_says_all(setting, name):
    assert setting.name == name
    assert Deployment.parse(name) == setting


@pytest.mark.parametrize("name", ["clock", "event-float@", "event-float@v_min=x", "event-float@height=3"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match="no way to deploy"):
        Deployment.parse(name)


def test_crossed_settings_begin_with_the_plain_modes_and_leave_depth_first_alone():
    names = [s.name for s in crossed(["event-float", "event-float-depth"], [TRAINED, -1, None], ["soft", TRAINED])]
    assert names == [
        "event-float",
        "event-float-depth",
        "event-float@reset=soft",
        "event-float@v_min=-1,reset=soft",
        "event-float@v_min=-1",
        "event-float@v_min=none,reset=soft",
        "event-float@v_min=none",
    ]
    assert [s.name for s in crossed(["event-int8"], [], [])] == ["event-int8"]


def test_only_neurons_that_spike_are_changed_and_the_rest_is_kept():
    network = EventNetwork(
        (1, 1, 1),
        [Population("a", (1, 1, 1)), Population("out", (2, 1, 1), spiking=False)],
        [Synapse("input", "a", "linear", np.ones((1, 1))), Synapse("a", "out", "linear", np.ones((2, 1)))],
        classes=["x", "y"],
        meta={"kept": True},
    )
    other = Deployment(v_min=-3.0, reset="hard").network(network)
    assert [(p.v_min, p.reset) for p in other.populations] == [(-3.0, "hard"), (None, "soft")]
    assert (other.classes, other.meta, other.output) == (("x", "y"), {"kept": True}, "out")
    assert Deployment().network(network).populations[0].v_min == -1.0
