"""The common format of CIFAR-10 and CIFAR-100: an archive of binary batches of 32x32 colour images.

A record is one label byte (CIFAR-10) or two (CIFAR-100: coarse, fine), then 3072 bytes: the red, the green and the blue
channel, each row by row. Nothing is pickled.

- A. Krizhevsky. Learning Multiple Layers of Features from Tiny Images. Technical report, University of Toronto, 2009.
  Formats and MD5 sums: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from snn.data.download import fetch, unpack
from snn.data.format import Description, Entry, Image, Picture
from snn.errors import DataError
from snn.runtime import files

PICTURE = Picture(3, 32, 32)
PIXELS = 3 * 32 * 32


class Params(BaseModel):
    """Settings of both readers."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds the publisher's archive, or the folder inside it."""
    download: bool = False
    """Download the archive into `folder` where it is not there."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


@dataclass(frozen=True)
class Layout:
    """The files of one data set. batches: file -> (split, number of records)."""

    title: str
    url: str
    sha256: str
    root: str
    batches: dict[str, tuple[str, int]]
    label_bytes: int
    label_at: int
    names: str
    """The file with the names of the classes, one in each line."""
    classes: int

    @property
    def archive(self) -> str:
        return self.url.rpartition("/")[2]

    # --- the functions of a reader

    def inputs(self, params: Params) -> list[Path]:
        if params.download:  # the download happens during the conversion: Snakemake has no file to watch
            return []
        archive = params.folder.expanduser() / self.archive
        return [archive if archive.exists() else params.folder.expanduser() / self.root]

    def describe(self, params: Params) -> Description:
        folder = self._folder(params)
        names = (folder / self.names).read_text(encoding="utf-8", errors="replace").split()
        if len(names) != self.classes:
            raise DataError(f"{folder / self.names}: {len(names)} names of {self.classes} classes; unpack it again")
        origin = {"copy": params.provenance} if params.provenance else {}
        return Description(
            title=self.title,
            geometry=PICTURE,
            classes=names,
            citation="Krizhevsky 2009",
            provenance={"sha256": {name: files.sha256(folder / name) for name in self.batches}, **origin},
        )

    def listing(self, params: Params) -> list[Entry]:
        folder = self._folder(params)
        return [
            Entry(int(label), f"{name}/{i:05d}", split)
            for name, (split, _) in self.batches.items()
            for i, label in enumerate(self._labels(folder / name))
        ]

    def samples(self, params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
        folder, entries = self._folder(params), self.listing(params)
        first, batches = 0, []
        for name, (_, count) in self.batches.items():
            batches.append((first, self._records(folder / name)))
            first += count
        for i in range(len(entries)) if positions is None else positions:
            start, records = next(b for b in reversed(batches) if b[0] <= i)
            entry = entries[i]
            pixels = records[i - start, self.label_bytes :].reshape(PICTURE.shape)
            yield Image(np.array(pixels), entry.label, entry.name, entry.split)

    # --- its files

    def _folder(self, params: Params) -> Path:
        folder = params.folder.expanduser()
        archive, root = folder / self.archive, folder / self.root
        members = [*self.batches, self.names]
        if not archive.exists() and not root.is_dir():
            if not params.download:
                raise DataError(
                    f"{root}: no such folder, and no {self.archive} beside it; put the archive there, set `folder` to "
                    "where it is, or set `download: true`"
                )
            fetch(self.url, archive, self.sha256)
        if archive.exists():
            return unpack(archive, self.root, members, self.sha256)
        for name in members:
            if not (root / name).is_file():
                raise DataError(f"{root / name}: missing; unpack {self.archive} in {folder} again")
        return root

    def _records(self, file: Path) -> np.ndarray:
        """uint8 [records, label bytes + pixels], mapped."""
        size, expected = file.stat().st_size, self.batches[file.name][1] * (self.label_bytes + PIXELS)
        if size != expected:
            raise DataError(
                f"{file}: {size} bytes instead of {expected}; it is truncated or another file: delete it, and "
                f"unpack {self.archive} again"
            )
        return np.memmap(file, np.uint8, mode="r").reshape(-1, self.label_bytes + PIXELS)

    def _labels(self, file: Path) -> np.ndarray:
        labels = np.array(self._records(file)[:, self.label_at])
        outside = labels >= self.classes
        if outside.any():
            k = int(outside.argmax())
            raise DataError(
                f"{file}: record {k} has label {labels[k]}, but there are {self.classes} classes; the file is damaged: "
                f"delete it, and unpack {self.archive} again"
            )
        return labels
