"""What a network may be."""

from __future__ import annotations

import numpy as np
import pytest

from snn.errors import UserError
from snn.events import EventNetwork, Population, Synapse


def small(**changes):
    """A network of one layer, with one thing changed."""
    population = {"name": "a", "shape": (2, 3, 3)} | changes.pop("population", {})
    synapse = {"source": "input", "target": "a", "weight": np.ones((2, 1, 3, 3)), "padding": 1}
    synapse |= changes.pop("synapse", {})
    network = {"input_shape": (1, 3, 3), "populations": [Population(**population)], "synapses": [Synapse(**synapse)]}
    return EventNetwork(**network | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": {"threshold": 0}}, "'a': threshold"),
        ({"population": {"threshold": float("nan")}}, "'a': threshold"),
        ({"population": {"v_min": 0.5}}, "'a': v_min"),
        ({"population": {"tau_us": 0}}, "'a': tau_us"),
        ({"population": {"reset": "zero"}}, "'a': reset"),
        ({"population": {"shape": (2, 3)}}, "'a': shape"),
        ({"population": {"name": "input"}}, "unique"),
        ({"synapse": {"kind": "convolution"}}, "did you mean 'conv'"),
        ({"synapse": {"weight": None}}, "needs weight"),
        ({"synapse": {"weight": np.full((2, 1, 3, 3), np.nan)}}, "NaN"),
        ({"synapse": {"weight": np.ones((2, 1, 3))}}, "4 dimensions"),
        ({"synapse": {"weight": np.ones((2, 2, 3, 3))}}, "input → a: weight"),
        ({"synapse": {"padding": 0}}, r"makes \(2, 1, 1\)"),
        ({"synapse": {"stride": 0}}, "stride"),
        ({"synapse": {"groups": 2}}, "groups"),
        ({"synapse": {"pool": 4}}, "leaves nothing"),
        ({"synapse": {"source": "imput"}}, "did you mean 'input'"),
        ({"synapse": {"source": "a"}}, "recurrent"),
        ({"synapse": {"kind": "identity"}}, "scale="),
        ({"output": "b"}, "no population 'b'"),
        ({"classes": ["one"]}, "1 classes"),
        ({"populations": []}, "at least one"),
        ({"synapses": []}, "no synapse leads"),
        ({"input_shape": (1, 3)}, "input: shape"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)


def test_nothing_follows_a_population_that_does_not_spike():
    with pytest.raises(UserError, match="does not spike"):
        EventNetwork(
            (1, 1, 1),
            [Population("a", (1, 1, 1), spiking=False), Population("b", (1, 1, 1))],
            [Synapse("input", "a", "identity"), Synapse("a", "b", "identity")],
        )


def test_weights_do_not_change_with_the_array_they_came_from():
    weight = np.ones((2, 1, 3, 3), np.float32)
    network = small(synapse={"weight": weight})
    weight[:] = 7
    assert network.synapses[0].weight.max() == 1
