"""`.bin` files of N-MNIST and N-Caltech101, as their authors' ATIS camera software wrote them.

A sequence of 5-byte events, big-endian: x (8 bits), y (8), p (1), t in microseconds (23). y = 240 is no event: it marks
an overflow, from which on 2^13 microseconds are added to all times.

- G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor. Converting static image datasets to spiking neuromorphic datasets
  using saccades. Frontiers in Neuroscience 9:437, 2015.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError

OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13


def read(file: Path) -> np.ndarray:
    """The `EVENT` records of a file; `DataError` unless it is a whole number of them, and not empty."""
    raw = np.fromfile(file, np.uint8)
    if raw.size == 0:
        raise DataError(f"{file}: is empty; delete it, or replace it by an intact copy")
    if raw.size % 5:
        raise DataError(
            f"{file}: {raw.size} bytes are no whole number of 5-byte events; it is truncated or no recording of this "
            "format: replace it by an intact copy, or delete it"
        )
    x, y, high, middle, low = raw.reshape(-1, 5).T
    overflow = y == OVERFLOW_Y
    t = (high & 127).astype(np.int64) << 16 | middle.astype(np.int64) << 8 | low
    t += OVERFLOW_US * np.cumsum(overflow)
    events = np.empty(len(x), EVENT)
    events["t"], events["x"], events["y"], events["p"] = t, x, y, high >> 7
    return events[~overflow] if overflow.any() else events
