"""The configuration of a neuron: light, strict, and refusing what means nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from snn.neurons import NeuronSpec, SurrogateSpec


def test_a_spec_costs_no_torch():
    code = "import sys; from snn.neurons import NeuronSpec; NeuronSpec(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"multi_spike": True, "reset": "hard"}, "multi_spike needs reset: soft"),
        ({"multi_spike": True, "strict_threshold": True}, "multi_spike needs strict_threshold: false"),
        ({"surrogate": {"periodic": True}}, "periodic needs multi_spike"),
        ({"v_reset": 0.1}, "v_reset needs reset: hard"),
        ({"v_min": 1.0}, "v_min must lie below"),
        ({"surrogate": {"name": "dspike", "width": 1.0}}, "'dspike' has no 'width'"),
        ({"threshold": float("inf")}, "finite"),
        ({"threshold": 0.0}, "greater than 0"),
        ({"decay": 1.5}, "less than or equal to 1"),
        ({"tau": 2.0}, "Extra inputs"),
    ],
)
def test_refusals_name_the_reason(options, reason):
    with pytest.raises(ValidationError, match=reason):
        NeuronSpec(**options)


def test_defaults_of_the_surrogates():
    assert SurrogateSpec(name="rectangle").parameters(0.6) == {"width": 1.0, "height": 1.0}
    assert SurrogateSpec(name="boxcar").parameters(0.6) == {"width": 0.4, "height": 1.0}
    assert SurrogateSpec(name="triangle").parameters(0.6) == {"width": 0.6, "height": 1.0}
    assert SurrogateSpec(name="triangle", width=2).parameters(0.6) == {"width": 2.0, "height": 1.0}
    assert SurrogateSpec(name="exponential").parameters(1) == {"scale": 2.0, "sharpness": 2.0}


def test_specs_are_values():
    assert NeuronSpec(decay=0.5) == NeuronSpec(decay=0.5)
    assert len({NeuronSpec(), NeuronSpec(), NeuronSpec(decay=0.5)}) == 2
    assert NeuronSpec(**NeuronSpec(decay=0.5, surrogate={"name": "dspike"}).model_dump()).surrogate.name == "dspike"
