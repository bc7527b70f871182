"""A network as flat arrays, the form that the kernel runs.

Membranes of a population lie as [H][W][C'], C' being C rounded up to 8 (the padding stays 0 and never fires).
Weights of a synapse lie so that all targets of an event in one row of the map are one contiguous run of weights:
[C_in][y phase][y tap][x phase][x tap][C'], taps in the order of ascending targets. A phase is (x + padding) mod stride.
Three small tables (one row a source channel, row and column) give each event's first target and weight without a
division or a test for the border. It is im2col turned round, for one event; there is no outside source.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from snn.errors import UserError
from snn.events._quantise import INT16, quantise
from snn.events.network import INPUT, MAX_NEURONS, EventNetwork, Synapse

ALIGN = 64  # bytes of a cache line; also the largest number of membranes that the kernel updates at once
LANES = (64, 32, 16, 8, 1)

POPULATION = np.dtype(
    [
        ("offset", np.int64),  # of its first membrane
        ("channels", np.int64),
        ("width", np.int64),
        ("size", np.int64),  # neurons, without padding
        ("stride", np.int64),  # membranes from one position of the map to the next: C'
        ("stride_factor", np.int64),  # n // stride = n · factor >> bits, see `_reciprocal`
        ("stride_bits", np.int64),
        ("width_factor", np.int64),  # n // width
        ("width_bits", np.int64),
        ("spiking", np.bool_),
        ("hard_reset", np.bool_),
    ],
    align=True,
)
SYNAPSE = np.dtype(
    [
        ("source", np.int64),  # rows of `Layout.populations`
        ("target", np.int64),
        ("lanes", np.int64),  # membranes that the kernel updates at once
        ("run", np.int64),  # contiguous weights of one target position
        ("row_step", np.int64),  # weights from the run of one row of targets to the next
        ("first_weight", np.int64),  # in `Layout.weights`
        ("taps_c", np.int64),  # first rows in `Layout.taps`
        ("taps_y", np.int64),
        ("taps_x", np.int64),
        ("fan_out", np.int64),  # synaptic operations of one target position
        ("max_targets", np.int64),  # spikes that one event can cause, at most
        ("dense", np.bool_),  # neighbouring target positions of a row have neighbouring weights
    ],
    align=True,
)
TAP = np.dtype(
    [
        ("target", np.int64),  # first target position (of channels: offset of the membrane)
        ("count", np.int64),  # target positions (of channels: unused)
        ("weight", np.int64),  # offset of the first one's weight
    ]
)


class Layout(NamedTuple):
    """P populations and the input (row 0), S synapses."""

    populations: np.ndarray  # POPULATION [P+1]
    synapses: np.ndarray  # SYNAPSE [S]
    incoming: np.ndarray  # int64 [P+1, ·], synapses that lead to a population, in file order, -1 after the last
    outgoing: np.ndarray  # int64 [P+1, ·], synapses that leave it
    taps: np.ndarray  # TAP [·]
    weights: np.ndarray  # float32 or int8 [·]
    theta: np.ndarray  # [P+1], threshold θ; like `below` and `floor` in the membranes' type, float32 or int16
    below: np.ndarray  # [P+1], the largest number under θ, so that `v > below` is `v ≥ θ`
    floor: np.ndarray  # [P+1], v_min
    initial: np.ndarray  # all membranes at the start of a recording, in their type; empty if all are 0
    tau: np.ndarray  # float64 [P+1], µs, 0 for no leak
    scale: np.ndarray  # float64 [P+1], membrane units per weight unit
    membranes: int
    output: int  # row of the output population
    depth: bool  # run depth-first


def lay_out(network: EventNetwork, mode: str, depth: bool) -> Layout:
    """The arrays of a network in a mode of `Engine`; `UserError` where an integer mode cannot hold its numbers."""
    integer = mode != "float"
    populations, membranes = _populations(network)
    index = {INPUT: 0} | {p.name: i for i, p in enumerate(network.populations, 1)}
    kind = np.int16 if integer else np.float32
    theta, below, floor = (np.zeros(len(index), kind) for _ in range(3))
    tau, scale = np.zeros(len(index)), np.ones(len(index))
    initial = np.zeros(membranes if any(p.v0 for p in network.populations) else 0, kind)
    whole = quantise(network, mode) if integer else {}
    for i, population in enumerate(network.populations, 1):
        tau[i] = population.tau_us or 0.0
        if integer:
            numbers = whole[population.name]
            scale[i], theta[i], floor[i] = numbers.scale, numbers.theta, numbers.floor
            below[i] = theta[i] - 1 if population.spiking else INT16.max
        else:
            theta[i] = population.threshold
            floor[i] = -np.inf if population.v_min is None else population.v_min
            below[i] = np.nextafter(theta[i], np.float32(-np.inf)) if population.spiking else np.inf
        if population.v0:
            row, area = populations[i], population.size // population.shape[0]
            part = initial[row["offset"] : row["offset"] + area * row["stride"]].reshape(area, row["stride"])
            v0 = whole[population.name].v0 if integer else population.v0
            part[:, : row["channels"]] = v0  # the padding stays 0

    synapses = np.zeros(len(network.synapses), SYNAPSE)
    taps, weights = [], []
    n_taps = n_weights = 0
    for row, synapse in zip(synapses, network.synapses, strict=True):
        row["source"], row["target"] = index[synapse.source], index[synapse.target]
        shapes = network.shape_of(synapse.source), network.shape_of(synapse.target)
        stride_c = int(populations["stride"][row["target"]])
        tables, block = _synapse(row, synapse, *shapes, stride_c)
        row["taps_c"] = n_taps
        row["taps_y"] = row["taps_c"] + len(tables[0])
        row["taps_x"] = row["taps_y"] + len(tables[1])
        row["first_weight"] = n_weights
        if integer:
            block = whole[synapse.target].rounded(block)
        weights.append(np.pad(block.ravel(), (0, -block.size % ALIGN)))
        taps += tables
        n_taps += sum(map(len, tables))
        n_weights += len(weights[-1])
    merges = np.bincount(synapses["target"]).max() > 1
    return Layout(
        populations=populations,
        synapses=synapses,
        incoming=_lists(synapses["target"], len(index)),
        outgoing=_lists(synapses["source"], len(index)),
        taps=np.concatenate(taps),
        weights=aligned_zeros(n_weights, np.int8 if integer else np.float32, np.concatenate(weights)),
        theta=theta,
        below=below,
        floor=floor,
        initial=initial,
        tau=tau,
        scale=scale,
        membranes=membranes,
        output=index[network.output],
        # Without a merge no population can tell the two orders apart: the faster one serves both.
        depth=depth and bool(merges),
    )


def aligned_zeros(size: int, dtype: Any, values: np.ndarray | None = None) -> np.ndarray:
    """`values`, or zeros, in memory that starts at a cache line."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    out = raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    if values is not None:
        out[:] = values
    return out


def _populations(network: EventNetwork) -> tuple[np.ndarray, int]:
    """Rows of `Layout.populations`, and the number of membranes."""
    c, h, w = network.input_shape
    # Events of the input lie as [H][W][C] without padding; it has no membranes.
    rows, offset = [(0, c, w, c * h * w, c, *_reciprocal(c), *_reciprocal(w), True, False)], 0
    for population in network.populations:
        c, h, w = population.shape
        stride = -(-c // 8) * 8
        how = population.spiking, population.reset == "hard"
        rows.append((offset, c, w, population.size, stride, *_reciprocal(stride), *_reciprocal(w), *how))
        offset += -(-h * w * stride // ALIGN) * ALIGN
    if offset > MAX_NEURONS:
        raise UserError(f"the network has more than {MAX_NEURONS} neurons (channels count in eights)")
    return np.array(rows, POPULATION), offset


def _reciprocal(d: int) -> tuple[int, int]:
    """(m, bits) with n // d = n · m >> bits for all 0 ≤ n < 2^31 (Granlund and Montgomery, 1994)."""
    bits = 31 + (d - 1).bit_length()
    return -(-(1 << bits) // d), bits


def _synapse(
    row: np.void, synapse: Synapse, source: tuple[int, int, int], target: tuple[int, int, int], stride_c: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Its taps for channel, row and column, and its weights; what follows from them is written into the row."""
    c_in, h_full, w_full = source
    h_in, w_in = h_full // synapse.pool, w_full // synapse.pool
    c_out, h_out, w_out = target
    channels = np.arange(c_in)
    if synapse.kind == "linear":
        cells = h_out * w_out
        step_x = cells * stride_c  # all targets of one source neuron
        block = np.zeros((c_in * h_in * w_in, cells, stride_c), np.float32)
        block[:, :, :c_out] = synapse.values.reshape(c_out, cells, -1).transpose(2, 1, 0)
        tap_c = _taps(0, 0, channels * h_in * w_in * step_x)
        tap_y = _taps(0, 1, np.arange(h_in) * w_in * step_x)
        tap_x = _taps(0, cells, np.arange(w_in) * step_x)
        row["dense"], row["run"], row["row_step"], row["fan_out"] = True, stride_c, 0, c_out
    else:
        weight, groups = synapse.values, synapse.groups
        if synapse.kind == "identity":
            groups = c_out
            weight = np.broadcast_to(weight, (c_out, 1, 1, 1))
        dense = groups == 1
        per_in, per_out = c_in // groups, c_out // groups
        run = stride_c if dense else per_out
        s, (k_y, k_x) = synapse.stride, weight.shape[2:]
        taps_y, taps_x = -(-k_y // s), -(-k_x // s)
        # A stride beyond the kernel leaves phases without any tap: no weights are kept for them.
        phases_y, phases_x = min(s, k_y), min(s, k_x)
        block = np.zeros((groups, per_in, phases_y, taps_y, phases_x, taps_x, run), np.float32)
        split = weight.reshape(groups, per_out, per_in, k_y, k_x).transpose(0, 2, 3, 4, 1)
        for ky in range(k_y):
            for kx in range(k_x):
                ty, tx = taps_y - 1 - ky // s, taps_x - 1 - kx // s
                block[:, :, ky % s, ty, kx % s, tx, :per_out] = split[:, :, ky, kx]
        row_step = phases_x * taps_x * run
        tap_c = _taps(0 if dense else channels // per_in * per_out, 0, channels * phases_y * taps_y * row_step)
        tap_y = _axis(h_in, h_out, k_y, s, synapse.padding, row_step)
        tap_x = _axis(w_in, w_out, k_x, s, synapse.padding, run)
        row["dense"], row["run"], row["row_step"], row["fan_out"] = dense, run, row_step, c_out if dense else run
    row["lanes"] = next(n for n in LANES if row["run"] % n == 0)
    row["max_targets"] = tap_y["count"].max() * tap_x["count"].max() * row["fan_out"]
    return [tap_c, _pooled(tap_y, h_full, synapse.pool), _pooled(tap_x, w_full, synapse.pool)], block


def _taps(target: int | np.ndarray, count: int | np.ndarray, weight: np.ndarray) -> np.ndarray:
    table = np.zeros(len(weight), TAP)
    table["target"], table["count"], table["weight"] = target, count, weight
    return table


def _axis(n_in: int, n_out: int, k: int, stride: int, padding: int, step: int) -> np.ndarray:
    """For each source position along one axis: its first target, their number, and the first one's weight.

    Target o meets source i where i = o·stride − padding + tap; the taps of i are those of its phase, the last first.
    """
    taps = -(-k // stride)
    phase = (np.arange(n_in) + padding) % stride
    base = (np.arange(n_in) + padding) // stride - (taps - 1)
    first = np.maximum(taps - 1 - (k - 1 - phase) // stride, -base)
    last = np.minimum(taps - 1, n_out - 1 - base)
    count = np.maximum(last - first + 1, 0)
    return _taps((base + first) * (count > 0), count, (phase * taps + first) * step * (count > 0))


def _pooled(table: np.ndarray, full: int, pool: int) -> np.ndarray:
    """The table of pooled positions, for positions before pooling; those that pooling cuts off meet nothing."""
    out = np.zeros(full, TAP)
    whole = len(table) * pool
    out[:whole] = np.repeat(table, pool)
    return out


def _lists(members_of: np.ndarray, n: int) -> np.ndarray:
    """Row i: the indices at which `members_of` is i, then -1."""
    out: np.ndarray = np.full((n, np.bincount(members_of, minlength=n).max() + 1), -1, np.int64)
    for i in range(n):
        members = np.flatnonzero(members_of == i)
        out[i, : len(members)] = members
    return out
