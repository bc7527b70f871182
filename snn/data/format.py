"""What a sample is: a recording (events of a sensor in time order) or an image, and a label.

Times are microseconds. `x` counts columns from the left and `y` rows from the top, both from 0. Polarity `p` is 1
where the intensity rose (ON) and 0 where it fell (OFF).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snn.errors import DataError

FIELDS = ("t", "x", "y", "p")
EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
"""One event: 13 bytes, little-endian on every machine."""

LATEST = 1 << 52
"""No event is later, in microseconds (140 years): binning multiplies times by T in 64 bits."""


@dataclass(frozen=True)
class Sensor:
    """The field of view in pixels and the number of polarities (2: ON and OFF)."""

    height: int
    width: int
    polarities: int = 2

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(P, H, W)`, the shape of one frame."""
        return self.polarities, self.height, self.width


@dataclass(frozen=True)
class Picture:
    """The size of static images: `channels` (1: grey; 3: red, green, blue) of 8 bits, rows and columns."""

    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(C, H, W)`."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Entry:
    """A sample as it is listed, before its events or pixels are read."""

    label: int
    name: str
    split: str | None = None
    """`"train"` or `"test"` in the data set's official split, `None` where there is no official split."""


@dataclass(frozen=True)
class Recording:
    """One recording: `events` is an `EVENT` array in time order, `label` a position in the list of classes."""

    events: np.ndarray
    label: int
    name: str
    split: str | None = None


@dataclass(frozen=True)
class Image:
    """One image: `pixels` uint8 `[C, H, W]`, `label` a position in the list of classes."""

    pixels: np.ndarray
    label: int
    name: str
    split: str | None = None


Sample = Recording | Image


@dataclass(frozen=True)
class Description:
    """A data set as its reader finds it."""

    title: str
    geometry: Sensor | Picture
    """The size that all samples have in common: a `Sensor` for recordings, a `Picture` for images."""
    classes: list[str]
    citation: str
    provenance: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many recordings a partial copy lacks: `{split: {class: number}}`, empty when complete."""


def check_events(events: np.ndarray, sensor: Sensor, source: str) -> None:
    """Raise `DataError`, naming `source`, unless `events` is a valid recording of the sensor.

    Valid: at least one event, all inside the sensor, times in microseconds that never decrease,
    from 0 to `LATEST`.
    """
    if len(events) == 0:
        raise DataError(f"{source}: holds no events; delete this file, or replace it by an intact copy")
    outside = (
        (events["x"] >= sensor.width) | (events["y"] >= sensor.height) | (events["p"] >= sensor.polarities)
    )  # the fields are unsigned: nothing lies below 0
    if outside.any():
        k = int(outside.argmax())
        x, y, p = (int(events[k][name]) for name in "xyp")
        raise DataError(
            f"{source}: event {k} at x={x}, y={y}, p={p} lies outside the {sensor.width}x{sensor.height} sensor with "
            f"{sensor.polarities} polarities; the file is damaged or of another format: replace it by an intact copy"
        )
    t = events["t"]
    backwards = t[1:] < t[:-1]
    if backwards.any():
        k = int(backwards.argmax()) + 1
        raise DataError(
            f"{source}: time goes backwards at event {k} (from {t[k - 1]} to {t[k]} microseconds); the file is "
            f"damaged or of another format: replace it by an intact copy"
        )
    if t[0] < 0:
        raise DataError(f"{source}: the first event is at {t[0]} microseconds, before 0; replace it by an intact copy")
    if t[-1] >= LATEST:
        raise DataError(
            f"{source}: the last event is at {t[-1]} microseconds; these are no microseconds, or the file is damaged: "
            "replace it by an intact copy"
        )
