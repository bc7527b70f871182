"""Decoding of PNG and JPEG files to exact pixels: no bits, transparency or rotation are lost without an error."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from snn.errors import DataError

Mode = Literal["rgb", "grey"]
LOSSY = {".jpg", ".jpeg"}
SUFFIXES = {".png", *LOSSY}
MODES = {"rgb": "RGB", "grey": "L"}
LARGEST = 1 << 24
"""Pixels of an image: a header that says more is refused before anything is decoded."""


def pixels(file: Path, mode: Mode) -> np.ndarray:
    """uint8 [C, H, W] of an image, upright as its EXIF orientation says; a grey image in mode rgb has equal channels.

    Raises `DataError` for files that are damaged, of more than 8 bits a channel, transparent or too large. An alpha
    channel that is opaque everywhere is removed.
    """
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
