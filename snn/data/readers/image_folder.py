"""Images in a folder for each class: PNG or JPEG, all of one size.

    <folder>/{train,test}/<class>/…/<image>      with an official split
    <folder>/<class>/…/<image>                   without one

Classes are the folders' names in alphabetical order. JPEG is lossy, and the title says so. An image is turned as its
EXIF orientation says. More than 8 bits a channel are refused, and so is transparency; an alpha channel that is opaque
everywhere is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from snn.data.format import Description, Entry, Image, Picture
from snn.data.readers import _class_folders
from snn.data.readers._listed import chosen
from snn.data.readers._pictures import LOSSY, SUFFIXES, Mode, pixels
from snn.errors import DataError

KIND = "images"


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds a folder for each class, or `train` and `test` with them."""
    mode: Mode = "rgb"
    """Three channels, or one."""
    title: str = Field("", max_length=100)
    """Name of the data set; by default the name of the folder."""
    citation: str = Field("", max_length=1000)
    provenance: str = Field("", max_length=1000)
    """Where this copy came from; goes into the manifest."""


def describe(params: Params) -> Description:
    images = [file for file, _ in _class_folders.samples(params.folder, SUFFIXES)]
    lossy = sum(file.suffix.lower() in LOSSY for file in images)
    title = params.title or params.folder.expanduser().resolve().name
    return Description(
        title=f"{title} (JPEG: lossy)" if lossy else title,
        geometry=Picture(*pixels(images[0], params.mode).shape),
        classes=_class_folders.classes(params.folder, SUFFIXES),
        citation=params.citation,
        provenance={"lossy_images": lossy, **({"copy": params.provenance} if params.provenance else {})},
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _class_folders.samples(params.folder, SUFFIXES)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    pairs = _class_folders.samples(params.folder, SUFFIXES)
    first = None
    for file, entry in chosen(pairs, positions):
        image = Image(pixels(file, params.mode), entry.label, entry.name, entry.split)
        first = first or (image.pixels.shape, file)
        if image.pixels.shape != first[0]:
            (_, h, w), (_, h0, w0) = image.pixels.shape, first[0]
            raise DataError(
                f"{file}: {w}x{h} pixels, but {first[1]} has {w0}x{h0}; all images must be of one size: resize them"
            )
        yield image


def inputs(params: Params) -> list[Path]:
    return _class_folders.inputs(params.folder)
