"""The semantics of an event-driven network, in plain Python, written for reading. Slow on purpose.

One recording is a list of events. An event or spike is (c, y, x); membranes are a dictionary {(c, y, x): v}.
Nothing here is shared with the engine except the description of the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


class FloatNumbers:
    """Weights and membranes as float32."""

    zero = np.float32(0)
    scale = 1.0

    def __init__(self, network, population):
        self.threshold = np.float32(population.threshold)
        self.v_min = np.float32(-math.inf if population.v_min is None else population.v_min)
        self.v0 = np.float32(population.v0)

    def weight(self, w):
        return np.float32(w)

    def add(self, v, w):
        return v + w

    def leak(self, v, dt, tau):
        return v * np.float32(math.exp(-dt / tau))


class IntegerNumbers:
    """int8 weights, int16 membranes that saturate; one scale a population, from its largest incoming weight."""

    zero = 0

    def __init__(self, network, population):
        incoming = [s for s in network.synapses if s.target == population.name]
        weights = [np.float32(s.scale) if s.kind == "identity" else s.weight for s in incoming]
        largest = max(float(np.abs(w).max()) for w in weights)
        self.scale = 127 / largest if largest > 0 else 127 / population.threshold
        self.threshold = round(population.threshold * self.scale)
        self.v_min = -32768 if population.v_min is None else max(-32768, round(population.v_min * self.scale))
        self.v0 = round(population.v0 * self.scale)

    def weight(self, w):
        return int(np.rint(np.float64(w) * self.scale))

    def add(self, v, w):
        return min(max(v + w, -32768), 32767)

    def leak(self, v, dt, tau):
        factor = math.floor(math.exp(-dt / tau) * 65536 + 0.5)
        whole = abs(v) * factor // 65536
        return whole if v >= 0 else -whole


class VendorNumbers(IntegerNumbers):
    """The same with the scale of the vendor's conversion: all of −128 … 127 is used, and all in float32."""

    def __init__(self, network, population):
        weights = [np.float32(w) for s in network.synapses if s.target == population.name for w in s.values.ravel()]
        ranges = [(-128, min(weights), max(weights), 127)]
        if population.spiking:
            ranges.append((-32768, population.v_min, population.threshold, 32767))
        scales = []
        for least, low, high, most in ranges:  # the vendor compares magnitudes: −128 only where it is needed
            few = abs(np.float32(low)) <= abs(np.float32(high)) * np.float32(-least / most)
            limit, value = (most, high) if few else (least, low)
            scales += [abs(np.float32(limit) / np.float32(value))] if value else []
        self.scale = min(scales, default=np.float32(127))
        self.threshold = round(np.float32(population.threshold) * self.scale)
        self.v_min = -32768 if population.v_min is None else max(-32768, round(population.v_min * self.scale))
        self.v0 = round(np.float32(population.v0) * self.scale)

    def weight(self, w):
        return int(np.rint(np.float32(w) * self.scale))


def targets(synapse, source_shape, target_shape, event):
    """(neuron, weight) of every target of one event, in raster order: row, column, channel."""
    c, y, x = event
    y, x = y // synapse.pool, x // synapse.pool
    channels, height, width = source_shape[0], source_shape[1] // synapse.pool, source_shape[2] // synapse.pool
    if y >= height or x >= width:
        return  # pooling cuts this position off
    c_out, h_out, w_out = target_shape
    for ty in range(h_out):
        for tx in range(w_out):
            for tc in range(c_out):
                if synapse.kind == "identity":
                    if (tc, ty, tx) == (c, y, x):
                        yield (tc, ty, tx), synapse.scale
                elif synapse.kind == "linear":
                    row, column = (tc * h_out + ty) * w_out + tx, (c * height + y) * width + x
                    yield (tc, ty, tx), synapse.weight[row, column]
                else:
                    ky = y + synapse.padding - ty * synapse.stride
                    kx = x + synapse.padding - tx * synapse.stride
                    inside = 0 <= ky < synapse.weight.shape[2] and 0 <= kx < synapse.weight.shape[3]
                    group = c // (channels // synapse.groups)
                    if inside and tc // (c_out // synapse.groups) == group:
                        yield (tc, ty, tx), synapse.weight[tc, c % (channels // synapse.groups), ky, kx]


@dataclass
class Outcome:
    trace: dict = field(default_factory=dict)  # population: [(root, t, c, y, x)]
    synops: list = field(default_factory=list)
    membranes: dict = field(default_factory=dict)
    counts: list = field(default_factory=list)
    first_spike_us: list = field(default_factory=list)
    prediction: int = -1


class Reference:
    def __init__(self, network, mode="float", order="breadth"):
        self.network, self.order = network, order
        kind = {"float": FloatNumbers, "int8": IntegerNumbers, "dynapcnn": VendorNumbers}[mode]
        self.numbers = {p.name: kind(network, p) for p in network.populations}

    def run(self, events):
        """events: list of (t, x, y, p), in order of time."""
        network = self.network
        names = [p.name for p in network.populations]
        self.v = {name: {} for name in names}
        self.last = {name: {} for name in names}
        self.out = Outcome({name: [] for name in names}, [0] * len(network.synapses), self.v)
        self.reached = False
        self.begin = events[0][0] if events else 0  # membranes leak from their v0 from here on
        for root, (t, x, y, p) in enumerate(events):
            self.root, self.t = root, t
            if self.order == "breadth":
                self.breadth_first((p, y, x))
            else:
                self.depth_first("input", (p, y, x))
        self.decide(events)
        return self.out

    def breadth_first(self, event):
        """Each population consumes its whole queue before the next one; synapses in the order of the file."""
        queues = {"input": [event]}
        for population in self.network.populations:
            queues[population.name] = []
            for number, synapse in enumerate(self.network.synapses):
                if synapse.target == population.name:
                    for spike in queues[synapse.source]:
                        queues[population.name] += self.deliver(number, spike)

    def depth_first(self, source, event):
        """Each spike is followed to the end before the next one."""
        for number, synapse in enumerate(self.network.synapses):
            if synapse.source == source:
                for spike in self.deliver(number, event):
                    self.depth_first(synapse.target, spike)

    def deliver(self, number, event):
        """One event through one synapse: every target in turn. Returns the spikes."""
        synapse = self.network.synapses[number]
        population = self.network.population(synapse.target)
        numbers, v, last = (d[population.name] for d in (self.numbers, self.v, self.last))
        spikes = []
        for neuron, w in targets(synapse, self.network.shape_of(synapse.source), population.shape, event):
            self.out.synops[number] += 1
            self.reached |= synapse.target == self.network.output
            now = v.get(neuron, numbers.v0)
            if population.tau_us and self.t > last.get(neuron, self.begin):
                now = numbers.leak(now, self.t - last.get(neuron, self.begin), population.tau_us)
            last[neuron] = self.t
            now = numbers.add(now, numbers.weight(w))
            if population.spiking:
                if now >= numbers.threshold:
                    spikes.append(neuron)
                    now = now - numbers.threshold if population.reset == "soft" else numbers.zero
                now = max(now, numbers.v_min)
            v[neuron] = now
        self.out.trace[population.name] += [(self.root, self.t, *neuron) for neuron in spikes]
        return spikes

    def decide(self, events):
        """The class with the most spikes, of equal ones the first to have that many; or the largest membrane."""
        output = self.network.population(self.network.output)
        c, h, w = output.shape
        neurons = [(i, y, x) for i in range(c) for y in range(h) for x in range(w)]
        if output.spiking:
            self.out.counts, self.out.first_spike_us = [0] * len(neurons), [-1] * len(neurons)
            most = 0
            for _, t, *neuron in self.out.trace[output.name]:
                k = neurons.index(tuple(neuron))
                self.out.counts[k] += 1
                if self.out.first_spike_us[k] < 0:
                    self.out.first_spike_us[k] = t - events[0][0]
                if self.out.counts[k] > most:
                    most, self.out.prediction = self.out.counts[k], k
        else:
            numbers = self.numbers[output.name]
            for neuron in neurons:
                value = float(self.v[output.name].get(neuron, numbers.v0)) / float(numbers.scale)
                if output.tau_us and events:
                    dt = events[-1][0] - self.last[output.name].get(neuron, self.begin)
                    value *= math.exp(-dt / output.tau_us)
                self.out.counts.append(value)
            if self.reached:
                self.out.prediction = int(np.argmax(self.out.counts))
