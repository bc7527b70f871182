"""`.npy` and `.npz` files of NumPy: a structured array, a matrix with a column for each field, or an array for each.

Nothing is unpickled, and sizes that a header states are compared with the file before anything is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from snn.data.event_files.columns import Table, by_name, by_order
from snn.errors import DataError

DEFLATE_RATIO = 1032
"""No member of a `.npz` holds more than this number of bytes in one of its own."""


def read(file: Path, table: Table) -> np.ndarray:
    """The `EVENT` records of a file; `DataError` where it is damaged or its columns are not those of events."""
    try:
        arrays = load_npz(file) if file.suffix.lower() == ".npz" else {"": _array(file.read_bytes())}
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{file}: no intact {file.suffix} file of numbers ({reason}); replace it by an intact copy, or save it "
            "without pickles"
        ) from None
    if len(arrays) > 1:
        return by_name(arrays, table, file)
    (array,) = arrays.values()
    if array.dtype.names is not None and array.ndim == 1:
        return by_name({name: array[name] for name in array.dtype.names}, table, file)
    if array.ndim == 2:
        return by_order(array, table, file)
    raise DataError(f"{file}: an array of shape {array.shape}; save it as a structured array, or as a matrix [n, 4]")


def load_npz(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, by name."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if not members or sum(m.file_size for m in members) > DEFLATE_RATIO * file.stat().st_size:
            raise ValueError("its members are larger than the file can hold" if members else "it is empty")
        return {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}


def _array(content: bytes) -> np.ndarray:
    """The array of the content of a `.npy` file."""
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
