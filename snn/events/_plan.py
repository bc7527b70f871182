"""A network as flat arrays, the form that the kernel runs.

Membranes of a population lie as [H][W][C'], C' being C rounded up to 8 (the cells between stay 0 and never fire).
Weights of a synapse lie so that all targets of an event in one row of the map are one contiguous run of weights:
[C_in][y phase][y tap][x phase][x tap][C'], taps in the order of ascending targets. A phase is (x + padding) mod stride.
Three small tables (one row a source channel, row and column) give each event's first target and weight without a
division or a test for the border. Sources of the idea: none; it is im2col turned round, for one event.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from snn.errors import UserError
from snn.events.network import INPUT, EventNetwork, Population, Synapse

ALIGN = 64
INT8, INT16 = 127, np.iinfo(np.int16)

# Columns of Plan.populations.
OFFSET, CHANNELS, HEIGHT, WIDTH, STRIDE, SPIKING, HARD, SIZE, BY_STRIDE, BY_STRIDE_BITS, BY_WIDTH, BY_WIDTH_BITS = (
    range(12)
)
# Columns of Plan.synapses.
SOURCE, TARGET, LANES, DENSE, RUN, ROW_STEP, WEIGHTS, TAPS_C, TAPS_Y, TAPS_X, FAN, MOST = range(12)


class Plan(NamedTuple):
    """P populations and the input (row 0), S synapses.

    populations: int64 [P+1, 12]; synapses: int64 [S, 12]; taps: int64 [·, 3], rows (first target, how many, weight
    offset) for y and x, (channel offset in the target, 0, weight offset) for c; weights: float32 or int8 [·];
    below [P+1]: the largest number under θ, so that `v > below` is `v ≥ θ`; θ and floor (v_min) alike, all in the
    membranes' type; tau: float64 [P+1], µs, 0 for no leak; scale: float64 [P+1], membrane units per weight unit.
    """

    populations: np.ndarray
    synapses: np.ndarray
    incoming: np.ndarray  # int64 [P+1, ·], synapses that lead to a population, in file order, -1 after the last
    outgoing: np.ndarray  # int64 [P+1, ·]
    taps: np.ndarray
    weights: np.ndarray
    theta: np.ndarray
    below: np.ndarray
    floor: np.ndarray
    tau: np.ndarray
    scale: np.ndarray
    membranes: int
    output: int
    depth: bool


def make(network: EventNetwork, integer: bool, depth: bool) -> Plan:
    """Lay a network out. Raises `UserError` where the integer mode cannot hold a threshold."""
    populations, membranes = _populations(network)
    index = {INPUT: 0} | {p.name: i for i, p in enumerate(network.populations, 1)}
    kind = np.int16 if integer else np.float32
    theta, below, floor = (np.zeros(len(index), kind) for _ in range(3))
    tau, scale = np.zeros(len(index)), np.ones(len(index))
    for i, population in enumerate(network.populations, 1):
        tau[i] = population.tau_us or 0.0
        if integer:
            incoming = [s for s in network.synapses if s.target == population.name]
            scale[i] = integer_scale(population, incoming)
            theta[i], floor[i] = integer_threshold(population, scale[i])
            below[i] = theta[i] - 1 if population.spiking else INT16.max
        else:
            theta[i] = population.threshold
            floor[i] = -np.inf if population.v_min is None else population.v_min
            below[i] = np.nextafter(theta[i], np.float32(-np.inf)) if population.spiking else np.inf

    rows, taps, weights = [], [], []
    n_taps = n_weights = 0
    for synapse in network.synapses:
        source, target = network.shape_of(synapse.source), network.population(synapse.target)
        i = index[synapse.target]
        row, table, block = _synapse(synapse, source, target, int(populations[i, STRIDE]))
        if integer:
            block = np.rint(block * scale[i])
        row[SOURCE], row[TARGET] = index[synapse.source], i
        row[[TAPS_C, TAPS_Y, TAPS_X]] += n_taps
        row[WEIGHTS] = n_weights
        block = _aligned(block.ravel())
        rows.append(row)
        taps.append(table)
        weights.append(block)
        n_taps += len(table)
        n_weights += len(block)
    rows = np.array(rows)
    merges = max(np.bincount(rows[:, TARGET])) > 1
    return Plan(
        populations=populations,
        synapses=rows,
        incoming=_lists(rows[:, TARGET], len(index)),
        outgoing=_lists(rows[:, SOURCE], len(index)),
        taps=np.concatenate(taps),
        weights=aligned_zeros(n_weights, np.int8 if integer else np.float32, np.concatenate(weights)),
        theta=theta,
        below=below,
        floor=floor,
        tau=tau,
        scale=scale,
        membranes=membranes,
        output=index[network.output],
        # Without a merge no population can tell the two orders apart: the faster one serves both.
        depth=depth and merges,
    )


def integer_scale(population: Population, incoming: list[Synapse]) -> float:
    """Membrane units per weight unit: 127 / the largest |weight| of all synapses that lead to the population."""
    largest = max(s.largest for s in incoming)
    return INT8 / largest if largest > 0 else INT8 / population.threshold


def integer_threshold(population: Population, scale: float) -> tuple[int, int]:
    """θ and v_min in membrane units, rounded to nearest even; v_min ends at int16's own limit."""
    theta = round(population.threshold * scale)
    if population.spiking and not 1 <= theta <= INT16.max:
        raise UserError(
            f"population {population.name!r}: its threshold is {theta} in integer units (scale {scale:.4g} from the "
            f"largest weight), int16 membranes hold 1 to {INT16.max}; use mode='float' or rescale the weights"
        )
    theta = min(max(theta, 1), INT16.max)
    floor = INT16.min if population.v_min is None else max(round(population.v_min * scale), INT16.min)
    return theta, floor


def aligned_zeros(size: int, dtype: type, values: np.ndarray | None = None) -> np.ndarray:
    """Zeros that start at a cache line."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    out = raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    if values is not None:
        out[:] = values
    return out


def _populations(network: EventNetwork) -> tuple[np.ndarray, int]:
    c, h, w = network.input_shape
    rows, offset = [[0, c, h, w, c, 1, 0, c * h * w, *_reciprocal(c), *_reciprocal(w)]], 0
    for population in network.populations:
        c, h, w = population.shape
        stride = -(-c // 8) * 8
        flags = [population.spiking, population.reset == "hard", population.size]
        rows.append([offset, c, h, w, stride, *flags, *_reciprocal(stride), *_reciprocal(w)])
        offset += -(-h * w * stride // ALIGN) * ALIGN
    if max(offset, int(np.prod(network.input_shape))) >= 2**31:
        raise UserError("the network has more than 2^31 neurons")
    return np.array(rows, np.int64), offset


def _reciprocal(d: int) -> tuple[int, int]:
    """(m, bits) with n // d = n · m >> bits for all 0 ≤ n < 2^31 (Granlund and Montgomery, 1994)."""
    bits = 31 + (d - 1).bit_length()
    return -(-(1 << bits) // d), bits


def _synapse(synapse: Synapse, source: tuple, target: Population, stride_c: int) -> tuple:
    """One row of Plan.synapses, its tables (offsets from the first of them) and its weights."""
    c_in, h_full, w_full = source
    h_in, w_in = h_full // synapse.pool, w_full // synapse.pool
    c_out, h_out, w_out = target.shape
    row = np.zeros(12, np.int64)
    if synapse.kind == "linear":
        cells = h_out * w_out
        run = cells * stride_c
        block = np.zeros((c_in * h_in * w_in, cells, stride_c), np.float32)
        block[:, :, :c_out] = synapse.weight.reshape(c_out, cells, -1).transpose(2, 1, 0)
        table_c = [(0, 0, c * h_in * w_in * run) for c in range(c_in)]
        table_y = [(0, 1, y * w_in * run) for y in range(h_in)]
        table_x = [(0, cells, x * run) for x in range(w_in)]
        dense, width, step = True, stride_c, 0
    else:
        weight, groups = synapse.weight, synapse.groups
        if synapse.kind == "identity":
            weight, groups = np.full((c_out, 1, 1, 1), synapse.scale, np.float32), c_out
        dense = groups == 1
        per_in, per_out = c_in // groups, c_out // groups
        width = stride_c if dense else per_out
        s, (k_y, k_x) = synapse.stride, weight.shape[2:]
        taps_y, taps_x = -(-k_y // s), -(-k_x // s)
        block = np.zeros((groups, per_in, s, taps_y, s, taps_x, width), np.float32)
        split = weight.reshape(groups, per_out, per_in, k_y, k_x).transpose(0, 2, 3, 4, 1)
        for ky in range(k_y):
            for kx in range(k_x):
                ty, tx = taps_y - 1 - ky // s, taps_x - 1 - kx // s
                block[:, :, ky % s, ty, kx % s, tx, :per_out] = split[:, :, ky, kx]
        step = s * taps_x * width
        per_c = s * taps_y * step
        table_c = [(0 if dense else c // per_in * per_out, 0, c * per_c) for c in range(c_in)]
        table_y = _axis(h_in, h_out, k_y, s, synapse.padding, step)
        table_x = _axis(w_in, w_out, k_x, s, synapse.padding, width)
    table_y = _pooled(table_y, h_full, synapse.pool)
    table_x = _pooled(table_x, w_full, synapse.pool)
    row[DENSE], row[RUN], row[ROW_STEP] = dense, width, step
    row[LANES] = next(n for n in (64, 32, 16, 8, 1) if width % n == 0)
    row[TAPS_Y], row[TAPS_X] = c_in, c_in + h_full
    row[FAN] = c_out if dense else width
    row[MOST] = max(n for _, n, _ in table_y) * max(n for _, n, _ in table_x) * row[FAN]
    return row, np.array(table_c + table_y + table_x, np.int64), block


def _axis(n_in: int, n_out: int, k: int, stride: int, padding: int, step: int) -> list[tuple[int, int, int]]:
    """For each source position: (first target, how many, offset of the first one's weight).

    Target o meets source i where i = o·stride − padding + tap; the taps of i are those of its phase, the last first.
    """
    taps = -(-k // stride)
    table = []
    for i in range(n_in):
        phase = (i + padding) % stride
        base = (i + padding) // stride - (taps - 1)
        first = max(taps - 1 - (k - 1 - phase) // stride, -base)
        last = min(taps - 1, n_out - 1 - base)
        n = max(last - first + 1, 0)
        table.append((base + first if n else 0, n, (phase * taps + first) * step if n else 0))
    return table


def _pooled(table: list, full: int, pool: int) -> list:
    """The table of pooled positions, for positions before pooling; those that pooling cuts off meet nothing."""
    return [table[i // pool] if i // pool < len(table) else (0, 0, 0) for i in range(full)]


def _aligned(values: np.ndarray) -> np.ndarray:
    return np.pad(values, (0, -len(values) % ALIGN))


def _lists(of: np.ndarray, n: int) -> np.ndarray:
    out = np.full((n, np.bincount(of, minlength=n).max() + 1), -1, np.int64)
    for i in range(n):
        members = np.flatnonzero(of == i)
        out[i, : len(members)] = members
    return out
