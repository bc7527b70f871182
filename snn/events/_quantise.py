"""A network's numbers in integers: 8 bits a weight, 16 bits a membrane, one scale a population.

    mode        scale (membrane units per weight unit)                              arithmetic
    int8        127 / the largest |weight|                                          float64
    dynapcnn    the largest with all weights in −128 … 127, and θ and v_min in 16 bits   float32

Weights, θ, v_min and v0 are multiplied by the scale and rounded, ties to even. "dynapcnn" is the rule of the vendor's
own conversion for DYNAP-CNN and Speck chips: package `sinabs`, `sinabs/backend/dynapcnn/discretize.py`, functions
`determine_discretization_scale` and `_discretize_conv_spk_` (read in versions 1.0.15 of `sinabs-dynapcnn` and 3.1.3 of
`sinabs`, Apache 2.0; tests/events/test_quantise.py compares with it where it is installed). It differs from "int8"
where the largest weight is negative: −128 is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from snn.errors import UserError
from snn.events.network import EventNetwork, Population, Synapse

INT8, INT16 = np.iinfo(np.int8), np.iinfo(np.int16)


class Integers(NamedTuple):
    """Of one population: membrane units per weight unit, θ, v_min and v0 in membrane units."""

    scale: float | np.float32  # its type is that of the arithmetic
    theta: int
    floor: int
    v0: int

    def rounded(self, weights: np.ndarray) -> np.ndarray:
        """float32 weights in membrane units, ties to even."""
        return np.rint(weights * self.scale)


def quantise(network: EventNetwork, mode: str) -> dict[str, Integers]:
    """The integers of each population, by its name; mode: see above.

    Raises `UserError`, naming the population, where a threshold leaves the range of 16 bits, or the vendor's rule
    would round all weights away.
    """
    rule = {"int8": _symmetric, "dynapcnn": _vendor}[mode]
    return {p.name: rule(p, [s for s in network.synapses if s.target == p.name], mode) for p in network.populations}


def _symmetric(population: Population, incoming: list[Synapse], mode: str) -> Integers:
    largest = max(s.largest for s in incoming)
    scale = INT8.max / largest if largest > 0 else INT8.max / population.threshold
    return _integers(population, np.float64(scale), mode)


def _vendor(population: Population, incoming: list[Synapse], mode: str) -> Integers:
    weights = [f(s.values) for s in incoming for f in (np.min, np.max)]
    scale = _largest_scale(min(weights), max(weights), INT8)
    if population.spiking:
        if population.v_min is None:
            raise UserError(
                f"population {population.name!r}: without a lower bound the vendor's conversion takes −32768 for it "
                "and rounds all weights with a scale of 1; give a v_min, e.g. -8, or use mode='int8'"
            )
        scale = min(scale, _largest_scale(population.v_min, population.threshold, INT16))
    return _integers(population, scale if np.isfinite(scale) else np.float32(INT8.max), mode)


def _largest_scale(low: float, high: float, bits: np.iinfo) -> np.float32:
    """The largest factor with which low and high stay within the range of `bits`."""
    lowest, highest = np.float32(low), np.float32(high)
    with np.errstate(divide="ignore"):
        if abs(lowest) <= abs(highest) * np.float32(abs(bits.min / bits.max)):
            return abs(np.float32(bits.max) / highest)
        return abs(np.float32(bits.min) / lowest)


def _integers(population: Population, scale: np.floating, mode: str) -> Integers:
    constant = type(scale)  # float64 or float32
    theta = round(constant(population.threshold) * scale)
    if population.spiking and not 1 <= theta <= INT16.max:
        raise UserError(
            f"population {population.name!r}: its threshold is {theta:.6g} in integer units (scale {scale:.4g} from "
            f"the largest weight), int16 membranes hold 1 to {INT16.max}; use mode='float' or rescale the weights"
        )
    floor = INT16.min if population.v_min is None else max(round(constant(population.v_min) * scale), INT16.min)
    v0 = round(constant(population.v0) * scale)
    if not INT16.min <= v0 <= INT16.max:
        raise UserError(
            f"population {population.name!r}: its v0 is {v0:.6g} in integer units, int16 membranes hold "
            f"{INT16.min} to {INT16.max}; use mode='float' or rescale the weights"
        )
    return Integers(scale, min(max(theta, 1), INT16.max), floor, v0)
