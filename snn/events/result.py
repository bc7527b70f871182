"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class RunResult:
    """Results of a batch of n recordings. Of a single recording, the first axis is absent.

    K classes (neurons of the output population), P populations, S synapses, in the network's order.

    prediction: int64 [n], -1 where the output population gave none.
        Spiking output: most spikes; ties: the class that reached that count first.
        Other: largest membrane; ties: the lower class; -1 if no event reached it.
    counts: [n, K], spikes (int64) or, of an output that does not spike, membranes in the weights' unit (float64,
        decayed to the last event's time where they leak).
    first_spike_us: int64 [n, K], microseconds since the recording's first event, -1: no spike.
    spikes: int64 [n, P]; synops: int64 [n, S], membrane updates (weights added); n_events: int64 [n].
    saturated: int64 [n], output membranes that end at a limit of int16 (always 0 in float mode).
    over_time: int64 [n, times], prediction when `times_us` have elapsed since the first event.
    over_events: int64 [n, fractions], prediction after that part of the recording's events.
    trace: of a single recording, on request: per population an int64 array [spikes, 5] with columns
        (index of the input event that caused the spike, t, c, y, x), in the order of emission.
    """

    prediction: Any  # this and `n_events`, `saturated` are arrays of a batch, numbers of a single recording
    counts: np.ndarray
    first_spike_us: np.ndarray
    spikes: np.ndarray
    synops: np.ndarray
    n_events: Any
    saturated: Any
    times_us: np.ndarray
    fractions: np.ndarray
    over_time: np.ndarray
    over_events: np.ndarray
    trace: list[np.ndarray] | None = None

    def __len__(self) -> int:
        return len(np.atleast_1d(self.prediction))
