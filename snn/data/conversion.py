"""Conversion: raw data in, through a reader, to one complete store. Memory does not grow with the data."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from snn.config.validation import validate
from snn.data import readers
from snn.data import split as splitting
from snn.data.content import content
from snn.data.format import Description, Entry, Sample
from snn.data.manifest import DATA, FORMAT, INDEX, MANIFEST, read_manifest, sealed
from snn.data.params import SplitParams
from snn.data.readers import Reader
from snn.data.split import LEFT_OUT, SPLITS
from snn.errors import DataError
from snn.runtime import files


def convert(reader: str, params: dict, split: dict, out: str | Path, progress: bool = True) -> dict[str, Any]:
    """Read raw data with the reader of this name and leave a store in the folder `out`; return its manifest.

    params, split: the blocks of the configuration. An earlier store in `out` is replaced only by a complete new one:
    a conversion that fails or is killed leaves it as it was.
    Raises `ConfigError` for unknown readers and settings, `DataError` for raw data that cannot be used.
    """
    module = readers.find(reader)
    settings = validate(module.Params, params, "params")
    origin = {"reader": reader, "params": settings.model_dump(mode="json")}
    return write(module, settings, validate(SplitParams, split, "split"), Path(out), progress, origin)


def write(
    reader: Reader, params: Any, split: SplitParams, out: Path, progress: bool = False, origin: dict | None = None
) -> dict[str, Any]:
    """`convert` with a reader itself instead of its name. origin: the part of the provenance that names the reader."""
    with _reading_raw_data():
        description: Description = reader.describe(params)
        listing: list[Entry] = reader.listing(params)
    code = splitting.split(listing, split, description.classes)
    positions = np.flatnonzero(code != LEFT_OUT)
    entries, code = [listing[i] for i in positions], code[positions]
    checked = content(description.geometry, code == SPLITS.index("train"))

    out.mkdir(parents=True, exist_ok=True)
    for stale in out.glob(".convert-*.tmp"):  # left by a conversion that was killed
        shutil.rmtree(stale, ignore_errors=True)

    with tempfile.TemporaryDirectory(dir=out, prefix=".convert-", suffix=".tmp") as folder:
        new = Path(folder)
        digest = hashlib.sha256()
        with open(new / DATA, "wb") as f:
            for sample in _in_order(reader.samples(params, positions.tolist()), entries, progress):
                raw = checked.add(sample)
                f.write(raw)
                digest.update(raw)
            _to_disk(f)
        index = checked.index() | {
            "labels": np.array([e.label for e in entries], np.int64),
            "split": code,
            "names": np.array([e.name for e in entries]),
        }
        with open(new / INDEX, "wb") as f:
            np.savez(f, allow_pickle=False, **index)
            _to_disk(f)
        manifest = {
            "format": FORMAT,
            "kind": checked.kind,
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
                name: {c: int(np.sum((code == k) & (index["labels"] == j))) for j, c in enumerate(description.classes)}
                for k, name in enumerate(SPLITS)
            },
            **checked.manifest(),
            "files": {
                DATA: {"bytes": (new / DATA).stat().st_size, "sha256": digest.hexdigest()},
                INDEX: {"bytes": (new / INDEX).stat().st_size, "sha256": files.sha256(new / INDEX)},
            },
            "provenance": {**(origin or {}), **description.provenance},
        }
        with open(new / MANIFEST, "w", encoding="utf-8") as text:
            text.write(sealed(manifest))
            _to_disk(text)
        # The new store is complete. While it takes the place of the old one, a few renames long, there is no manifest:
        # nobody can take a part of both for a store.
        (out / MANIFEST).unlink(missing_ok=True)
        for name in (DATA, INDEX, MANIFEST):
            os.replace(new / name, out / name)
    return read_manifest(out, verify=False)


def _to_disk(file: IO[Any]) -> None:
    """Flush a file to the disk itself: a full disk or a crash must show before the old store is replaced."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _reading_raw_data() -> Iterator[None]:
    """What the operating system says of a raw file (no permission, a loop of links, ...) is an error of the data."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise DataError(
            f"{os.fsdecode(error.filename)}: {error.strerror}; mend it, or replace it by an intact copy"
        ) from None


def _in_order(stream: Iterator[Sample], listing: list[Entry], progress: bool) -> Iterator[Sample]:
    """The samples, each checked to be the one that was listed; a progress bar on stderr while they pass."""
    entries: Iterable[Entry] = listing
    if progress:
        from tqdm import tqdm

        entries = tqdm(listing, desc="convert", unit="rec", file=sys.stderr, mininterval=1)
    for entry in entries:
        with _reading_raw_data():
            sample = next(stream)
        if (sample.label, sample.name) != (entry.label, entry.name):
            raise DataError(f"{sample.name}: the reader gives it out of order (expected {entry.name}); mend the reader")
        yield sample
