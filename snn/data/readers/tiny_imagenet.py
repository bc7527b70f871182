"""Tiny ImageNet: 110,000 colour images of 64x64 pixels in 200 classes, JPEG.

The reader takes the publisher's files, directly in `folder` or in `folder/tiny-imagenet-200`: `wnids.txt` with the
classes, `train/<class>/images/*.JPEG`, and `val/images/*.JPEG` with `val/val_annotations.txt`. The publisher's test
images have no labels: as in papers, the validation images are the test split. Classes are WordNet numbers in the order
of `wnids.txt`. Grey images, of which there are some, have three equal channels. JPEG is as published, not lossy in
addition. A partial copy is accepted, and the manifest states how many images it lacks.

- Y. Le, X. Yang. Tiny ImageNet Visual Recognition Challenge. CS 231N, Stanford, 2015.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from snn.data.format import Description, Entry, Image, Picture
from snn.data.readers._listed import chosen, lacking
from snn.data.readers._pictures import pixels
from snn.errors import DataError

KIND = "images"
PICTURE = Picture(3, 64, 64)
OFFICIAL = {"train": 100_000, "test": 10_000}


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds `wnids.txt`, `train` and `val`, or `tiny-imagenet-200` with them."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


def describe(params: Params) -> Description:
    missing = lacking(listing(params), OFFICIAL)
    return Description(
        title="Tiny ImageNet (partial copy)" if missing else "Tiny ImageNet",
        geometry=PICTURE,
        classes=_classes(_root(params)),
        citation="Le & Yang 2015",
        provenance={"copy": params.provenance} if params.provenance else {},
        missing=missing,
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _pairs(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    for file, entry in chosen(_pairs(params), positions):
        image = pixels(file, "rgb")
        if image.shape != PICTURE.shape:
            raise DataError(
                f"{file}: {image.shape[2]}x{image.shape[1]} pixels instead of 64x64; unpack the archive again"
            )
        yield Image(image, entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    root = _root(params)
    classes = sorted(root.glob("train/*/images"))
    return [root / "wnids.txt", root / "train", root / "val" / "images", root / "val" / "val_annotations.txt", *classes]


def _root(params: Params) -> Path:
    """The folder that holds `train` and `val`, whether it exists or not."""
    folder = params.folder.expanduser()
    return folder / "tiny-imagenet-200" if (folder / "tiny-imagenet-200").is_dir() else folder


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise DataError(f"{file}: no such file; unpack tiny-imagenet-200.zip there, or set `folder` to where it is")
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _classes(root: Path) -> list[str]:
    classes = [line.strip() for line in _lines(root / "wnids.txt") if line.strip()]
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(re.fullmatch(r"n\d{8}", c) for c in classes):
        raise DataError(f"{root / 'wnids.txt'}: is no list of WordNet numbers, each once; unpack the archive again")
    return classes


def _pairs(params: Params) -> list[tuple[Path, Entry]]:
    root = _root(params)
    labels = {name: label for label, name in enumerate(_classes(root))}
    pairs = []
    for name, label in labels.items():
        files = sorted((root / "train" / name / "images").glob("*.JPEG"))
        if not files:
            raise DataError(
                f"class without samples: {root / 'train' / name}/images holds no .JPEG; unpack the archive again, or "
                "take the class out of wnids.txt"
            )
        pairs += [(file, Entry(label, f"train/{name}/{file.name}", "train")) for file in files]
    annotations, names = root / "val" / "val_annotations.txt", set()
    for number, line in enumerate(_lines(annotations), 1):
        file_name, name = [*line.split("\t"), "", ""][:2]
        if not re.fullmatch(r"val_\d+\.JPEG", file_name) or not re.fullmatch(r"n\d{8}", name) or file_name in names:
            raise DataError(f"{annotations}: line {number} names no image and class; unpack the archive again")
        names.add(file_name)
        file = root / "val" / "images" / file_name
        if name in labels and file.is_file():
            pairs.append((file, Entry(labels[name], f"val/{file_name}", "test")))
    return pairs
