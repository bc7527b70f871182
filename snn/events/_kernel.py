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

# A queue entry is `root << 32 | place`: the input event (of the chunk) that caused the spike, and the neuron's place in
# [H][W][C'], the layout of the membranes.
ROOT_BITS = 32
QUEUE = 1 << 15  # entries above which the next chunk of input events is made smaller
IN_ORDER, BACKWARDS, NEGATIVE, OUTSIDE, POLARITY = range(5)  # what `check` returns


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


def _lowest_bit_of(typingctx, bits):  # type: ignore[no-untyped-def]
    """Index of the lowest set bit; 64 of 0."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


_lowest_bit: Any = intrinsic(_lowest_bit_of)


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
    def consume(layout, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
        """Deliver events start..stop of the source's queue through synapse s.

        Returns the first one not delivered: short of `stop` where the target's queue might not hold its spikes.
        """
        synapse = layout.synapses[s]
        to, of = layout.populations[synapse.target], layout.populations[synapse.source]
        offset, width, stride_c, hard = to.offset, to.width, to.stride, to.hard_reset
        from_stride, from_width = of.stride, of.width
        stride_factor, stride_bits = np.uint64(of.stride_factor), np.uint64(of.stride_bits)
        width_factor, width_bits = np.uint64(of.width_factor), np.uint64(of.width_bits)
        dense, run, step, first_weight = synapse.dense, synapse.run, synapse.row_step, synapse.first_weight
        taps, target = layout.taps, synapse.target
        taps_c, taps_y, taps_x = taps[synapse.taps_c :], taps[synapse.taps_y :], taps[synapse.taps_x :]
        below, floor, theta, tau = layout.below[target], layout.floor[target], layout.theta[target], layout.tau[target]
        v, last, weights = work.v, work.last, layout.weights
        events, out = queue[synapse.source], queue[target]
        tail = work.length[target]
        last_start = len(out) - synapse.max_targets - 1
        synops = 0
        i = start
        while i < stop and tail <= last_start:
            entry = np.uint64(events[i])
            i += 1
            place = entry & np.uint64(0xFFFFFFFF)
            at = (place * stride_factor) >> stride_bits
            c = place - at * np.uint64(from_stride)
            y = (at * width_factor) >> width_bits
            x = at - y * np.uint64(from_width)
            tap_c, tap_y, tap_x = taps_c[c], taps_y[y], taps_x[x]
            n_y, n_x = tap_y.count, tap_x.count
            synops += n_y * n_x
            iv = offset + (tap_y.target * width + tap_x.target) * stride_c + tap_c.target
            iw = first_weight + tap_y.weight + tap_x.weight + tap_c.weight
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
        work.synops[s] += synops * synapse.fan_out
        return i

    return consume


_consume_1, _consume_8, _consume_16 = _consumer(1), _consumer(8), _consumer(16)
_consume_32, _consume_64 = _consumer(32), _consumer(64)


@compiled
def _consume(layout, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
    lanes = layout.synapses[s].lanes
    if lanes == 64:
        return _consume_64(layout, work, queue, s, start, stop, times)
    if lanes == 32:
        return _consume_32(layout, work, queue, s, start, stop, times)
    if lanes == 16:
        return _consume_16(layout, work, queue, s, start, stop, times)
    if lanes == 8:
        return _consume_8(layout, work, queue, s, start, stop, times)
    return _consume_1(layout, work, queue, s, start, stop, times)


@compiled
def _grown(queue, length, least):  # type: ignore[no-untyped-def]
    """A copy with at least twice the room. (Loops, as slices cost the compiler ten seconds.)"""
    larger = np.empty((queue.shape[0], 2 * queue.shape[1] + least), np.int64)
    for p in range(queue.shape[0]):
        for i in range(length[p]):
            larger[p, i] = queue[p, i]
    return larger


@compiled
def _deliver(layout, work, queue, s, start, stop, times):  # type: ignore[no-untyped-def]
    """`_consume` to the end; returns the queue, larger where it had to be."""
    while True:
        start = _consume(layout, work, queue, s, start, stop, times)
        if start == stop:
            return queue
        queue = _grown(queue, work.length, layout.synapses[s].max_targets)


@compiled
def _breadth_first(layout, work, queue, times):  # type: ignore[no-untyped-def]
    """Each population consumes its whole queue, merged from its synapses by the input event that caused each spike."""
    head = work.head
    for target in range(1, len(layout.populations)):
        synapses = layout.incoming[target]
        if synapses[1] < 0:
            s = synapses[0]
            queue = _deliver(layout, work, queue, s, np.int64(0), work.length[layout.synapses[s].source], times)
            continue
        for k in range(len(head)):
            head[k] = 0
        while True:
            root = -1
            for k in range(len(synapses) - 1):
                if synapses[k] >= 0:
                    source = layout.synapses[synapses[k]].source
                    if head[k] < work.length[source] and (root < 0 or queue[source, head[k]] >> ROOT_BITS < root):
                        root = queue[source, head[k]] >> ROOT_BITS
            if root < 0:
                break
            for k in range(len(synapses) - 1):
                if synapses[k] >= 0:
                    source = layout.synapses[synapses[k]].source
                    start = stop = head[k]
                    while stop < work.length[source] and queue[source, stop] >> ROOT_BITS == root:
                        stop += 1
                    head[k] = stop
                    if stop > start:
                        queue = _deliver(layout, work, queue, synapses[k], start, stop, times)
    return queue


@compiled
def _depth_first(layout, work, queue, times):  # type: ignore[no-untyped-def]
    """Each spike is followed to the end before the next one: a stack of frames instead of recursion."""
    frames = work.frames
    for event in range(work.length[0]):
        depth = 0
        frames[0].population, frames[0].next, frames[0].end, frames[0].synapse = 0, event, event + 1, 0
        while depth >= 0:
            frame = frames[depth]
            i, k = frame.next, frame.synapse
            s = layout.outgoing[frame.population, k] if i < frame.end else -1
            if i == frame.end:
                depth -= 1
            elif s < 0:
                frame.next, frame.synapse = i + 1, 0
            else:
                frame.synapse = k + 1
                target = layout.synapses[s].target
                start = work.length[target]
                if _consume(layout, work, queue, s, i, i + 1, times) == i:  # no room for what one spike can cause
                    queue = _deliver(layout, work, queue, s, i, i + 1, times)
                if work.length[target] > start:
                    depth += 1
                    frames[depth].population, frames[depth].synapse = target, 0
                    frames[depth].next, frames[depth].end = start, work.length[target]
    return queue


@compiled
def check(t, x, y, p, before, shape):  # type: ignore[no-untyped-def]
    """The first invalid event: (what is wrong, which one). `before`: the time stamp before the first one."""
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
def read_output(layout, work, now, values):  # type: ignore[no-untyped-def]
    """Membranes of the output population in (C, H, W) order, decayed to `now`, in the weights' unit. The largest."""
    output = layout.populations[layout.output]
    channels, area, tau = output.channels, output.size // output.channels, layout.tau[layout.output]
    best = 0
    for c in range(channels):
        for at in range(area):
            i = output.offset + at * output.stride + c
            value = np.float64(work.v[i]) / layout.scale[layout.output]
            if tau > 0:
                value *= math.exp(-(now - work.last[i]) / tau)
            k = c * area + at
            values[k] = value
            if value > values[best]:
                best = k
    return best


@compiled
def predict(layout, work, now, values):  # type: ignore[no-untyped-def]
    """The class that is ahead now, -1 without any output."""
    if layout.populations[layout.output].spiking:
        return work.leader[0].label
    synapses = layout.incoming[layout.output]
    for k in range(len(synapses) - 1):
        if synapses[k] >= 0 and work.synops[synapses[k]] > 0:
            return read_output(layout, work, now, values)
    return -1


@compiled
def _tally(layout, work, queue, times, origin):  # type: ignore[no-untyped-def]
    """Count the chunk's spikes. The leader changes only when a class gets ahead: a tie stays with who was first."""
    output = layout.populations[layout.output]
    area = output.size // output.channels
    for i in range(work.length[layout.output]):
        spike = queue[layout.output, i]
        place = spike & 0xFFFFFFFF
        k = place % output.stride * area + place // output.stride
        work.counts[k] += 1
        if work.counts[k] > work.leader[0].spikes:
            work.leader[0].label, work.leader[0].spikes = k, work.counts[k]
        if work.first[k] < 0:
            work.first[k] = times[spike >> ROOT_BITS] - origin
    for p in range(1, len(layout.populations)):
        work.spikes[p - 1] += work.length[p]


@compiled
def advance(layout, work, queue, t, x, y, p, origin, chunk, stops, decisions):  # type: ignore[no-untyped-def]
    """Run all events; write the prediction after `stops[k]` of them to decisions[k]. Returns the queue.

    Events are taken in chunks, so that queues stay small and one layer's weights stay near; a chunk's results do not
    depend on its size.
    """
    done, k = 0, 0
    values, source = np.empty(layout.populations[layout.output].size), layout.populations[0]
    while True:
        while k < len(stops) and stops[k] <= done:
            decisions[k] = predict(layout, work, t[done - 1] if done else 0, values)
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
            queue[0, i - done] = (i - done) << ROOT_BITS | (y[i] * source.width + x[i]) * source.stride + p[i]
        times = t[done:end]
        if layout.depth:  # noqa: SIM108
            queue = _depth_first(layout, work, queue, times)
        else:
            queue = _breadth_first(layout, work, queue, times)
        _tally(layout, work, queue, times, origin)
        for population in range(1, len(work.length)):
            if work.length[population] > QUEUE and chunk > 1:
                chunk = chunk // 2
                break
        done = end


@compiled
def saturated(layout, work):  # type: ignore[no-untyped-def]
    """Output membranes at a limit of int16 (for int16 membranes)."""
    output, n = layout.populations[layout.output], 0
    for i in range(output.offset, output.offset + output.size // output.channels * output.stride):
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
            stop = math.floor(fractions[k - len(times_us)] * len(t) + 1e-9)
        j = k
        while j > 0 and stops[j - 1] > stop:
            stops[j], where[j] = stops[j - 1], where[j - 1]
            j -= 1
        stops[j], where[j] = stop, k


@compiled
def run_many(layout, work, queue, t, x, y, p, bounds, shape, chunk, integer, times_us, fractions, first_row, rows):  # type: ignore[no-untyped-def]
    """Recordings bounds[i]..bounds[i+1] of the events, each from rest; results go to row first_row + i of `rows`.

    Returns the queue and the number of the first recording with an invalid event (the rest is then not run),
    or their number. All of a recording's work happens here, outside the interpreter, whose lock threads share.
    """
    output = layout.populations[layout.output]
    spiking, marks = output.spiking, len(times_us) + len(fractions)
    stops, where, decisions = np.empty(marks, np.int64), np.empty(marks, np.int64), np.empty(marks, np.int64)
    values = np.empty(output.size)
    for i in range(len(bounds) - 1):
        begin, end, row = bounds[i], bounds[i + 1], first_row + i
        what, _ = check(t[begin:end], x[begin:end], y[begin:end], p[begin:end], -1, shape)
        if what != IN_ORDER:
            return queue, i
        origin, now = (t[begin], t[end - 1]) if end > begin else (np.int64(0), np.int64(0))
        if len(layout.initial):
            for j in range(len(work.v)):
                work.v[j] = layout.initial[j]
        else:
            for j in range(len(work.v)):
                work.v[j] = 0
        for j in range(len(work.last)):
            work.last[j] = origin
        for j in range(len(work.counts)):
            work.counts[j], work.first[j], values[j] = 0, -1, 0
        work.leader[0].label, work.leader[0].spikes = -1, 0
        for j in range(len(work.spikes)):
            work.spikes[j] = 0
        for j in range(len(work.synops)):
            work.synops[j] = 0
        stops_of(t[begin:end], times_us, fractions, stops, where)
        queue = advance(
            layout, work, queue, t[begin:end], x[begin:end], y[begin:end], p[begin:end], origin, chunk, stops, decisions
        )
        for k in range(marks):
            if where[k] < len(times_us):
                rows.over_time[row, where[k]] = decisions[k]
            else:
                rows.over_events[row, where[k] - len(times_us)] = decisions[k]
        rows.prediction[row], rows.n_events[row] = predict(layout, work, now, values), end - begin
        rows.saturated[row] = saturated(layout, work) if integer else 0
        if not spiking:
            read_output(layout, work, now, values)
        for j in range(len(values)):
            rows.counts[row, j] = work.counts[j] if spiking else values[j]
            rows.first_spike_us[row, j] = work.first[j]
        for j in range(len(work.spikes)):
            rows.spikes[row, j] = work.spikes[j]
        for j in range(len(work.synops)):
            rows.synops[row, j] = work.synops[j]
    return queue, len(bounds) - 1
