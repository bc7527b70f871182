"""Event recordings in a folder for each class, in the formats that cameras and papers write.

    <folder>/{train,test}/<class>/…/<recording>      with an official split
    <folder>/<class>/…/<recording>                   without one

A recording is one file: `.bin` of N-MNIST and N-Caltech101; `.npy`, `.npz`, `.csv`, `.txt` and `.h5` with a column for
each of t, x, y and p; `.aedat4`, `.aedat` (3.1); Prophesee's `.dat` and `.raw` (EVT 2.0, EVT 3.0). Formats and their
sources: `snn/data/event_files/`. Names of columns are recognised (`t`, `ts`, `timestamp`, …; `x`; `y`; `p`, `pol`,
`polarity`, …); without names, `columns` says their order. OFF events have polarity 0 or -1.

Nothing is lost: every event of a file is one of the store, its time in whole microseconds from the recording's first
event on. `reduce` takes n x n pixels as one. All recordings are of one sensor, whose size must be stated; events
outside of it are an error, and so are times that go backwards unless `sort` is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from snn.data.event_files import by_suffix
from snn.data.event_files.columns import Table
from snn.data.format import FIELDS, Description, Entry, Recording, Sensor
from snn.data.normal_form import normal, reduced
from snn.data.readers import _class_folders
from snn.data.readers._listed import chosen

KIND = "events"
SUFFIXES = by_suffix.SUFFIXES


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds a folder for each class, or `train` and `test` with them."""
    width: int = Field(ge=1, le=4096)
    """Columns of the sensor, in pixels."""
    height: int = Field(ge=1, le=4096)
    """Rows of the sensor, in pixels."""
    reduce: int = Field(1, ge=1, le=256)
    """Pixels are taken together in squares of this side; every event stays one."""
    columns: list[Literal["t", "x", "y", "p", "_"]] | None = None
    """The order of columns without names, e.g. `[x, y, t, p]`; `_` for one to skip."""
    time_unit: Literal["ns", "us", "ms", "s"] = "us"
    """Of the times in `.npy`, `.npz`, `.csv`, `.txt` and `.h5`; the other formats have microseconds."""
    sort: bool = False
    """Put the events of a recording into the order of time, instead of refusing times that go backwards."""
    title: str = Field("", max_length=100)
    """Name of the data set; by default the name of the folder."""
    citation: str = Field("", max_length=1000)
    provenance: str = Field("", max_length=1000)
    """Where this copy came from; goes into the manifest."""

    @field_validator("columns")
    @classmethod
    def _each_field_once(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and any(value.count(field) != 1 for field in FIELDS):
            raise ValueError("name each of t, x, y and p once, and _ for columns to skip")
        return value

    @property
    def sensor(self) -> Sensor:
        return Sensor(self.height, self.width)


def describe(params: Params) -> Description:
    return Description(
        title=params.title or params.folder.expanduser().resolve().name,
        geometry=reduced(params.sensor, params.reduce),
        classes=_class_folders.classes(params.folder, SUFFIXES),
        citation=params.citation,
        provenance={"copy": params.provenance} if params.provenance else {},
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _class_folders.samples(params.folder, SUFFIXES)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    pairs = _class_folders.samples(params.folder, SUFFIXES)
    table = Table(None if params.columns is None else tuple(params.columns), params.time_unit)
    for file, entry in chosen(pairs, positions):
        events = by_suffix.read(file, params.sensor, table)
        events = normal(events, params.sensor, str(file), params.reduce, params.sort)
        yield Recording(events, entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    return _class_folders.inputs(params.folder)
