"""CIFAR10-DVS: 10,000 CIFAR-10 images moved before an event camera (128x128, ON and OFF, about 1.3 s), 1,000 a class.

The reader takes folders `<class>/*.aedat4`, directly in `folder` or in `folder/CIFAR10DVS` (where tonic downloads to,
with the publisher's checksum). A partial copy is accepted, and the manifest states how many recordings it lacks. There
is no official split: set `split.test` for a random one (0.1 is customary), or `published_split`.

The time of a recording begins with its first event. `size` maps the pixels to a coarser grid, x -> ⌊x · size / 128⌋:
the published recipes train at 48x48, where they rescale frames by interpolation; here the events themselves are mapped,
so that counts stay integers and the event-driven deployment sees the same input [ours].

- H. Li, H. Liu, X. Ji, G. Li, L. Shi. CIFAR10-DVS: An Event-Stream Dataset for Object Classification. Frontiers in
  Neuroscience 11:309, 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from snn.data.event_files import aedat4
from snn.data.format import Description, Entry, Recording, Sensor
from snn.data.normal_form import normal
from snn.data.readers._listed import chosen
from snn.data.readers._published_splits import PublishedSplit, official
from snn.errors import DataError

KIND = "events"
SENSOR = Sensor(128, 128)
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
OFFICIAL = 1000


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds the folders of the classes, or `CIFAR10DVS` with them."""
    download: bool = False
    """Let tonic download the data set into `folder` where it is not there."""
    size: int = Field(128, ge=8, le=128)
    """Rows and columns of the grid that the events are mapped to."""
    published_split: PublishedSplit | None = None
    """The split that published code makes (`readers/_published_splits.py`); null: a random one by `split.test`."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


def describe(params: Params) -> Description:
    files = _files(params)
    missing = {name: OFFICIAL - len(files[name]) for name in CLASSES if len(files[name]) < OFFICIAL}
    return Description(
        title="CIFAR10-DVS (partial copy)" if missing else "CIFAR10-DVS",
        geometry=Sensor(params.size, params.size),
        classes=CLASSES,
        citation="Li, Liu, Ji, Li & Shi 2017",
        provenance={"copy": params.provenance} if params.provenance else {},
        missing={"all": missing} if missing else {},
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _pairs(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    for file, entry in chosen(_pairs(params), positions):
        yield Recording(read(file, params.size), entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    if params.download:  # the download happens during the conversion: Snakemake has no file to watch
        return []
    return [_root(params) / name for name in CLASSES]


def read(file: Path, size: int = 128) -> np.ndarray:
    """The `EVENT` records of one file on a grid of `size` x `size`; `DataError` where it is no intact recording."""
    events = normal(aedat4.read(file), SENSOR, str(file))
    for axis in "xy":
        events[axis] = events[axis].astype(np.uint32) * size // 128
    return events


def _root(params: Params) -> Path:
    """The folder that holds the classes, whether it exists or not."""
    folder = params.folder.expanduser()
    inner = folder / "CIFAR10DVS"
    return inner if inner.is_dir() or (params.download and not (folder / CLASSES[0]).is_dir()) else folder


def _files(params: Params) -> dict[str, list[Path]]:
    """All `.aedat4` files by class, sorted."""
    root = _root(params)
    if params.download and not all((root / name).is_dir() for name in CLASSES):
        from snn.data.tonic_io import download_cifar10dvs

        download_cifar10dvs(params.folder.expanduser())
    files = {}
    for name in CLASSES:
        if not (root / name).is_dir():
            raise DataError(
                f"{root / name}: no such folder; unpack CIFAR10-DVS (.aedat4) there, set `folder` to where it is, or "
                "set `download: true`"
            )
        files[name] = sorted(p for p in (root / name).glob("*.aedat4") if not p.name.startswith("."))
        if not files[name]:
            raise DataError(f"class without samples: {root / name} holds no .aedat4 file; put recordings there")
    return files


def _pairs(params: Params) -> list[tuple[Path, Entry]]:
    files = _files(params)
    return [
        (file, Entry(label, f"{name}/{file.name}", split))
        for label, name in enumerate(CLASSES)
        for file, split in zip(files[name], official(files[name], params.published_split), strict=True)
    ]
