"""Labelled recordings, from a folder or from memory, read a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn.config.validation import validate
from snn.data import readers
from snn.data.format import EVENT, Recording, Sensor
from snn.data.spread import spread
from snn.errors import DataError, UserError

BLOCK_EVENTS = 5_000_000
"""Events in memory at once (65 MB), unless a single recording has more."""

PARTS = ("test", "train", "all")


@dataclass(frozen=True)
class Recordings:
    """n labelled recordings of one sensor.

    title: for people; shape: (polarities, rows, columns) of the sensor; classes: their names; labels: int64 [n],
    positions in `classes`; read: gives the events of the recordings at some positions, one `EVENT` array each.
    """

    title: str
    shape: tuple[int, int, int]
    classes: Sequence[str]
    labels: np.ndarray
    read: Callable[[Sequence[int]], Iterator[np.ndarray]]
    names: Sequence[str] = ()

    @classmethod
    def from_arrays(
        cls, events: Sequence[np.ndarray], labels: Sequence[int], shape: tuple[int, int, int], classes: Sequence[str]
    ) -> Recordings:
        """Recordings in memory: structured arrays with the fields t (µs, ascending), x, y, p."""
        return cls(
            "recordings in memory", shape, classes, np.asarray(labels, np.int64), lambda at: (events[i] for i in at)
        )

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        reader: str,
        params: Mapping[str, Any] | None = None,
        part: str = "test",
        limit: int | None = None,
    ) -> Recordings:
        """Recordings that a reader of `snn/data/readers/` finds in `folder`, nothing converted or copied.

        params: further settings of the reader; part: of the official split where there is one (`test`, `train`, `all`),
        all recordings where there is none; limit: their maximum number, spread evenly over the classes.
        Raises ConfigError for unknown readers and settings, DataError for a folder that cannot be read.
        """
        module = readers.find(reader)
        if module.KIND != "events":
            raise UserError(
                f"reader {reader!r} reads static images; an event-driven network needs recordings of events"
            )
        given = {"folder": str(folder), **(params or {})}
        needed = [
            name for name, field in module.Params.model_fields.items() if field.is_required() and name not in given
        ]
        if needed:
            raise UserError(
                f"reader {reader!r} needs {' and '.join(needed)}, e.g. of the sensor that the network was trained for: "
                f"--reader-params {' '.join(f'{name}=…' for name in needed)} (in Python: reader_params)"
            )
        settings = validate(module.Params, given, f"reader {reader}")
        description, listing = module.describe(settings), module.listing(settings)
        if limit is not None and limit < 1:
            raise UserError(f"{limit} recordings: their maximum number must be at least 1 (limit=, --recordings)")
        if part not in PARTS:
            raise UserError(f"split {part!r} is not one of {', '.join(PARTS)}")
        everything = part == "all" or all(entry.split is None for entry in listing)
        positions = np.array([i for i, entry in enumerate(listing) if everything or entry.split == part], np.int64)
        labels = np.array([listing[i].label for i in positions], np.int64)
        if limit is not None and limit < len(positions):
            chosen = spread(labels, limit)
            positions, labels = positions[chosen], labels[chosen]
        if not len(positions):
            raise DataError(f"{folder}: no recordings in the part {part!r}")
        assert isinstance(description.geometry, Sensor), "of a reader of events"

        def read(at: Sequence[int]) -> Iterator[np.ndarray]:
            for sample in module.samples(settings, positions[np.asarray(at, np.int64)].tolist()):
                assert isinstance(sample, Recording)
                yield sample.events

        names = [listing[i].name for i in positions]
        return cls(description.title, description.geometry.shape, description.classes, labels, read, names)

    def __len__(self) -> int:
        return len(self.labels)

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All recordings in order, some at a time: (their events one after the other, offsets [b + 1])."""
        parts: list[np.ndarray] = []
        for i, events in enumerate(self.read(range(len(self)))):
            parts.append(events)
            if sum(map(len, parts)) >= BLOCK_EVENTS or i == len(self) - 1:
                offsets = np.cumsum([0, *map(len, parts)]).astype(np.int64)
                yield np.concatenate([np.zeros(0, EVENT), *parts]), offsets
                parts = []
