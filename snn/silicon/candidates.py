"""What might explain the neurons whose counts differ: each candidate with where it comes from, tried on its own.

An independent sum in whole numbers, which shares nothing with the engine but the weights: with no option it must give
the engine's counts in its mode `dynapcnn` (the study checks that). A candidate counts only if the vendor's code or
documents say it and the counts agree with it; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from snn.events import EventNetwork

SINABS = "sinabs 3.1.3"


@dataclass(frozen=True)
class Candidate:
    """One possible explanation.

    what: in words; source: who says so; options: of `counts`, on top of the vendor's rounding; order: what is done to
    the events; kept: whether it is part of the settings that the report calls ours, which needs source and agreement.
    """

    name: str
    what: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    order: str = ""
    kept: bool = False


CANDIDATES = (
    Candidate(
        "symmetric",
        "weights −127 … 127, θ and bound ±71: the engine's own mode int8",
        "this project (docs/events.md)",
        {"rounding": "int8"},
    ),
    Candidate(
        "vendor's rounding",
        "weights −128 … 127, θ and bound ±72: the engine's mode dynapcnn",
        f"{SINABS}, backend/dynapcnn/discretize.py: determine_discretization_scale",
        kept=True,
    ),
    Candidate(
        "fires above θ",
        "v > θ instead of v ≥ θ",
        "NIR's definition of IF; sinabs fires at v − θ ≥ 0 (activation/spike_generation.py: SingleSpike)",
        {"strict": True},
    ),
    Candidate(
        "reset to zero",
        "v = 0 after a spike",
        f"{SINABS}, backend/dynapcnn/chips/dynapcnn.py: return_to_zero, false for MembraneSubtract",
        {"hard": True},
    ),
    Candidate(
        "several spikes an event",
        "⌊v/θ⌋ spikes instead of one",
        f"{SINABS}, activation/spike_generation.py: MultiSpike, the default of IAF",
        {"several": True},
    ),
    Candidate(
        "bound before firing",
        "v = max(v, bound) before v ≥ θ is looked at",
        f"{SINABS}, layers/functional: spike, reset, then bound",
        {"bound_first": True},
    ),
    Candidate(
        "events of one microsecond reordered",
        "events of equal time stamp in random order",
        "sinabs documentation, speck/overview: the chip is asynchronous",
        order="ties",
    ),
    Candidate(
        "events jittered by 10 µs",
        "events that lie closer together than that may change places",
        "sinabs documentation, speck/overview: the chip is asynchronous",
        order="jitter",
    ),
    Candidate(
        "state left from the recording before",
        "membranes are not reset, recordings in the order 0 … 9",
        "sinabs-dynapcnn 1.0.15, dynapcnn_network.py: reset_states erases membranes separately, in case",
        {"carry": True},
    ),
    Candidate(
        "random state at the start",
        "membranes begin uniformly between bound and θ",
        "github.com/synsense/sinabs, issue 148: reset_states of a development version",
        {"random_start": True},
    ),
    Candidate(
        "one event of a thousand lost",
        "for scale: no document says so",
        "none",
        order="loss",
    ),
)


def whole_numbers(network: EventNetwork, rounding: str, bound: float) -> tuple[np.ndarray, int, int]:
    """(weights, θ, bound) of the first layer in membrane units, by the published formulas, not by the engine's code."""
    weight = network.synapses[[s.source for s in network.synapses].index("input")].values
    low, high = np.float32(weight.min()), np.float32(weight.max())
    if rounding == "int8":
        scale = 127 / max(abs(float(low)), abs(float(high)))
        return np.rint(weight.astype(float) * scale).astype(np.int64), round(scale), round(bound * scale)
    scale32 = np.float32(-128) / low if -low > high * np.float32(128 / 127) else np.float32(127) / high
    return np.rint(weight * scale32).astype(np.int64), round(scale32), round(np.float32(bound) * scale32)


def counts(
    network: EventNetwork,
    recordings: Sequence[np.ndarray],
    bound: float,
    *,
    rounding: str = "dynapcnn",
    carry: bool = False,
    random_start: bool = False,
    theta: int | None = None,
    floor: int | None = None,
    **options: bool,
) -> np.ndarray:
    """Spikes of each neuron of the first layer, int64 [recordings, C, H, W], by an integer sum of its own.

    θ = 1 in the weights' unit. theta, floor: instead of those that the rounding gives; options: of the loop (`strict`,
    `hard`, `several`, `bound_first`).
    """
    weights, own_theta, own_floor = whole_numbers(network, rounding, bound)
    theta, floor = own_theta if theta is None else theta, own_floor if floor is None else floor
    synapse = next(s for s in network.synapses if s.source == "input")
    shape = network.population(synapse.target).shape
    flags = tuple(options.get(name, False) for name in ("strict", "hard", "several", "bound_first"))
    rng = np.random.default_rng(0)
    v, out = np.zeros(shape, np.int64), []
    for events in recordings:
        if not carry:
            v = rng.integers(floor, theta, shape) if random_start else np.zeros(shape, np.int64)
        columns = [np.asarray(events[name], np.int64) for name in "xyp"]
        out.append(_loop()(*columns, weights, synapse.stride, synapse.padding, theta, floor, v, *flags))
    return np.array(out)


def reordered(events: np.ndarray, order: str, rng: np.random.Generator) -> np.ndarray:
    """The events of a recording with ties in random order, jittered, or some of them lost."""
    if order == "ties":
        return events[np.lexsort((rng.random(len(events)), events["t"]))]
    if order == "jitter":
        return events[np.argsort(events["t"] + rng.uniform(0, 10, len(events)), kind="stable")]
    if order == "loss":
        return events[rng.random(len(events)) > 0.001]
    return events


@cache
def _loop() -> Any:
    import numba  # only where it is run

    @numba.njit
    def loop(xs, ys, ps, weights, stride, padding, theta, floor, v, strict, hard, several, bound_first):  # type: ignore[no-untyped-def]  # Numba infers the types
        channels, rows, columns = v.shape
        size = weights.shape[2]
        spikes = np.zeros(v.shape, np.int64)
        for e in range(len(xs)):
            for row in range(rows):
                ky = ys[e] + padding - row * stride
                if ky < 0 or ky >= size:
                    continue
                for column in range(columns):
                    kx = xs[e] + padding - column * stride
                    if kx < 0 or kx >= size:
                        continue
                    for c in range(channels):
                        u = v[c, row, column] + weights[c, ps[e], ky, kx]
                        if bound_first and u < floor:
                            u = floor
                        while u > theta or (u == theta and not strict):
                            spikes[c, row, column] += 1
                            u = 0 if hard else u - theta
                            if not several:
                                break
                        v[c, row, column] = max(u, floor)
        return spikes

    return loop
