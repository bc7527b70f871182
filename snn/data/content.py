"""What a store holds, event recordings or images: each checks its samples and sums up their index and statistics.

Samples pass through one at a time; only their index and statistics stay in memory.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from snn.data.format import EVENT, Image, Picture, Recording, Sample, Sensor, check_events
from snn.errors import DataError


class Content(Protocol):
    """The samples of one store, as the conversion sees them."""

    kind: str
    """`"events"` or `"images"`."""

    def add(self, sample: Sample) -> bytes:
        """The bytes to write for the next sample; `DataError` where it is not valid."""

    def index(self) -> dict[str, np.ndarray]:
        """Arrays of the index that only this kind of store has."""

    def manifest(self) -> dict[str, Any]:
        """Entries of the manifest that only this kind of store has: geometry and statistics."""


def content(geometry: Sensor | Picture, train: np.ndarray) -> Content:
    """The content for samples of this geometry; train: which of them belong to the training split, bool [n]."""
    return ImageContent(geometry, train) if isinstance(geometry, Picture) else EventContent(geometry, len(train))


class EventContent:
    """`n` recordings: their numbers of events, fraction of ON events, durations in microseconds."""

    kind = "events"

    def __init__(self, sensor: Sensor, n: int):
        self.sensor, self.n = sensor, 0
        self.sizes, self.on, self.durations = np.zeros((3, n), np.int64)

    def add(self, sample: Sample) -> bytes:
        if not isinstance(sample, Recording) or sample.events.dtype != EVENT:
            shown = sample.events.dtype if isinstance(sample, Recording) else type(sample).__name__
            raise DataError(f"{sample.name}: the reader gives {shown} instead of EVENT records")
        events, i = sample.events, self.n
        check_events(events, self.sensor, sample.name)
        self.sizes[i], self.on[i] = len(events), int(np.count_nonzero(events["p"]))
        self.durations[i] = events["t"][-1] - events["t"][0]
        self.n += 1
        return np.ascontiguousarray(events).tobytes()

    def index(self) -> dict[str, np.ndarray]:
        """offsets: where each recording begins in the file, in events; int64 [n + 1]."""
        return {"offsets": np.concatenate([[0], np.cumsum(self.sizes)])}

    def manifest(self) -> dict[str, Any]:
        sizes = self.sizes
        return {
            "sensor": asdict(self.sensor),
            "events": {
                "total": int(sizes.sum()),
                "mean": round(float(sizes.mean()), 1),
                "sd": round(float(sizes.std()), 1),
                "percentiles_1_50_99": [round(float(q), 1) for q in np.percentile(sizes, [1, 50, 99])],
                "on_fraction": round(float(self.on.sum() / sizes.sum()), 4),
                "duration_us_mean": round(float(self.durations.mean()), 1),
            },
        }


class ImageContent:
    """Images, with the mean and standard deviation of each channel over all pixels of the training split."""

    kind = "images"

    def __init__(self, picture: Picture, train: np.ndarray):
        self.picture, self.train, self.n = picture, train, 0
        self.histogram = np.zeros((picture.channels, 256), np.int64)  # exact, in whichever order the images come

    def add(self, sample: Sample) -> bytes:
        if not isinstance(sample, Image):
            raise DataError(f"{sample.name}: the reader gives {type(sample).__name__} instead of an image")
        pixels = sample.pixels
        if pixels.dtype != np.uint8 or pixels.shape != self.picture.shape:
            raise DataError(
                f"{sample.name}: {pixels.dtype} {'x'.join(map(str, pixels.shape))} instead of uint8 "
                f"{'x'.join(map(str, self.picture.shape))} (channels, rows, columns); all images must be of one size"
            )
        if self.train[self.n]:
            self.histogram += np.stack([np.bincount(channel.ravel(), minlength=256) for channel in pixels])
        self.n += 1
        return np.ascontiguousarray(pixels).tobytes()

    def index(self) -> dict[str, np.ndarray]:
        """Nothing: all images are of one size."""
        return {}

    def manifest(self) -> dict[str, Any]:
        """Mean and standard deviation of each channel, of intensities from 0 to 1."""
        intensities = np.arange(256) / 255
        frequency = self.histogram / self.histogram.sum(1, keepdims=True)
        mean = frequency @ intensities
        sd = np.sqrt(np.maximum(frequency @ intensities**2 - mean**2, 0))
        return {
            "picture": asdict(self.picture),
            "images": {"mean": [round(float(m), 6) for m in mean], "sd": [round(float(s), 6) for s in sd]},
        }
