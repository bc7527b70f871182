"""Random recordings, and readers of them, for the tests of `snn.data`."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest

from snn.data.format import EVENT, Description, Entry, Recording, Sensor

SMALL = Sensor(5, 7)


def event_array(t, x, y, p) -> np.ndarray:
    """An `EVENT` array from columns."""
    events = np.empty(len(t), EVENT)
    for name, column in zip("txyp", (t, x, y, p), strict=True):
        events[name] = column
    return events


def random_events(rng: np.random.Generator, n: int, sensor: Sensor, duration: int = 300_000) -> np.ndarray:
    t = np.sort(rng.integers(0, duration, n))
    return event_array(
        t, rng.integers(0, sensor.width, n), rng.integers(0, sensor.height, n), rng.integers(0, sensor.polarities, n)
    )


def random_reader(sizes, n_classes=2, sensor=SMALL, official=None):
    """A reader of random recordings: recording i has `sizes[i]` events and class i % n_classes.

    Its recordings are generated one at a time, so memory stays flat if the caller keeps it flat.
    """
    entries = [Entry(i % n_classes, f"r{i}", official and official[i]) for i in range(len(sizes))]

    def samples(params, positions=None):
        for i in range(len(sizes)) if positions is None else positions:
            yield Recording(random_events(np.random.default_rng(int(i)), sizes[i], sensor), *vars(entries[i]).values())

    classes = [f"class {c}" for c in range(n_classes)]
    return SimpleNamespace(
        describe=lambda params: Description("random", sensor, classes, "nobody"),
        listing=lambda params: entries,
        samples=samples,
    )


def bin_bytes(events: np.ndarray) -> bytes:
    """The events as an N-MNIST `.bin` file (written from the format's description, not with the code under test)."""
    rows = np.empty((len(events), 5), np.uint8)
    t = events["t"]
    rows[:, 0], rows[:, 1] = events["x"], events["y"]
    rows[:, 2] = (events["p"] << 7) | ((t >> 16) & 127)
    rows[:, 3], rows[:, 4] = (t >> 8) & 255, t & 255
    return rows.tobytes()


def spikingjelly_utils():
    """SpikingJelly's decoders; without a torchvision that works, the test is skipped by name."""
    try:
        return importlib.import_module("spikingjelly.datasets.utils")
    except Exception as error:
        pytest.skip(f"spikingjelly.datasets cannot be imported here: {str(error).splitlines()[0]}")
