"""The inner loops, compiled by Numba.

All compiled code stands in this one file on purpose: Numba's cache looks only at the file that holds a function, so
a change of a helper elsewhere would leave old machine code in use.

Vector instructions are asked for directly (LLVM vectors): for the loop below the compiler's own vectoriser falls back
to single numbers whenever a row is shorter than its unrolled step, which is the case for every narrow layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from snn.events._plan import (
    BY_STRIDE,
    BY_STRIDE_BITS,
    BY_WIDTH,
    BY_WIDTH_BITS,
    CHANNELS,
    DENSE,
    FAN,
    HARD,
    LANES,
    MOST,
    OFFSET,
    ROW_STEP,
    RUN,
    SIZE,
    SOURCE,
    SPIKING,
    STRIDE,
    TAPS_C,
    TAPS_X,
    TAPS_Y,
    TARGET,
    WEIGHTS,
    WIDTH,
)

# A queue entry is `root << 32 | place`: the input event (of the chunk) that caused the spike, and the neuron's place in
# [H][W][C'], the layout of the membranes.
ROOT_BITS = 32
QUEUE = 1 << 15  # entries above which the next chunk of input events is made smaller
LEADER, MOST_SPIKES = range(2)  # entries of Work.lead
IN_ORDER, BACKWARDS, NEGATIVE, OUTSIDE, POLARITY = range(5)  # what `check` finds


def compiled(function: Callable) -> Any:
    """Compile without the GIL, and keep the machine code on disk where there is a place to write."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # no writable cache folder
        return njit(nogil=True, error_model="numpy")(function)


def _block(lanes: int, reset: bool) -> Any:
    """The neurons' update, for `lanes` neighbouring membranes at once; returns those that fire, as bits.

        v ← v + w;  fired = v > below;  v ← v − θ where fired (hard: 0), max(v, floor) elsewhere

    A membrane that fires ends at 0 or above and needs no clip. reset=False leaves v − θ to the caller.
    float32 membranes and weights; or int16 membranes and int8 weights, the sum saturating at int16's limits.
    """

    @intrinsic
    def block(typingctx, v, i, w, j, below, floor, theta, hard):  # type: ignore[no-untyped-def]
        signature = types.uint64(v, types.int64, w, types.int64, v.dtype, v.dtype, v.dtype, types.boolean)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            integer = isinstance(signature.args[0].dtype, types.Integer)
            cell, align = (ir.IntType(16), 2) if integer else (ir.FloatType(), 4)
            vector = ir.VectorType(cell, lanes)

            def pointer(array: int, index: int, kind: ir.Type) -> Any:
                data = context.make_array(signature.args[array])(context, builder, args[array]).data
                return builder.bitcast(builder.gep(data, [args[index]]), kind.as_pointer())

            def splat(value: Any) -> Any:
                one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
                zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
                return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)

            below, floor, theta = (splat(args[k]) for k in (4, 5, 6))
            hard = builder.trunc(args[7], ir.IntType(1))
            place = pointer(0, 1, vector)
            old = builder.load(place, align=align)
            if integer:
                weight = builder.sext(builder.load(pointer(2, 3, ir.VectorType(ir.IntType(8), lanes)), align=1), vector)
                name = f"llvm.sadd.sat.v{lanes}i16"
                kind = ir.FunctionType(vector, [vector, vector])
                add = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
                new = builder.call(add, [old, weight])
                fired = builder.icmp_signed(">", new, below)
                clipped = builder.select(builder.icmp_signed("<", new, floor), floor, new)
                rest = builder.sub(new, builder.select(hard, new, theta))
            else:
                weight = builder.load(pointer(2, 3, vector), align=align)
                new = builder.fadd(old, weight)
                fired = builder.fcmp_ordered(">", new, below)
                clipped = builder.select(builder.fcmp_ordered("<", new, floor), floor, new)
                rest = builder.fsub(new, builder.select(hard, new, theta))
            builder.store(builder.select(fired, rest, clipped) if reset else clipped, place, align=align)
            bits = builder.bitcast(fired, ir.IntType(lanes))
            return bits if lanes == 64 else builder.zext(bits, ir.IntType(64))

        return signature, codegen

    return block


@intrinsic
def _lowest_bit(typingctx, bits):  # type: ignore[no-untyped-def]
    """Index of the lowest set bit; 64 of 0."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


def _leak(v: Any, dt: int, tau: float) -> Any:
    """v · exp(−dt / tau); in integers v · round(2^16 · exp(−dt / tau)) / 2^16, towards 0."""
    raise NotImplementedError


@overload(_leak)
def _leak_of(v, dt, tau):  # type: ignore[no-untyped-def]
    if isinstance(v, types.Integer):

        def leak(v, dt, tau):  # type: ignore[no-untyped-def]
            factor = np.int64(math.floor(math.exp(-dt / tau) * 65536.0 + 0.5))
            whole = np.int64(v) * factor
            return np.int16(whole >> 16 if whole >= 0 else -((-whole) >> 16))

    else:

        def leak(v, dt, tau):  # type: ignore[no-untyped-def]
            return np.float32(v * np.float32(math.exp(-dt / tau)))

    return leak


@compiled
def _decay(v, last, i, n, now, tau):  # type: ignore[no-untyped-def]
    """Bring n neighbouring membranes up to the time `now`."""
    for j in range(i, i + n):
        dt = now - last[j]
        last[j] = now
        if dt > 0 and v[j] != 0:
            v[j] = _leak(v[j], dt, tau)


def _consumer(lanes: int) -> Any:
    # Where rows are short, an event's time goes into branches that are foreseen wrongly: narrow layers emit the first
    # spike of a word of 64 membranes and reset all of them without any. Wide ones rather save the instructions.
    narrow = lanes <= 16
    block = _block(lanes, reset=narrow)

    @compiled
    def consume(plan, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
        """Deliver events start..stop of the source's queue through synapse s.

        Returns the first one not delivered: short of `stop` where the target's queue might not hold its spikes.
        """
        row = plan.synapses[s]
        source, target = row[SOURCE], row[TARGET]
        cell, come = plan.populations[target], plan.populations[source]
        offset, width, stride_c, hard = cell[OFFSET], cell[WIDTH], cell[STRIDE], cell[HARD] != 0
        from_stride, from_width = come[STRIDE], come[WIDTH]
        by_stride, by_stride_bits = np.uint64(come[BY_STRIDE]), np.uint64(come[BY_STRIDE_BITS])
        by_width, by_width_bits = np.uint64(come[BY_WIDTH]), np.uint64(come[BY_WIDTH_BITS])
        dense, run, step, fan, first_weight = row[DENSE], row[RUN], row[ROW_STEP], row[FAN], row[WEIGHTS]
        taps_c, taps_y, taps_x = plan.taps[row[TAPS_C] :], plan.taps[row[TAPS_Y] :], plan.taps[row[TAPS_X] :]
        below, floor, theta, tau = plan.below[target], plan.floor[target], plan.theta[target], plan.tau[target]
        v, last, weights = work.v, work.last, plan.weights
        events, out = queue[source], queue[target]
        tail = work.length[target]
        last_start = len(out) - row[MOST] - 1
        synops = 0
        i = start
        while i < stop and tail <= last_start:
            entry = np.uint64(events[i])
            i += 1
            place = entry & np.uint64(0xFFFFFFFF)
            at = (place * by_stride) >> by_stride_bits
            c = place - at * np.uint64(from_stride)
            y = (at * by_width) >> by_width_bits
            x = at - y * np.uint64(from_width)
            n_y, n_x = taps_y[y, 1], taps_x[x, 1]
            synops += n_y * n_x
            iv = offset + (taps_y[y, 0] * width + taps_x[x, 0]) * stride_c + taps_c[c, 0]
            iw = first_weight + taps_y[y, 2] + taps_x[x, 2] + taps_c[c, 2]
            # A spike's entry is its index plus this.
            base = np.int64(entry - place) - offset
            if dense:
                pieces, length = 1, n_x * run
            else:
                pieces, length = n_x, run
            for _ in range(n_y):
                for piece in range(pieces):
                    jv, jw = iv + piece * stride_c, iw + piece * run
                    if tau > 0:
                        _decay(v, last, jv, length, times[np.int64(entry >> np.uint64(ROOT_BITS))], tau)
                    if narrow:
                        for word in range(0, length, 64):
                            fired = np.uint64(0)
                            for b in range(word, min(word + 64, length), lanes):
                                bits = block(v, jv + b, weights, jw + b, below, floor, theta, hard)
                                fired |= bits << np.uint64(b - word)
                            out[np.uint64(tail)] = base + jv + word + _lowest_bit(fired)
                            tail += fired != 0
                            fired &= fired - np.uint64(1)
                            while fired:
                                out[np.uint64(tail)] = base + jv + word + _lowest_bit(fired)
                                tail += 1
                                fired &= fired - np.uint64(1)
                    else:
                        for b in range(0, length, lanes):
                            fired = block(v, jv + b, weights, jw + b, below, floor, theta, hard)
                            while fired:
                                j = jv + b + _lowest_bit(fired)
                                out[np.uint64(tail)] = base + j
                                tail += 1
                                fired &= fired - np.uint64(1)
                                v[np.uint64(j)] = 0 if hard else v[np.uint64(j)] - theta
                iv += width * stride_c
                iw += step
        work.length[target] = tail
        work.synops[s] += synops * fan
        return i

    return consume


_consume_1, _consume_8, _consume_16 = _consumer(1), _consumer(8), _consumer(16)
_consume_32, _consume_64 = _consumer(32), _consumer(64)


@compiled
def _consume(plan, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
    lanes = plan.synapses[s, LANES]
    if lanes == 64:
        return _consume_64(plan, work, queue, s, start, stop, times)
    if lanes == 32:
        return _consume_32(plan, work, queue, s, start, stop, times)
    if lanes == 16:
        return _consume_16(plan, work, queue, s, start, stop, times)
    if lanes == 8:
        return _consume_8(plan, work, queue, s, start, stop, times)
    return _consume_1(plan, work, queue, s, start, stop, times)


@compiled
def _grown(queue, length, least):  # type: ignore[no-untyped-def]
    """A copy with at least twice the room. (Loops, as slices cost the compiler ten seconds.)"""
    larger = np.empty((queue.shape[0], 2 * queue.shape[1] + least), np.int64)
    for p in range(queue.shape[0]):
        for i in range(length[p]):
            larger[p, i] = queue[p, i]
    return larger


@compiled
def _deliver(plan, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
    """`_consume` to the end; returns the queue, larger where it had to be."""
    while True:
        start = _consume(plan, work, queue, s, start, stop, times)
        if start == stop:
            return queue
        queue = _grown(queue, work.length, plan.synapses[s, MOST])


@compiled
def _breadth_first(plan, work, queue, times):  # type: ignore[no-untyped-def]
    """Each population consumes its whole queue, merged from its synapses by the input event that caused each spike."""
    head = work.head
    for target in range(1, len(plan.populations)):
        synapses = plan.incoming[target]
        if synapses[1] < 0:
            s = synapses[0]
            queue = _deliver(plan, work, queue, s, np.int64(0), work.length[plan.synapses[s, SOURCE]], times)
            continue
        for k in range(len(head)):
            head[k] = 0
        while True:
            root = -1
            for k in range(len(synapses) - 1):
                if synapses[k] >= 0:
                    source = plan.synapses[synapses[k], SOURCE]
                    if head[k] < work.length[source] and (root < 0 or queue[source, head[k]] >> ROOT_BITS < root):
                        root = queue[source, head[k]] >> ROOT_BITS
            if root < 0:
                break
            for k in range(len(synapses) - 1):
                if synapses[k] >= 0:
                    source = plan.synapses[synapses[k], SOURCE]
                    start = stop = head[k]
                    while stop < work.length[source] and queue[source, stop] >> ROOT_BITS == root:
                        stop += 1
                    head[k] = stop
                    if stop > start:
                        queue = _deliver(plan, work, queue, synapses[k], start, stop, times)
    return queue


@compiled
def _depth_first(plan, work, queue, times):  # type: ignore[no-untyped-def]
    """Each spike is followed to the end before the next one. A frame: (population, event, end, outgoing synapse)."""
    frames = work.frames
    for event in range(work.length[0]):
        depth = 0
        frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3] = 0, event, event + 1, 0
        while depth >= 0:
            population, i, end, k = frames[depth, 0], frames[depth, 1], frames[depth, 2], frames[depth, 3]
            s = plan.outgoing[population, k] if i < end else -1
            if i == end:
                depth -= 1
            elif s < 0:
                frames[depth, 1], frames[depth, 3] = i + 1, 0
            else:
                frames[depth, 3] = k + 1
                target = plan.synapses[s, TARGET]
                start = work.length[target]
                if _consume(plan, work, queue, s, i, i + 1, times) == i:  # no room for what one spike can cause
                    queue = _deliver(plan, work, queue, s, i, i + 1, times)
                if work.length[target] > start:
                    depth += 1
                    frames[depth, 0], frames[depth, 1] = target, start
                    frames[depth, 2], frames[depth, 3] = work.length[target], 0
    return queue


@compiled
def check(t, x, y, p, before, shape):  # type: ignore[no-untyped-def]
    """The first event that cannot be: (what is wrong, which one). `before`: the time stamp before the first one."""
    for i in range(len(t)):
        if t[i] < before:
            return (NEGATIVE if t[i] < 0 and before < 0 else BACKWARDS), i
        before = t[i]
        if t[i] < 0:
            return NEGATIVE, i
        if x[i] < 0 or y[i] < 0 or x[i] >= shape[2] or y[i] >= shape[1]:
            return OUTSIDE, i
        if p[i] < 0 or p[i] >= shape[0]:
            return POLARITY, i
    return IN_ORDER, 0


@compiled
def read_output(plan, work, now, values):  # type: ignore[no-untyped-def]
    """Membranes of the output population in (C, H, W) order, decayed to `now`, in the weights' unit. The largest."""
    cell = plan.populations[plan.output]
    channels, area, tau = cell[CHANNELS], cell[SIZE] // cell[CHANNELS], plan.tau[plan.output]
    best = 0
    for c in range(channels):
        for at in range(area):
            i = cell[OFFSET] + at * cell[STRIDE] + c
            value = np.float64(work.v[i]) / plan.scale[plan.output]
            if tau > 0:
                value *= math.exp(-(now - work.last[i]) / tau)
            k = c * area + at
            values[k] = value
            if value > values[best]:
                best = k
    return best


@compiled
def predict(plan, work, now, values):  # type: ignore[no-untyped-def]
    """The class that is ahead now, -1 without any output."""
    if plan.populations[plan.output, SPIKING]:
        return work.lead[LEADER]
    synapses = plan.incoming[plan.output]
    for k in range(len(synapses) - 1):
        if synapses[k] >= 0 and work.synops[synapses[k]] > 0:
            return read_output(plan, work, now, values)
    return -1


@compiled
def _tally(plan, work, queue, times, origin):  # type: ignore[no-untyped-def]
    """Count the chunk's spikes. The leader changes only when a class gets ahead: a tie stays with who was first."""
    cell = plan.populations[plan.output]
    area = cell[SIZE] // cell[CHANNELS]
    for i in range(work.length[plan.output]):
        spike = queue[plan.output, i]
        place = spike & 0xFFFFFFFF
        k = place % cell[STRIDE] * area + place // cell[STRIDE]
        work.counts[k] += 1
        if work.counts[k] > work.lead[MOST_SPIKES]:
            work.lead[MOST_SPIKES], work.lead[LEADER] = work.counts[k], k
        if work.first[k] < 0:
            work.first[k] = times[spike >> ROOT_BITS] - origin
    for p in range(1, len(plan.populations)):
        work.spikes[p - 1] += work.length[p]


@compiled
def advance(plan, work, queue, t, x, y, p, origin, chunk, stops, decisions):  # type: ignore[no-untyped-def]
    """Run all events; write the prediction after `stops[k]` of them to decisions[k]. Returns the queue.

    Events are taken in chunks, so that queues stay small and one layer's weights stay near; a chunk's results do not
    depend on its size.
    """
    done, k = 0, 0
    values, source = np.empty(plan.populations[plan.output, SIZE]), plan.populations[0]
    while True:
        while k < len(stops) and stops[k] <= done:
            decisions[k] = predict(plan, work, t[done - 1] if done else 0, values)
            k += 1
        if done == len(t):
            return queue
        end = min(len(t), done + chunk)
        if k < len(stops):
            end = min(end, stops[k])
        for population in range(len(work.length)):
            work.length[population] = 0
        work.length[0] = end - done
        for i in range(done, end):
            queue[0, i - done] = (i - done) << ROOT_BITS | (y[i] * source[WIDTH] + x[i]) * source[STRIDE] + p[i]
        times = t[done:end]
        if plan.depth:  # noqa: SIM108
            queue = _depth_first(plan, work, queue, times)
        else:
            queue = _breadth_first(plan, work, queue, times)
        _tally(plan, work, queue, times, origin)
        for population in range(1, len(work.length)):
            if work.length[population] > QUEUE and chunk > 1:
                chunk = chunk // 2
                break
        done = end


@compiled
def saturated(plan, work):  # type: ignore[no-untyped-def]
    """Output membranes at a limit of int16 (for int16 membranes)."""
    cell, n = plan.populations[plan.output], 0
    for i in range(cell[OFFSET], cell[OFFSET] + cell[SIZE] // cell[CHANNELS] * cell[STRIDE]):
        n += work.v[i] == -32768 or work.v[i] == 32767
    return n


@compiled
def stops_of(t, times_us, fractions, stops, where):  # type: ignore[no-untyped-def]
    """Numbers of events consumed at each checkpoint, ascending in `stops`, and where each of them belongs."""
    for k in range(len(stops)):
        if k < len(times_us):
            low, high = 0, len(t)
            while low < high:
                middle = (low + high) // 2
                if t[middle] - t[0] <= times_us[k]:
                    low = middle + 1
                else:
                    high = middle
            stop = low
        else:
            stop = np.int64(math.floor(fractions[k - len(times_us)] * len(t) + 1e-9))
        j = k
        while j > 0 and stops[j - 1] > stop:
            stops[j], where[j] = stops[j - 1], where[j - 1]
            j -= 1
        stops[j], where[j] = stop, k


@compiled
def run_many(plan, work, queue, t, x, y, p, bounds, shape, chunk, integer, times_us, fractions, first_row, rows):  # type: ignore[no-untyped-def]
    """Recordings bounds[i]..bounds[i+1] of the events, each from rest; results go to row first_row + i of `rows`.

    Returns the queue and the number of the first recording with an event that cannot be (then the rest is not run),
    or how many there are. All that a recording costs happens here, without the interpreter: threads share its lock.
    """
    cell = plan.populations[plan.output]
    spiking, marks = cell[SPIKING] != 0, len(times_us) + len(fractions)
    stops, where, decisions = np.empty(marks, np.int64), np.empty(marks, np.int64), np.empty(marks, np.int64)
    values = np.empty(cell[SIZE])
    for i in range(len(bounds) - 1):
        begin, end, row = bounds[i], bounds[i + 1], first_row + i
        what, _ = check(t[begin:end], x[begin:end], y[begin:end], p[begin:end], -1, shape)
        if what != IN_ORDER:
            return queue, i
        for j in range(len(work.v)):
            work.v[j] = 0
        for j in range(len(work.last)):
            work.last[j] = 0
        for j in range(len(work.counts)):
            work.counts[j], work.first[j], values[j] = 0, -1, 0
        work.lead[LEADER], work.lead[MOST_SPIKES] = -1, 0
        for j in range(len(work.spikes)):
            work.spikes[j] = 0
        for j in range(len(work.synops)):
            work.synops[j] = 0
        stops_of(t[begin:end], times_us, fractions, stops, where)
        origin, now = (t[begin], t[end - 1]) if end > begin else (np.int64(0), np.int64(0))
        queue = advance(
            plan, work, queue, t[begin:end], x[begin:end], y[begin:end], p[begin:end], origin, chunk, stops, decisions
        )
        for k in range(marks):
            if where[k] < len(times_us):
                rows.over_time[row, where[k]] = decisions[k]
            else:
                rows.over_events[row, where[k] - len(times_us)] = decisions[k]
        rows.prediction[row], rows.n_events[row] = predict(plan, work, now, values), end - begin
        rows.saturated[row] = saturated(plan, work) if integer else 0
        if not spiking:
            read_output(plan, work, now, values)
        for j in range(len(values)):
            rows.counts[row, j] = work.counts[j] if spiking else values[j]
            rows.first_spike_us[row, j] = work.first[j]
        for j in range(len(work.spikes)):
            rows.spikes[row, j] = work.spikes[j]
        for j in range(len(work.synops)):
            rows.synops[row, j] = work.synops[j]
    return queue, len(bounds) - 1
