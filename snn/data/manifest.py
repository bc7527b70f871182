"""The files of a store, and the checks that they are complete, unchanged and consistent.

    data.bin        the EVENT records of all recordings, one recording after the other (raw, little-endian, 13 bytes);
                    or the pixels of all images, uint8 [n, C, H, W]
    index.npz       labels int64 [n], split uint8 [n] (0 train, 1 validation, 2 test), names; of events also
                    offsets int64 [n + 1]
    manifest.json   kind (events or images), sensor or picture, classes, counts, split version, provenance, sizes and
                    checksums of the two others, and the checksum of its own content

Nothing here is pickled, and no file can ask for more memory than its own size.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from snn.data.format import EVENT, Picture, Sensor
from snn.data.npz import load_npz
from snn.data.split import SPLITS
from snn.errors import DataError
from snn.runtime import files

FORMAT = 3
DATA: Final = "data.bin"
INDEX: Final = "index.npz"
MANIFEST: Final = "manifest.json"
CONVERTED: Final = "converted.json"
"""Beside a store that the workflow converted: what Snakemake watches instead of the store (workflow/rules/data.smk)."""

Pixels = Annotated[int, Field(ge=1, le=1 << 16)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class StoredFile(_Strict):
    """Size and checksum of one file of the store."""

    bytes: int = Field(ge=0)
    sha256: Sha256


class StoredSensor(_Strict):
    height: Pixels
    width: Pixels
    polarities: int = Field(ge=1, le=2)


class StoredPicture(_Strict):
    channels: int = Field(ge=1, le=4)
    height: Pixels
    width: Pixels


class Moments(_Strict):
    """Of each channel's intensity, from 0 to 1, over the training split."""

    mean: list[Annotated[float, Field(ge=0, le=1)]]
    sd: list[Annotated[float, Field(ge=0, le=1)]]


class Manifest(BaseModel):
    """The entries of a manifest that a store is read by; the others are for people and reports."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    format: Literal[3]
    kind: Literal["events", "images"]
    classes: list[str] = Field(min_length=1)
    recordings: int = Field(ge=1)
    files: dict[Literal["data.bin", "index.npz"], StoredFile] = Field(min_length=2)
    sensor: StoredSensor | None = None
    picture: StoredPicture | None = None
    images: Moments | None = None

    @property
    def geometry(self) -> Sensor | Picture:
        """The size of the samples; a KeyError where the manifest lacks it."""
        if self.kind == "events" and self.sensor:
            return Sensor(**self.sensor.model_dump())
        if self.kind == "images" and self.picture:
            return Picture(**self.picture.model_dump())
        raise KeyError("sensor or picture")


def sealed(manifest: dict[str, Any]) -> str:
    """The text of `manifest.json`: these entries and `sha256`, the checksum of the text without it."""
    digest = hashlib.sha256(_text(manifest).encode()).hexdigest()
    return _text(manifest | {"sha256": digest})


def _text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_manifest(folder: Path, verify: bool = True) -> dict[str, Any]:
    """The manifest of the store in `folder`, after checking the sizes of its files; with `verify` their checksums too.

    Raises `DataError` naming the file and the remedy when one is missing, incomplete, changed, or of another version.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise DataError(f"{file} is missing: no (complete) store here; run snakemake to convert the data set")
    try:
        text = file.read_text(encoding="utf-8")
        manifest = json.loads(text)
        version = manifest["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(file, "cannot be read as a manifest") from None
    if version != FORMAT:
        raise damaged(file, f"is of format {repr(version)[:20]}, this version reads format {FORMAT}")
    try:
        intact = sealed({name: value for name, value in manifest.items() if name != "sha256"}) == text
        expected = Manifest.model_validate(manifest).files
    except (ValueError, RecursionError):  # pydantic's ValidationError is a ValueError
        intact = False
    if not intact:
        raise damaged(file, "does not match its checksum")
    for name, stored in expected.items():
        member = folder / name
        if not member.is_file():
            raise damaged(member, "is missing")
        if member.stat().st_size != stored.bytes:
            raise damaged(member, f"has {member.stat().st_size} bytes, the manifest says {stored.bytes}")
        if verify and files.sha256(member) != stored.sha256:
            raise damaged(member, "does not match its checksum")
    return manifest


def read_index(folder: Path, manifest: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of `index.npz`, described above, after checking that they agree with manifest and data.

    Raises `DataError` where they cannot be read or do not agree.
    """
    file = folder / INDEX
    try:
        index = load_npz(file, compressed=False)
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        raise damaged(file, f"cannot be read ({type(error).__name__})") from None
    try:
        fault = _fault(index, Manifest.model_validate(manifest))
    except (KeyError, ValidationError) as error:
        fault = f"lacks {error}" if isinstance(error, KeyError) else "belongs to another manifest"
    if fault:
        raise damaged(file, fault)
    return index


def _fault(index: dict[str, np.ndarray], manifest: Manifest) -> str:
    """How the index disagrees with the manifest; empty where it agrees."""
    labels, split, names = (index[name] for name in ("labels", "split", "names"))
    n, size, shape = manifest.recordings, manifest.files[DATA].bytes, manifest.geometry.shape
    if (labels.shape, split.shape, names.shape) != ((n,), (n,), (n,)):
        return f"does not hold the {n} samples of the manifest"
    if (labels.dtype, split.dtype, names.dtype.kind) != (np.dtype(np.int64), np.dtype(np.uint8), "U"):
        return "holds arrays of other types"
    if labels.min() < 0 or labels.max() >= len(manifest.classes) or split.max() >= len(SPLITS):
        return "holds labels or splits that do not exist"
    if manifest.kind == "images":
        if manifest.images is None or {len(manifest.images.mean), len(manifest.images.sd)} != {shape[0]}:
            return "belongs to a manifest without mean and sd of each channel"
        return "" if n * math.prod(shape) == size else f"does not fit {DATA}"
    offsets = index["offsets"]
    if offsets.shape != (n + 1,) or offsets.dtype != np.int64:
        return "holds arrays of other types"
    fits = offsets[0] == 0 and (np.diff(offsets) > 0).all() and offsets[-1] * EVENT.itemsize == size
    return "" if fits else f"does not fit {DATA}"


def damaged(file: Path, what: str) -> DataError:
    """The error for a file of a store, with the remedy."""
    return DataError(f"{file} {what}; delete the folder {file.parent} and run snakemake again to convert")
