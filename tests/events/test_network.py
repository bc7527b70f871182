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
        ({"population": {"v0": float("nan")}}, "'a': v0"),
        ({"population": {"v0": -1.5}}, "'a': v0 must be at least v_min, -1.0"),
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
        ({"population": {"threshold": 10**5000}}, "'a': threshold must be a number within"),
        ({"population": {"threshold": 1 + 1j}}, "'a': threshold"),
        ({"population": {"v_min": -1e30}}, "'a': v_min"),
        ({"population": {"tau_us": "5"}}, "'a': tau_us"),
        ({"population": {"spiking": 2}}, "'a': spiking must be true or false"),
        ({"population": {"spiking": "no"}}, "'a': spiking must be true or false"),
        ({"population": {"shape": (2**20, 2**20, 1)}}, "'a': shape .* more than"),
        ({"population": {"name": 5}}, "name must be"),
        ({"synapse": {"weight": np.ones((2, 1, 3, 3)) * 1j}}, "real numbers, not complex128"),
        ({"synapse": {"weight": np.full((2, 1, 3, 3), "1")}}, "real numbers, not <U1"),
        ({"synapse": {"weight": np.full((2, 1, 3, 3), 3e38)}}, "within ±1e.20"),
        ({"synapse": {"weight": np.full((2, 1, 3, 3), 1e300)}}, "within ±1e.20"),
        ({"synapse": {"weight": [[1], [1, 2]]}}, "real numbers"),
        ({"synapse": {"stride": 2**40}}, "stride must be a whole number from 1 to 1048576"),
        ({"synapse": {"padding": 0.5}}, "padding must be a whole number"),
        ({"synapse": {"scale": 2.0}}, "scale belongs to kind 'identity'"),
        ({"synapse": {"kind": "linear"}}, "belong to kind 'conv'"),
        ({"synapse": {"kind": ["conv"]}}, "unknown kind"),
        ({"classes": "ab"}, "classes must be a list"),
        ({"output": 3}, "output must be the name"),
        ({"meta": [1]}, "meta must be a mapping"),
        ({"populations": [None]}, "populations must be a list of Population"),
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
