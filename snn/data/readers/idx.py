"""IDX: images and labels in four files, as MNIST and Fashion-MNIST are published; plain or `.gz`.

    train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte

All integers are big-endian: a magic number (2051 images, 2049 labels), the sizes (images: number, rows, columns;
labels: number), then one byte a pixel, row by row, or one byte a label. The split is that of the files.

- Y. LeCun, C. Cortes, C. Burges. The MNIST database of handwritten digits, 1998.
- H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms.
  arXiv:1708.07747, 2017.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from snn.data.format import Description, Entry, Image, Picture
from snn.errors import DataError
from snn.runtime import files

KIND = "images"
PREFIX = {"train": "train", "test": "t10k"}
IMAGES, LABELS = 2051, 2049
GZIP_RATIO = 1032  # no .gz holds more than this number of bytes in one of its own


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds the four files."""
    title: str = Field("MNIST (IDX)", max_length=100)
    """Name of the data set, e.g. `Fashion-MNIST`."""
    classes: list[str] = Field([str(digit) for digit in range(10)], min_length=2, max_length=256)
    """Names of the classes, in the order of the labels."""
    citation: str = Field("", max_length=1000)
    provenance: str = Field("", max_length=1000)
    """Where this copy came from; goes into the manifest."""


def describe(params: Params) -> Description:
    (_, *train), (_, *test) = (_header(_file(params, split, "images"), IMAGES) for split in PREFIX)
    if train != test:
        raise DataError(
            f"{_file(params, 'test', 'images')}: images of {test[0]}x{test[1]} pixels, but those of the training split "
            f"are of {train[0]}x{train[1]}; take both from one data set"
        )
    sources = [_file(params, split, what) for split in PREFIX for what in ("images", "labels")]
    return Description(
        title=params.title,
        geometry=Picture(1, *train),
        classes=params.classes,
        citation=params.citation,
        provenance={
            "sha256": {file.name: files.sha256(file) for file in sources},
            **({"copy": params.provenance} if params.provenance else {}),
        },
    )


def listing(params: Params) -> list[Entry]:
    return [
        Entry(int(label), f"{split}/{i:05d}", split)
        for split in PREFIX
        for i, label in enumerate(_labels(params, split))
    ]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    entries = listing(params)
    first = {"train": 0, "test": sum(entry.split == "train" for entry in entries)}
    order = range(len(entries)) if positions is None else [int(i) for i in positions]
    for split, run in groupby(order, lambda i: str(entries[i].split)):
        file = _file(params, split, "images")
        _, rows, columns = _header(file, IMAGES)
        with _opened(file) as f:
            for i in run:
                f.seek(16 + (i - first[split]) * rows * columns)  # backwards in a .gz is slow, forwards is one pass
                raw = _read(f, rows * columns, file)
                entry = entries[i]
                yield Image(np.frombuffer(raw, np.uint8).reshape(1, rows, columns), entry.label, entry.name, split)


def inputs(params: Params) -> list[Path]:
    return [_file(params, split, what) for split in PREFIX for what in ("images", "labels")]


def _file(params: Params, split: str, what: str) -> Path:
    """The existing file among the usual spellings of its name; the official spelling where there is none."""
    dimensions = 3 if what == "images" else 1
    stem = f"{PREFIX[split]}-{what}"
    names = [f"{stem}{dot}idx{dimensions}-ubyte{end}" for end in ("", ".gz") for dot in ("-", ".")]
    folder = params.folder.expanduser()
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[2])


def _labels(params: Params, split: str) -> np.ndarray:
    images, file = _file(params, split, "images"), _file(params, split, "labels")
    (count,) = _header(file, LABELS)
    if (number := _header(images, IMAGES)[0]) != count:
        raise DataError(f"{file}: {count} labels of {number} images in {images.name}; take both from one data set")
    with _opened(file) as f:
        f.seek(8)
        labels = np.frombuffer(_read(f, count, file), np.uint8)
    outside = labels >= len(params.classes)
    if outside.any():
        k = int(outside.argmax())
        raise DataError(
            f"{file}: label {k} is {labels[k]}, but there are {len(params.classes)} classes; name them all in "
            "`classes`, or replace the file by an intact copy"
        )
    return labels


def _header(file: Path, magic: int) -> tuple[int, ...]:
    """The sizes: (number, rows, columns) of images, (number,) of labels."""
    with _opened(file) as f:
        (value,) = struct.unpack(">i", _read(f, 4, file))
        if value != magic:
            what = "images" if magic == IMAGES else "labels"
            raise DataError(f"{file}: starts with {value} instead of {magic}: no IDX file of {what}; replace it")
        n = 3 if magic == IMAGES else 1
        sizes = struct.unpack(f">{n}i", _read(f, 4 * n, file))
    stated, actual = 4 * (1 + n) + math.prod(sizes), file.stat().st_size
    fits = stated <= GZIP_RATIO * actual if file.suffix == ".gz" else stated == actual
    if min(sizes) < 1 or not fits:
        raise DataError(
            f"{file}: {actual} bytes do not hold the sizes {sizes} that its header says; it is truncated or damaged: "
            "replace it by an intact copy"
        )
    return sizes


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if not file.is_file():
        raise DataError(f"{file}: no such file; put the four IDX files there, or set `folder` to where they are")
    opener: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as f:
        try:
            yield f
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{file}: not an intact .gz file ({error}); replace it by an intact copy") from None


def _read(f: IO[bytes], size: int, file: Path) -> bytes:
    raw = f.read(size)
    if len(raw) < size:
        raise DataError(f"{file}: ends early; it is truncated: replace it by an intact copy")
    return raw
