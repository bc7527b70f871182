"""What passes into a store sample by sample, checked and accounted for: recordings of events, or images.

Both give the bytes to write, their part of the index and their part of the manifest; neither keeps a sample.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from snn.data.format import EVENT, Image, Picture, Recording, Sensor, check_events
from snn.errors import DataError


def contents(geometry: Sensor | Picture, train: np.ndarray) -> Events | Images:
    """For samples of one geometry; train: which of them are trained on, bool [n]."""
    return Images(geometry, train) if isinstance(geometry, Picture) else Events(geometry, len(train))


class Events:
    """Recordings of `n` samples: their sizes, the share of ON events, their durations."""

    kind = "events"

    def __init__(self, sensor: Sensor, n: int):
        self.sensor, self.n = sensor, 0
        self.sizes, self.on, self.durations = np.zeros((3, n), np.int64)

    def take(self, recording: Recording) -> bytes:
        events, i = recording.events, self.n
        if events.dtype != EVENT:
            raise DataError(f"{recording.name}: the reader gives {events.dtype} instead of EVENT records")
        check_events(events, self.sensor, recording.name)
        self.sizes[i], self.on[i] = len(events), int(np.count_nonzero(events["p"]))
        self.durations[i] = events["t"][-1] - events["t"][0]
        self.n += 1
        return np.ascontiguousarray(events).tobytes()

    def index(self) -> dict[str, np.ndarray]:
        return {"offsets": np.concatenate([[0], np.cumsum(self.sizes)])}

    def manifest(self) -> dict[str, Any]:
        """Figures of the events: total and per recording, share of ON events, duration in microseconds."""
        sizes = self.sizes
        return {
            "sensor": asdict(self.sensor),
            "events": {
                "total": int(sizes.sum()),
                "mean": round(float(sizes.mean()), 1),
                "sd": round(float(sizes.std()), 1),
                "percentiles_1_50_99": [round(float(q), 1) for q in np.percentile(sizes, [1, 50, 99])],
                "on_share": round(float(self.on.sum() / sizes.sum()), 4),
                "duration_us_mean": round(float(self.durations.mean()), 1),
            },
        }


class Images:
    """Images: mean and standard deviation of each channel over all pixels of the training split."""

    kind = "images"

    def __init__(self, picture: Picture, train: np.ndarray):
        self.picture, self.train, self.n = picture, train, 0
        self.histogram = np.zeros((picture.channels, 256), np.int64)  # exact, in whichever order the images come

    def take(self, image: Image) -> bytes:
        pixels = image.pixels
        if pixels.dtype != np.uint8 or pixels.shape != self.picture.shape:
            raise DataError(
                f"{image.name}: {pixels.dtype} {'x'.join(map(str, pixels.shape))} instead of uint8 "
                f"{'x'.join(map(str, self.picture.shape))} (channels, rows, columns); all images must be of one size"
            )
        if self.train[self.n]:
            self.histogram += [np.bincount(channel.ravel(), minlength=256) for channel in pixels]
        self.n += 1
        return np.ascontiguousarray(pixels).tobytes()

    def index(self) -> dict[str, np.ndarray]:
        return {}

    def manifest(self) -> dict[str, Any]:
        """Mean and standard deviation by channel, of intensities from 0 to 1."""
        values = np.arange(256) / 255
        share = self.histogram / self.histogram.sum(1, keepdims=True)
        mean = share @ values
        sd = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
        return {
            "picture": asdict(self.picture),
            "images": {"mean": [round(float(m), 6) for m in mean], "sd": [round(float(s), 6) for s in sd]},
        }
