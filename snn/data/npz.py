"""`.npy` and `.npz` files of unknown origin: nothing is unpickled, and no header is believed.

Sizes that a header states are compared with the content before anything is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

DEFLATE_RATIO = 1032
"""Nothing compressed with deflate holds more than this number of bytes in one of its own."""


def load_npz(file: Path, compressed: bool = True) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, by name, read-only. compressed: whether its members may be.

    Raises `ValueError` for what is no such file; zipfile and numpy raise errors of many other types for damaged ones.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if not compressed and any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise ValueError("its members are compressed")
        if sum(m.file_size for m in members) > file.stat().st_size * (DEFLATE_RATIO if compressed else 1):
            raise ValueError("its members are larger than the file can hold")
        return {m.filename.removesuffix(".npy"): load_npy(archive.read(m)) for m in members}


def load_npy(content: bytes) -> np.ndarray:
    """The array of the content of a `.npy` file, read-only and without a copy; errors as for `load_npz`."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = readers[version](stream)
    size = dtype.itemsize * math.prod(shape)
    if dtype.hasobject or min(shape, default=0) < 0 or size != len(content) - stream.tell():
        raise ValueError(f"a header for {shape} of {dtype} in {len(content)} bytes")
    return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
