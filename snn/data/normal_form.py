"""Recordings as they enter a store: checked, optionally on a coarser grid, with times from the first event on."""

from __future__ import annotations

import numpy as np

from snn.data.format import Sensor, check_events


def reduced(sensor: Sensor, factor: int) -> Sensor:
    """The sensor with `factor` x `factor` pixels taken as one; an incomplete row or column at the border stays one."""
    return Sensor(-(-sensor.height // factor), -(-sensor.width // factor), sensor.polarities)


def normal(events: np.ndarray, sensor: Sensor, source: str, factor: int = 1, sort: bool = False) -> np.ndarray:
    """The `EVENT` records checked to be of the sensor, on `reduced(sensor, factor)`, in microseconds from the first on.

    Every event stays one event. sort: put events into the order of time (those of one time stay in theirs);
    otherwise times that go backwards are a `DataError`, as is all that `check_events` refuses.
    """
    if len(events):
        if sort:
            events = events[np.argsort(events["t"], kind="stable")]
        events = events.copy()
        events["t"] -= events["t"][0]
    check_events(events, sensor, source)
    if factor > 1:
        events["x"] //= factor
        events["y"] //= factor
    return events
