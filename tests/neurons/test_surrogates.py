"""Surrogate derivatives against their published forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from snn.neurons import NeuronSpec, Surrogate

U = torch.linspace(-2, 4, 2401, dtype=torch.float64)

# As published, written down independently; at the thresholds of the sources.
PUBLISHED = {
    ("rectangle", 1.0): lambda u: 1.0 * (abs(u - 1) < 0.5),
    ("boxcar", 0.6): lambda u: 1.0 * (abs(u - 0.6) < 0.2),
    ("triangle", 1.0): lambda u: max(0.0, 1 - abs(u - 1)),
    ("triangle", 0.5): lambda u: max(0.0, 1 - abs(u / 0.5 - 1)),
    ("exponential", 1.0): lambda u: 2 * math.exp(-2 * abs(u - 1)),
    ("arctan", 1.0): lambda u: 1 / (1 + (math.pi * (u - 1)) ** 2),
    ("sigmoid", 1.0): lambda u: 4 * math.exp(-4 * (u - 1)) / (1 + math.exp(-4 * (u - 1))) ** 2,
    ("dspike", 0.5): lambda u: 3 / (2 * math.tanh(1.5)) * (1 - math.tanh(3 * (u - 0.5)) ** 2) * (0 <= u <= 1),
}


def surrogate(name: str, threshold: float = 1.0, **options: float) -> Surrogate:
    neuron = {"threshold": threshold, "multi_spike": options.get("periodic", False)}
    return Surrogate(NeuronSpec(surrogate={"name": name, **options}, **neuron))


def area(g: Surrogate, low: float, high: float) -> float:
    u = torch.linspace(low, high, 200_001, dtype=torch.float64)
    return float(torch.trapezoid(g.gradient(u), u))


@pytest.mark.parametrize(("name", "threshold"), PUBLISHED)
def test_published_formula(name, threshold):
    expected = torch.tensor([PUBLISHED[name, threshold](u) for u in U.tolist()], dtype=torch.float64)
    # Not at the very edge of a window, where one rounding decides.
    inside = (((U - threshold).abs() - torch.tensor([0.2, 0.5])[:, None]).abs() > 1e-9).all(0)
    torch.testing.assert_close(surrogate(name, threshold).gradient(U)[inside], expected[inside], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("b", "slope"), [(1e-3, 1.000), (1, 1.082), (3, 1.657), (5, 2.534), (20, 10.0)])
def test_dspike_peak_slopes(b, slope):
    g = surrogate("dspike", 0.5, temperature=b)
    assert float(g.gradient(torch.tensor([0.5]))) == pytest.approx(slope, abs=6e-4)


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("b", [0.5, 3.0, 6.0])
def test_dspike_rises_from_zero_to_one_whatever_the_threshold(threshold, b):
    """D(1) - D(0) = ∫ ds/du du = 1: the chain rule's factor is right."""
    g = surrogate("dspike", threshold, temperature=b)
    assert area(g, 0, 2 * threshold) == pytest.approx(1, abs=1e-6)
    assert area(g, -5, 10) == pytest.approx(1, abs=1e-4)
    assert float(g.gradient(torch.tensor([-0.01 * threshold]))) == 0
    assert float(g.gradient(torch.tensor([2.01 * threshold]))) == 0


def test_dspike_temperature_is_alive():
    g = surrogate("dspike", 0.5)
    before = g.constants
    g.temperature = 5.0
    assert g.temperature == 5.0
    assert g.constants != before
    assert g.state_dict() == {}
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="temperature"):
            g.temperature = wrong
    with pytest.raises(AttributeError, match="no temperature"):
        surrogate("arctan").temperature = 2.0


@pytest.mark.parametrize("name", ["rectangle", "triangle", "boxcar", "exponential", "arctan", "sigmoid", "dspike"])
def test_periodic_surrogates_repeat_at_each_multiple_and_only_upwards(name):
    plain, periodic = surrogate(name, 0.8), surrogate(name, 0.8, periodic=True)
    near = torch.tensor([-0.3, -0.1, 0.0, 0.15, 0.3], dtype=torch.float64)
    for k in (1, 2, 5):
        torch.testing.assert_close(periodic.gradient(0.8 * k + near), plain.gradient(0.8 + near))
    below = torch.linspace(-3, 0.8, 50, dtype=torch.float64)
    assert torch.equal(periodic.gradient(below), plain.gradient(below))


def test_the_kernels_exponential_is_accurate_to_rounding():
    from numba import njit

    from snn.kernels.neuron import _exp

    @njit
    def values(y, out):
        for i in range(len(y)):
            out[i] = _exp(y[i])

    y = np.concatenate([-np.geomspace(1e-8, 87, 100_000), [0.0, -86.99]]).astype(np.float32)
    out = np.empty_like(y)
    values(y, out)
    exact = np.exp(y.astype(np.float64))
    assert np.max(np.abs(out - exact) / exact) < 1.5 * 2**-23
    values(np.array([-88.0, -1e30, -np.inf], np.float32), out)
    assert np.all(out[:3] == 0)
