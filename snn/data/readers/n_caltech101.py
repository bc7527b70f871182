"""N-Caltech101: 8,709 objects of 101 classes recorded by an event camera in three saccades, 240x180 pixels.

The reader takes folders `<class>/*.bin`, directly in `folder` or in `folder/Caltech101`, as in the publisher's archive.
Recordings have fields of view of different size; all lie in the 240x180 pixels of the published annotations, and that
is the sensor here. A partial copy is accepted, and the manifest states how many recordings it lacks in all. There is no
official split: set `split.test`, or `published_split`. The format of a `.bin` file is that of
`snn.data.event_files.atis`.

- G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor. Converting static image datasets to spiking neuromorphic datasets
  using saccades. Frontiers in Neuroscience 9:437, 2015. The data are under CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from snn.data.event_files import atis
from snn.data.format import Description, Entry, Recording, Sensor
from snn.data.normal_form import normal, reduced
from snn.data.readers import _class_folders
from snn.data.readers._listed import chosen
from snn.data.readers._published_splits import PublishedSplit, official

KIND = "events"
SENSOR = Sensor(180, 240)
CLASSES, RECORDINGS = 101, 8709


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds the folders of the classes, or `Caltech101` with them."""
    reduce: int = Field(1, ge=1, le=64)
    """Pixels are taken together in squares of this side; every event stays one."""
    published_split: PublishedSplit | None = None
    """The split that published code makes (`readers/_published_splits.py`); null: a random one by `split.test`."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


def describe(params: Params) -> Description:
    names = _class_folders.classes(_root(params), {".bin"})
    missing = RECORDINGS - len(_pairs(params))
    return Description(
        title="N-Caltech101 (partial copy)" if missing > 0 or len(names) < CLASSES else "N-Caltech101",
        geometry=reduced(SENSOR, params.reduce),
        classes=names,
        citation="Orchard, Jayawant, Cohen & Thakor 2015, CC BY 4.0",
        provenance={"copy": params.provenance} if params.provenance else {},
        missing={"all": {"all classes": missing}} if missing > 0 else {},
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _pairs(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    for file, entry in chosen(_pairs(params), positions):
        events = normal(atis.read(file), SENSOR, str(file), params.reduce)
        yield Recording(events, entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    return _class_folders.inputs(_root(params))


def _root(params: Params) -> Path:
    """The folder that holds the classes, whether it exists or not."""
    folder = params.folder.expanduser()
    return folder / "Caltech101" if (folder / "Caltech101").is_dir() else folder


def _pairs(params: Params) -> list[tuple[Path, Entry]]:
    by_class: dict[int, list[tuple[Path, Entry]]] = {}
    for file, entry in _class_folders.samples(_root(params), {".bin"}):
        by_class.setdefault(entry.label, []).append((file, entry))
    return [
        (file, Entry(entry.label, entry.name, split))
        for pairs in by_class.values()
        for (file, entry), split in zip(
            pairs, official([file for file, _ in pairs], params.published_split), strict=True
        )
    ]
