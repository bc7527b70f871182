"""Events to frames: counts in T bins of equal time, exactly.

The bin of an event is decided in integers, so no event is lost to rounding at an edge:

    bin = (t - t_first) * T // (t_last - t_first + 1)              t in microseconds, 0 <= bin < T

The bins of 2T nest in those of T, and the sum over all frames of a recording is its number of events.
"""

from __future__ import annotations

import numpy as np

from snn.kernels.jit import compiled


@compiled
def count(
    events: np.ndarray, begin: np.ndarray, end: np.ndarray, done: int, frames: np.ndarray, edges: np.ndarray
) -> int:
    """Count recordings `events[begin[i]:end[i]]` into the zeros `frames` [n, T, P, H, W], from i = `done` on.

    Returns n, or the position i of the recording in which a count exceeds the type of `frames`, or -1 - i where a
    recording does not exist or an event would be counted outside `frames`. edges: int64 [T + 1], overwritten.
    Events are in time order, so no event needs a division: bin b begins at t_first + ceil(b * duration / T), and the
    bin only ever moves on.
    """
    n, T, P, H, W = frames.shape
    flat = frames.reshape(n, T * P * H * W)
    for i in range(done, n):
        if not 0 <= begin[i] < end[i] <= len(events):
            return -1 - i
        first = events[begin[i]].t
        duration = events[end[i] - 1].t - first + 1
        for b in range(T + 1):
            edges[b] = first + (b * duration + T - 1) // T
        edges[T] = np.iinfo(np.int64).max  # whatever the times, there is no bin T
        frame, b, base = flat[i], 0, 0
        for e in events[begin[i] : end[i]]:
            while e.t >= edges[b + 1]:
                b += 1
                base += P * H * W
            k = base + (np.int64(e.p) * H + e.y) * W + e.x
            if k >= len(frame):
                return -1 - i
            frame[k] += 1
            if frame[k] == 0:
                return i
    return n


def frames(events: np.ndarray, begin: np.ndarray, end: np.ndarray, T: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Counts `[N, T, P, H, W]` of N recordings `events[begin[i]:end[i]]`, each of at least one event.

    events: `EVENT` records. shape: `(P, H, W)`. uint8, or the next wider type where a count exceeds 255. Nothing but
    the result is allocated. Raises `ValueError` for events outside the sensor.
    """
    result = np.zeros((len(begin), T, *shape), np.uint8)
    edges = np.empty(T + 1, np.int64)
    done = 0
    while (done := count(events, begin, end, done, result, edges)) < len(begin):
        if done < 0:
            raise ValueError(f"events outside the sensor, in recording {-1 - done} of these")
        result = result.astype(f"u{2 * result.itemsize}")
        result[done] = 0
    return result
