"""The store: one data set, converted once, verified whenever it is opened.

    events.bin      the EVENT records of all recordings, one recording after the other (raw, little-endian, 13 bytes)
    index.npz       offsets int64 [n + 1], labels int64 [n], split uint8 [n] (0 train, 1 validation, 2 test), names
    manifest.json   sensor, classes, counts, checksums, split version, provenance; written last, so a store that has
                    one is complete

Nothing here is pickled, and nothing is ever held in memory whole: conversion streams, reading maps the file.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from snn import config, files
from snn.data import readers
from snn.data import split as splitting
from snn.data.format import EVENT, Description, Entry, Recording, Sensor, check_events
from snn.data.params import SplitParams
from snn.data.split import LEFT_OUT, SPLITS
from snn.errors import DataError

FORMAT = 1
EVENTS, INDEX, MANIFEST = "events.bin", "index.npz", "manifest.json"


def convert(reader: str, params: dict, split: dict, out: str | Path, progress: bool = True) -> dict[str, Any]:
    """Read raw data with a reader and leave a store in the folder `out`; return its manifest.

    Memory does not grow with the events. An earlier store in `out` is untouched until the new one is written; a
    conversion that fails or is killed leaves nothing that opens as a store.
    Raises `ConfigError` for unknown readers and settings, `DataError` for raw data that cannot be used.
    """
    module = readers.reader(reader)
    typed = config.validate(module.Params, params, "params")
    origin = {"reader": reader, "params": typed.model_dump(mode="json")}
    return write(module, typed, config.validate(SplitParams, split, "split"), Path(out), progress, origin)


def write(
    reader: ModuleType, params: Any, split: SplitParams, out: Path, progress: bool = False, origin: dict | None = None
) -> dict[str, Any]:
    """`convert` for a reader at hand (anything with the functions of `snn.data.readers`)."""
    description: Description = reader.describe(params)
    listing: list[Entry] = reader.listing(params)
    code = splitting.split(listing, split, description.classes)
    chosen = np.flatnonzero(code != LEFT_OUT)
    entries, code = [listing[i] for i in chosen], code[chosen]
    n = len(entries)

    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(".*.tmp"):  # left by a conversion that was killed
        stale.unlink()

    sizes, on, durations = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    digest = hashlib.sha256()
    with files.replacing(out / INDEX) as index_file, files.replacing(out / EVENTS) as events_file:
        with open(events_file, "wb") as f:
            stream = reader.recordings(params, chosen)
            for i, recording in enumerate(_checked(stream, entries, description.sensor, progress)):
                raw = np.ascontiguousarray(recording.events).tobytes()
                f.write(raw)
                digest.update(raw)
                sizes[i], on[i] = len(recording.events), int(np.count_nonzero(recording.events["p"]))
                durations[i] = recording.events["t"][-1] - recording.events["t"][0]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        labels = np.array([e.label for e in entries], np.int64)
        with open(index_file, "wb") as f:
            np.savez(f, offsets=offsets, labels=labels, split=code, names=np.array([e.name for e in entries]))
        manifest = {
            "format": FORMAT,
            "title": description.title,
            "citation": description.citation,
            "sensor": asdict(description.sensor),
            "classes": list(description.classes),
            "recordings": n,
            "left_out_by_limits": len(listing) - n,
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
            "events": statistics(sizes, on, durations),
            "files": {
                EVENTS: {"bytes": int(offsets[-1]) * EVENT.itemsize, "sha256": digest.hexdigest()},
                INDEX: {"bytes": index_file.stat().st_size, "sha256": files.sha256(index_file)},
            },
            "provenance": {**(origin or {}), **description.provenance},
        }
        # From here until the new manifest lies there, the folder holds no store.
        (out / MANIFEST).unlink(missing_ok=True)
    files.write_json(out / MANIFEST, manifest)
    return manifest


def _checked(stream: Iterator[Recording], entries: list[Entry], sensor: Sensor, progress: bool) -> Iterator[Recording]:
    """The recordings, each as it was announced and with proper events; a bar on stderr while they pass."""
    if progress:
        from tqdm import tqdm

        stream = tqdm(stream, total=len(entries), desc="convert", unit="rec", file=sys.stderr, mininterval=1)
    for recording, entry in zip(stream, entries, strict=True):
        if (recording.label, recording.name) != (entry.label, entry.name):
            raise DataError(
                f"{recording.name}: the reader gives it out of order (expected {entry.name}); mend the reader"
            )
        if recording.events.dtype != EVENT:
            raise DataError(f"{recording.name}: the reader gives {recording.events.dtype} instead of EVENT records")
        check_events(recording.events, sensor, recording.name)
        yield recording


def statistics(sizes: np.ndarray, on: np.ndarray, durations: np.ndarray) -> dict[str, Any]:
    """Figures of the events: total and per recording, share of ON events, duration in microseconds."""
    return {
        "total": int(sizes.sum()),
        "mean": round(float(sizes.mean()), 1),
        "sd": round(float(sizes.std()), 1),
        "percentiles_1_50_99": [round(float(q), 1) for q in np.percentile(sizes, [1, 50, 99])],
        "on_share": round(float(on.sum() / sizes.sum()), 4),
        "duration_us_mean": round(float(durations.mean()), 1),
    }


def open_store(path: str | Path, verify: bool = True) -> Store:
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
        expected = {
            name: (manifest["files"][name]["bytes"], manifest["files"][name]["sha256"]) for name in (EVENTS, INDEX)
        }
    except (ValueError, KeyError, TypeError):
        raise _damaged(path / MANIFEST, "cannot be read as a manifest") from None
    if found != FORMAT:
        raise _damaged(path / MANIFEST, f"is of format {found}, this version reads format {FORMAT}")
    for name, (size, checksum) in expected.items():
        file = path / name
        if not file.is_file():
            raise _damaged(file, "is missing")
        if file.stat().st_size != size:
            raise _damaged(file, f"has {file.stat().st_size} bytes, the manifest says {size}")
        if verify and files.sha256(file) != checksum:
            raise _damaged(file, "does not match its checksum")
    return Store(path, manifest)


def _damaged(file: Path, what: str) -> DataError:
    return DataError(f"{file} {what}; delete the folder {file.parent} and run snakemake again to convert")


class Store:
    """Recordings of one data set. Read-only; `n` recordings in the order of conversion."""

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path, self.manifest = path, manifest
        self.sensor = Sensor(**manifest["sensor"])
        self.classes: list[str] = manifest["classes"]
        try:
            with np.load(path / INDEX, allow_pickle=False) as index:
                self.offsets, self.labels, self.split, self.names = (
                    index[key] for key in ("offsets", "labels", "split", "names")
                )
        except (ValueError, KeyError, OSError):
            raise _damaged(path / INDEX, "cannot be read") from None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def version(self) -> str:
        """Sixteen hex digits over events, labels and split: the same data, the same version."""
        sums = "".join(self.manifest["files"][name]["sha256"] for name in (EVENTS, INDEX))
        return hashlib.sha256(sums.encode()).hexdigest()[:16]

    @cached_property
    def event_map(self) -> np.ndarray:
        """All events, `EVENT` records mapped from the file."""
        return np.memmap(self.path / EVENTS, EVENT, mode="r").view(np.ndarray)

    def indices(self, split: str) -> np.ndarray:
        """Positions of the recordings of `"train"`, `"validation"` or `"test"`, int64, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split))

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
        return frames(self.event_map, self.offsets[indices], self.offsets[indices + 1], T, self.sensor.shape)
