"""Random small networks and event streams, with everything in them that the engine can do."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from snn.events import EventNetwork, Population, Synapse

MOST = 80.0
CHANNELS = (1, 2, 3, 5, 8, 9, 16, 32, 64)


def convolved(shape, c_out, k, stride, padding, pool):
    size = [(n // pool + 2 * padding - k) // stride + 1 for n in shape[1:]]
    return (c_out, *size)


def weights(rng, shape, grid, source, target, rates):
    """Gaussian, or on a grid on which sums hit thresholds exactly.

    Scaled down where spikes would multiply from layer to layer beyond what the reference follows in a moment:
    `rates` holds a rough number of spikes for each input event, MOST at the most.
    """
    fan = np.prod(shape) / shape[1]  # targets of an event, away from the border
    rate = rates[source] * fan * 0.25
    gain = min(1.0, MOST / rate)
    rates[target] = rates.get(target, 0.0) + gain * rate
    w = rng.normal(0.15, 0.5, shape) * gain
    return (np.round(w * 8) / 8 if grid else w).astype(np.float32)


@st.composite
def networks(draw, spiking_output=None, leak=True):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = draw(st.booleans())
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    shapes, rates, populations, synapses = {"input": shape}, {"input": 1.0}, [], []
    depth = draw(st.integers(1, 4))
    for i in range(depth):
        source = draw(st.sampled_from(list(shapes)))
        if i and draw(st.integers(0, 3)):
            source = populations[-1].name
        name = f"layer{i}"
        first = draw(incoming(rng, grid, source, name, shapes, rates))
        synapses.append(first[0])
        shapes[name] = first[1]
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            synapses.append(draw(merging(rng, grid, draw(st.sampled_from(list(shapes)[:-1])), name, shapes, rates)))
        last = i == depth - 1
        spiking = True
        if last:
            spiking = draw(st.booleans()) if spiking_output is None else spiking_output
        populations.append(
            Population(
                name,
                shapes[name],
                threshold=draw(st.sampled_from([0.5, 1.0, 1.0, 1.37])),
                v_min=draw(st.sampled_from([-1.0, -1.0, -0.25, 0.0, None])),
                spiking=spiking,
                tau_us=draw(st.sampled_from([None, None, 40.0])) if leak else None,
                reset=draw(st.sampled_from(["soft", "soft", "soft", "hard"])),
                v0=draw(st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 2.0])),
            )
        )
    order = draw(st.permutations(range(len(synapses))))  # the order in the file is part of the meaning
    return EventNetwork(shape, populations, [synapses[i] for i in order])


@st.composite
def incoming(draw, rng, grid, source, target, shapes, rates):
    """A synapse that makes its target's shape."""
    shape = shapes[source]
    pool = draw(st.sampled_from([1, 1, 2])) if min(shape[1:]) > 1 else 1
    kind = draw(st.sampled_from(["conv", "conv", "conv", "linear", "identity"]))
    pooled = (shape[0], shape[1] // pool, shape[2] // pool)
    if kind == "identity":
        rates[target] = rates[source]
        return Synapse(source, target, "identity", scale=float(rng.uniform(0.3, 1.2)), pool=pool), pooled
    if kind == "linear":
        out = (draw(st.sampled_from(CHANNELS[:6])), *draw(st.sampled_from([(1, 1), (1, 1), (2, 3)])))
        w = weights(rng, (int(np.prod(out)), int(np.prod(pooled))), grid, source, target, rates)
        return Synapse(source, target, "linear", w, pool=pool), out
    padding = draw(st.integers(0, 2))
    k = draw(st.integers(1, max(1, min(3, min(pooled[1:]) + 2 * padding))))
    stride = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, shape[0]]))
    large = max(shapes[source]) <= 8 and draw(st.integers(0, 3)) == 0
    c_out = draw(st.sampled_from(CHANNELS if large else CHANNELS[:6]))
    c_out = -(-c_out // groups) * groups
    w = weights(rng, (c_out, shape[0] // groups, k, k), grid, source, target, rates)
    out = convolved(shape, c_out, k, stride, padding, pool)
    return Synapse(source, target, "conv", w, stride=stride, padding=padding, groups=groups, pool=pool), out


@st.composite
def merging(draw, rng, grid, source, target, shapes, rates):
    """A further synapse to a population that has its shape already."""
    shape, out = shapes[source], shapes[target]
    kinds = ["linear"]
    if shape == out:
        kinds += ["identity"] * 2
    if shape[1:] == out[1:]:
        kinds += ["conv"] * 2
    kind = draw(st.sampled_from(kinds))
    if kind == "identity":
        rates[target] += rates[source]
        return Synapse(source, target, "identity", scale=float(rng.uniform(-0.5, 1.2)))
    if kind == "conv":
        return Synapse(
            source, target, "conv", weights(rng, (out[0], shape[0], 3, 3), grid, source, target, rates), padding=1
        )
    return Synapse(
        source, target, "linear", weights(rng, (int(np.prod(out)), int(np.prod(shape))), grid, source, target, rates)
    )


@st.composite
def recordings(draw, shape, most=40):
    """Columns t, x, y, p; many ties in time."""
    n = draw(st.integers(0, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    t = np.sort(rng.integers(0, draw(st.sampled_from([3, 100, 10_000])), n)) + draw(st.sampled_from([0, 5_000]))
    return t, rng.integers(0, shape[2], n), rng.integers(0, shape[1], n), rng.integers(0, shape[0], n)
