"""The store: one data set, converted once, verified whenever it is opened.

    data.bin        the EVENT records of all recordings, one recording after the other (raw, little-endian, 13 bytes);
                    or the pixels of all images, uint8 [n, C, H, W]
    index.npz       labels int64 [n], split uint8 [n] (0 train, 1 validation, 2 test), names; of events also
                    offsets int64 [n + 1]
    manifest.json   kind (events or images), sensor or picture, classes, counts, checksums, split version, provenance;
                    written last, so a store that has one is complete

Nothing here is pickled, and nothing is ever held in memory whole: conversion streams, reading maps the file.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from snn.config.validation import validate
from snn.data import readers
from snn.data import split as splitting
from snn.data.contents import contents
from snn.data.format import EVENT, Description, Entry, Image, Picture, Recording, Sensor
from snn.data.params import SplitParams
from snn.data.split import LEFT_OUT, SPLITS
from snn.errors import DataError
from snn.runtime import files

FORMAT = 2
DATA, INDEX, MANIFEST = "data.bin", "index.npz", "manifest.json"


def convert(reader: str, params: dict, split: dict, out: str | Path, progress: bool = True) -> dict[str, Any]:
    """Read raw data with a reader and leave a store in the folder `out`; return its manifest.

    Memory does not grow with the data. An earlier store in `out` is untouched until the new one is written; a
    conversion that fails or is killed leaves nothing that opens as a store.
    Raises `ConfigError` for unknown readers and settings, `DataError` for raw data that cannot be used.
    """
    module = readers.reader(reader)
    typed = validate(module.Params, params, "params")
    origin = {"reader": reader, "params": typed.model_dump(mode="json")}
    return write(module, typed, validate(SplitParams, split, "split"), Path(out), progress, origin)


def write(
    reader: ModuleType, params: Any, split: SplitParams, out: Path, progress: bool = False, origin: dict | None = None
) -> dict[str, Any]:
    """`convert` for a reader at hand (anything with the functions of `snn.data.readers`)."""
    description: Description = reader.describe(params)
    listing: list[Entry] = reader.listing(params)
    code = splitting.split(listing, split, description.classes)
    chosen = np.flatnonzero(code != LEFT_OUT)
    entries, code = [listing[i] for i in chosen], code[chosen]
    content = contents(description.sensor, code == SPLITS.index("train"))

    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(".*.tmp"):  # left by a conversion that was killed
        stale.unlink()

    digest = hashlib.sha256()
    with files.replacing(out / INDEX) as index_file, files.replacing(out / DATA) as data_file:
        with open(data_file, "wb") as f:
            for sample in _in_order(reader.recordings(params, chosen), entries, progress):
                raw = content.take(sample)
                f.write(raw)
                digest.update(raw)
        labels = np.array([e.label for e in entries], np.int64)
        with open(index_file, "wb") as f:
            np.savez(f, **content.index(), labels=labels, split=code, names=np.array([e.name for e in entries]))
        manifest = {
            "format": FORMAT,
            "kind": content.kind,
            "title": description.title,
            "citation": description.citation,
            "classes": list(description.classes),
            "recordings": len(entries),
            "left_out_by_limits": len(listing) - len(entries),
            "missing": description.missing,
            "split": {
                **split.model_dump(),
                "version": splitting.version(entries, code, description.classes),
                "official_test": entries[0].split is not None,
            },
            "counts": {
                name: {c: int(np.sum((code == k) & (labels == j))) for j, c in enumerate(description.classes)}
                for k, name in enumerate(SPLITS)
            },
            **content.manifest(),
            "files": {
                DATA: {"bytes": data_file.stat().st_size, "sha256": digest.hexdigest()},
                INDEX: {"bytes": index_file.stat().st_size, "sha256": files.sha256(index_file)},
            },
            "provenance": {**(origin or {}), **description.provenance},
        }
        # From here until the new manifest lies there, the folder holds no store.
        (out / MANIFEST).unlink(missing_ok=True)
    files.write_json(out / MANIFEST, manifest)
    return manifest


def _in_order(stream: Iterator, entries: list[Entry], progress: bool) -> Iterator[Recording | Image]:
    """The samples, each as it was announced; a bar on stderr while they pass."""
    if progress:
        from tqdm import tqdm

        stream = tqdm(stream, total=len(entries), desc="convert", unit="rec", file=sys.stderr, mininterval=1)
    for sample, entry in zip(stream, entries, strict=True):
        if (sample.label, sample.name) != (entry.label, entry.name):
            raise DataError(f"{sample.name}: the reader gives it out of order (expected {entry.name}); mend the reader")
        yield sample


def open_store(path: str | Path, verify: bool = True) -> EventStore | ImageStore:
    """Open a converted data set. Sizes are always checked, checksums with `verify`.

    Raises `DataError` naming the file and the remedy when it is missing, incomplete, changed, or of another version.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise DataError(
            f"{path / MANIFEST} is missing: no (complete) store here; run snakemake to convert the data set"
        )
    try:
        manifest = files.read_json(path / MANIFEST)
        found = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(path / MANIFEST, "cannot be read as a manifest") from None
    if found != FORMAT:
        raise _damaged(path / MANIFEST, f"is of format {found}, this version reads format {FORMAT}")
    try:
        kind = {"events": EventStore, "images": ImageStore}[manifest["kind"]]
        expected = {
            name: (manifest["files"][name]["bytes"], manifest["files"][name]["sha256"]) for name in (DATA, INDEX)
        }
    except (KeyError, TypeError):
        raise _damaged(path / MANIFEST, "cannot be read as a manifest") from None
    for name, (size, checksum) in expected.items():
        file = path / name
        if not file.is_file():
            raise _damaged(file, "is missing")
        if file.stat().st_size != size:
            raise _damaged(file, f"has {file.stat().st_size} bytes, the manifest says {size}")
        if verify and files.sha256(file) != checksum:
            raise _damaged(file, "does not match its checksum")
    return kind(path, manifest)


def _damaged(file: Path, what: str) -> DataError:
    return DataError(f"{file} {what}; delete the folder {file.parent} and run snakemake again to convert")


class Store:
    """Samples of one data set. Read-only; `n` samples in the order of conversion."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest
        self.kind: str = manifest["kind"]
        self.classes: list[str] = manifest["classes"]
        try:
            with np.load(path / INDEX, allow_pickle=False) as index:
                self.labels, self.split, self.names = (index[key] for key in ("labels", "split", "names"))
                self.offsets = index["offsets"] if self.kind == "events" else None
        except (ValueError, KeyError, OSError):
            raise _damaged(path / INDEX, "cannot be read") from None

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
    """Recordings of a sensor."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        super().__init__(path, manifest)
        self.sensor = Sensor(**manifest["sensor"])
        self.shape = self.sensor.shape

    @cached_property
    def event_map(self) -> np.ndarray:
        """All events, `EVENT` records mapped from the file."""
        return np.memmap(self.path / DATA, EVENT, mode="r").view(np.ndarray)

    def n_events(self, i: int) -> int:
        return int(self.offsets[i + 1] - self.offsets[i])

    def events(self, i: int) -> np.ndarray:
        """The events of recording `i` in time order."""
        return self.event_map[self.offsets[i] : self.offsets[i + 1]]

    def frames(self, indices: np.ndarray, T: int) -> np.ndarray:
        """Event counts `[N, T, P, H, W]` in T bins of equal time for each recording; see `snn.data.binning`.

        uint8, or the narrowest wider type where a count exceeds 255. The sum over a recording is its number of events.
        """
        from snn.data.binning import frames  # numba: only where frames are made

        if T < 1:
            raise ValueError(f"T = {T}: at least one time step is needed")
        indices = np.asarray(indices, dtype=np.int64)
        return frames(self.event_map, self.offsets[indices], self.offsets[indices + 1], T, self.shape)


class ImageStore(Store):
    """Static images. mean, sd: of each channel's intensity (0 to 1) over the training split, float32 [C]."""

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
