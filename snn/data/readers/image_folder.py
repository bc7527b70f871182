"""Images in a folder for each class: PNG or JPEG, all of one size.

    <folder>/{train,test}/<class>/…/<image>      with an official split
    <folder>/<class>/…/<image>                   without one

Classes are the folders' names in alphabetical order. JPEG is lossy, and the title says so. An image is turned as its
EXIF orientation says. More than 8 bits a channel are refused, and so is transparency; an alpha channel that is opaque
everywhere is removed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from snn.data.format import Description, Entry, Image, Picture
from snn.errors import DataError

KIND = "images"
SPLITS = ("train", "test")
LOSSY = {".jpg", ".jpeg"}
SUFFIXES = {".png", *LOSSY}
MODES = {"rgb": "RGB", "grey": "L"}
LARGEST = 1 << 24  # pixels of an image: a header that says more is refused before anything is decoded


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds a folder for each class, or `train` and `test` with them."""
    mode: Literal["rgb", "grey"] = "rgb"
    """Three channels, or one."""
    title: str = Field("", max_length=100)
    """Name of the data set; by default the name of the folder."""
    citation: str = Field("", max_length=1000)
    provenance: str = Field("", max_length=1000)
    """Where this copy came from; goes into the manifest."""


def describe(params: Params) -> Description:
    images = [file for file, _ in _pairs(params)]
    channels, height, width = _pixels(images[0], params.mode).shape
    lossy = sum(file.suffix.lower() in LOSSY for file in images)
    title = params.title or params.folder.expanduser().resolve().name
    return Description(
        title=f"{title} (JPEG: lossy)" if lossy else title,
        geometry=Picture(channels, height, width),
        classes=sorted(next(iter(_files(params).values()))),
        citation=params.citation,
        provenance={"lossy_images": lossy, **({"copy": params.provenance} if params.provenance else {})},
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _pairs(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    pairs = _pairs(params)
    first = None
    for i in range(len(pairs)) if positions is None else positions:
        file, entry = pairs[i]
        pixels = _pixels(file, params.mode)
        first = first or (pixels.shape, file)
        if pixels.shape != first[0]:
            (_, h, w), (_, h0, w0) = pixels.shape, first[0]
            raise DataError(
                f"{file}: {w}x{h} pixels, but {first[1]} has {w0}x{h0}; all images must be of one size: resize them"
            )
        yield Image(pixels, entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    root = params.folder.expanduser()
    return [root / name for name in SPLITS] if _official(root) else [root]


def _official(root: Path) -> bool:
    return all((root / name).is_dir() for name in SPLITS)


def _pixels(file: Path, mode: str) -> np.ndarray:
    """uint8 [C, H, W], upright."""
    with _opened(file) as image:
        if image.width * image.height > LARGEST:
            raise DataError(
                f"{file}: {image.width}x{image.height} pixels; the largest images have {LARGEST} pixels: resize it, or "
                "replace it by an intact copy"
            )
        if image.format == "PNG" and (bits := _bits(file)) > 8:
            raise DataError(f"{file}: {bits} bits a channel; save it with 8, scaled as you want it (Pillow would clip)")
        try:
            if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
                raise DataError(f"{file}: has transparent pixels; save it without alpha, over the background you want")
            upright = ImageOps.exif_transpose(image).convert(MODES[mode])
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(
                f"{file}: cannot be decoded ({error}); delete it, or replace it by an intact copy"
            ) from None
    return np.atleast_3d(np.asarray(upright, np.uint8)).transpose(2, 0, 1)


def _bits(png: Path) -> int:
    """Bits a channel, from the header: Pillow drops the lower 8 of 16 bits of colour without saying so."""
    with open(png, "rb") as f:
        return f.read(25)[24]


def _opened(file: Path) -> Pillow.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # `LARGEST` is stricter
            return Pillow.open(file, formats=("PNG", "JPEG"))
    except (UnidentifiedImageError, Pillow.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        raise DataError(f"{file}: no readable PNG or JPEG; delete it, or replace it by an intact copy") from None


def _files(params: Params) -> dict[str | None, dict[str, list[Path]]]:
    """All images, sorted: `{split: {class: files}}`; split None where there is no official one."""
    root = params.folder.expanduser()
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set `folder` to the one that holds a folder for each class")
    roots: dict[str | None, Path] = {name: root / name for name in SPLITS} if _official(root) else {None: root}
    files = {
        split: {
            folder.name: sorted(
                p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
            )
            for folder in sorted(top.iterdir())
            if folder.is_dir() and not folder.name.startswith(".")
        }
        for split, top in roots.items()
    }
    classes = sorted(set().union(*files.values()))
    if len(classes) < 2:
        raise DataError(f"{root}: {len(classes)} class folders; it needs a folder for each of two or more classes")
    for split, top in roots.items():
        for name in classes:
            if not files[split].get(name):
                raise DataError(
                    f"class without samples: {top / name} holds no .png, .jpg or .jpeg; put images there, or take the "
                    "class away"
                )
    return files


def _pairs(params: Params) -> list[tuple[Path, Entry]]:
    root = params.folder.expanduser()
    return [
        (file, Entry(label, file.relative_to(root).as_posix(), split))
        for split, classes in _files(params).items()
        for label, name in enumerate(sorted(classes))
        for file in classes[name]
    ]
