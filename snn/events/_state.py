"""What changes while recordings run: the arrays that the kernel writes into."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from snn.events._layout import Layout, aligned_zeros

CHUNK = 1024  # input events that each population takes before the next one's turn

LEADER = np.dtype([("label", np.int64), ("spikes", np.int64)])
FRAME = np.dtype([("population", np.int64), ("next", np.int64), ("end", np.int64), ("synapse", np.int64)])


class Work(NamedTuple):
    """Of one recording. P populations, S synapses, K classes."""

    v: np.ndarray  # membranes of all populations, as in `_layout`
    last: np.ndarray  # int64, time of each neuron's last event, µs; only where something leaks
    length: np.ndarray  # int64 [P+1], entries in the queues
    counts: np.ndarray  # int64 [K], output spikes
    first: np.ndarray  # int64 [K], elapsed time of the first one, µs, -1: none
    leader: np.ndarray  # LEADER [1], the class that is ahead, -1: none, and its spikes
    spikes: np.ndarray  # int64 [P]
    synops: np.ndarray  # int64 [S]
    head: np.ndarray  # int64, breadth-first: the next entry of each queue that a merge reads
    frames: np.ndarray  # FRAME [P+2], depth-first: entries next..end of a queue are still to be followed


class Rows(NamedTuple):
    """Results of a batch of n recordings as the kernel writes them; names and shapes of `RunResult`."""

    prediction: np.ndarray
    counts: np.ndarray  # float64 whether the output spikes or not: one type, one compilation
    first_spike_us: np.ndarray
    spikes: np.ndarray
    synops: np.ndarray
    n_events: np.ndarray
    saturated: np.ndarray
    over_time: np.ndarray
    over_events: np.ndarray


class State:
    """A recording in progress. Made by `Engine.state`, advanced by `Engine.feed`, read by `Engine.result`."""

    def __init__(self, layout: Layout, trace: bool = False) -> None:
        self._initial = layout.initial
        n, classes = len(layout.populations), int(layout.populations["size"][layout.output])
        self.work = Work(
            v=aligned_zeros(layout.membranes, layout.theta.dtype.type),
            last=np.zeros(layout.membranes if layout.tau.any() else 1, np.int64),
            length=np.zeros(n, np.int64),
            counts=np.zeros(classes, np.int64),
            first=np.zeros(classes, np.int64),
            leader=np.zeros(1, LEADER),
            spikes=np.zeros(n - 1, np.int64),
            synops=np.zeros(len(layout.synapses), np.int64),
            head=np.zeros(layout.incoming.shape[1], np.int64),
            frames=np.zeros(n + 1, FRAME),
        )
        # Room for a chunk's spikes; the kernel makes it larger where they are more.
        room = max(2 * CHUNK, int(layout.synapses["max_targets"].max()) + 1)
        self.queue = np.empty((n, room), np.int64)
        self.trace: list[list[np.ndarray]] | None = [[] for _ in range(n - 1)] if trace else None
        self.reset()

    def reset(self) -> None:
        """Back to the start of a recording: every membrane at its initial potential."""
        for array in self.work:
            array.fill(0)
        if len(self._initial):
            self.work.v[:] = self._initial
        self.work.first.fill(-1)
        self.work.leader["label"] = -1
        self.n_events, self.t_first, self.t_last = 0, 0, 0
        if self.trace is not None:
            self.trace = [[] for _ in self.trace]
