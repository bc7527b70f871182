"""`.npy` and `.npz` files of NumPy: a structured array, a matrix with a column for each field, or an array for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn.data.event_files.columns import Table, by_name, by_order
from snn.data.npz import load_npy, load_npz
from snn.errors import DataError


def read(file: Path, table: Table) -> np.ndarray:
    """The `EVENT` records of a file; `DataError` where it is damaged or its columns are not those of events."""
    try:
        arrays = load_npz(file) if file.suffix.lower() == ".npz" else {"": load_npy(file.read_bytes())}
    except Exception as error:  # zipfile and numpy raise many types for damaged files
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{file}: no intact {file.suffix} file of numbers ({reason}); replace it by an intact copy, or save it "
            "without pickles"
        ) from None
    if len(arrays) != 1:
        return by_name(arrays, table, file)
    (array,) = arrays.values()
    if array.dtype.names is not None and array.ndim == 1:
        return by_name({name: array[name] for name in array.dtype.names}, table, file)
    if array.ndim == 2:
        return by_order(array, table, file)
    raise DataError(f"{file}: an array of shape {array.shape}; save it as a structured array, or as a matrix [n, 4]")
