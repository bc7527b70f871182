"""The store: one converted data set, verified whenever it is opened, mapped from its file instead of read whole."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from snn.data.format import EVENT, Picture, Sensor
from snn.data.manifest import DATA, INDEX, damaged, read_index, read_manifest
from snn.data.split import SPLITS
from snn.errors import DataError


def open_store(path: str | Path, verify: bool = True) -> Store:
    """The store in the folder `path`: an `EventStore` or an `ImageStore`.

    Sizes of its files are always checked, checksums with `verify`. Raises `DataError` naming the file and the remedy
    when one is missing, incomplete, changed, or of another version.
    """
    path = Path(path)
    manifest = read_manifest(path, verify)
    return EventStore(path, manifest) if manifest["kind"] == "events" else ImageStore(path, manifest)


def open_event_store(path: str | Path, verify: bool = True) -> EventStore:
    """`open_store` for what needs events; `DataError` for a store of images."""
    store = open_store(path, verify)
    if not isinstance(store, EventStore):
        raise DataError(f"{path}: a store of static images, which have no events; choose a data set of recordings")
    return store


class Store:
    """`n` samples of one data set in the order of conversion. Read-only.

    labels: int64 [n], positions in `classes`. split: uint8 [n], positions in `SPLITS`. names: text [n].
    """

    kind: str
    """`"events"` or `"images"`."""
    shape: tuple[int, int, int]
    """`(C, H, W)` of one frame or image; the channels of a frame are the polarities."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest
        self.classes: list[str] = manifest["classes"]
        self._index = read_index(path, manifest)
        self.labels, self.split, self.names = (self._index[name] for name in ("labels", "split", "names"))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def version(self) -> str:
        """Sixteen hex digits over samples, labels and split: the same data, the same version."""
        sums = "".join(self.manifest["files"][name]["sha256"] for name in (DATA, INDEX))
        return hashlib.sha256(sums.encode()).hexdigest()[:16]

    def indices(self, split: str) -> np.ndarray:
        """Positions of the samples of `"train"`, `"validation"` or `"test"`, int64, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))


class EventStore(Store):
    """Recordings of a sensor. offsets: int64 [n + 1], where each recording begins among all events."""

    kind = "events"

    def __init__(self, path: Path, manifest: dict[str, Any]):
        super().__init__(path, manifest)
        self.sensor = Sensor(**manifest["sensor"])
        self.shape = self.sensor.shape
        self.offsets = self._index["offsets"]

    @cached_property
    def event_map(self) -> np.ndarray:
        """All events, `EVENT` records mapped from the file."""
        return np.memmap(self.path / DATA, EVENT, mode="r").view(np.ndarray)

    def n_events(self, i: int) -> int:
        return int(self.offsets[i + 1] - self.offsets[i])

    def events(self, i: int) -> np.ndarray:
        """The events of recording `i` in time order, `EVENT` records; times in microseconds."""
        return self.event_map[self.offsets[i] : self.offsets[i + 1]]

    def frames(self, indices: np.ndarray, T: int) -> np.ndarray:
        """Event counts `[N, T, P, H, W]` in T bins of equal time for each recording; see `snn.data.binning`.

        uint8, or the narrowest wider type where a count exceeds 255. The sum over a recording is its number of events.
        """
        from snn.data.binning import frames  # numba: only where frames are made

        if T < 1:
            raise ValueError(f"T = {T}: at least one time step is needed")
        indices = np.asarray(indices, dtype=np.int64)
        try:
            return frames(self.event_map, self.offsets[indices], self.offsets[indices + 1], T, self.shape)
        except ValueError as error:
            raise damaged(self.path / DATA, f"holds {error}") from None


class ImageStore(Store):
    """Static images. mean, sd: of each channel's intensity (0 to 1) over the training split, float32 [C]."""

    kind = "images"

    def __init__(self, path: Path, manifest: dict[str, Any]):
        super().__init__(path, manifest)
        self.shape = Picture(**manifest["picture"]).shape
        self.mean, self.sd = (np.array(manifest["images"][name], np.float32) for name in ("mean", "sd"))

    @cached_property
    def image_map(self) -> np.ndarray:
        """All images, uint8 `[n, C, H, W]` mapped from the file."""
        return np.memmap(self.path / DATA, np.uint8, mode="r", shape=(len(self), *self.shape)).view(np.ndarray)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """A copy of the images at `indices`, uint8 `[N, C, H, W]`."""
        return self.image_map[np.asarray(indices, dtype=np.int64)]
