"""`.h5` files of events: a table `events` or `CD/events`, a group of a data set for each field, or a matrix.

Read by the package h5py (BSD), an optional dependency. Layouts that are met: Prophesee's (`CD/events`, a compound of x,
y, p, t), DSEC's (a group `events` of p, t, x, y), v2e's (a matrix `events` of t, x, y, p: say so in `columns`).
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from snn.data.event_files.columns import Table, by_name, by_order
from snn.data.event_files.isolated import isolated
from snn.data.npz import DEFLATE_RATIO
from snn.errors import DataError

PLACES = ("CD/events", "events")


def read(file: Path, table: Table) -> np.ndarray:
    """The `EVENT` records of a file; `DataError` where h5py is not installed, or the file is damaged."""
    if find_spec("h5py") is None:
        raise DataError(f"{file}: reading .h5 needs the package h5py; install it: pip install h5py")
    return isolated(_decode, file, "no intact .h5 file of events", table)


def _decode(file: Path, table: Table) -> np.ndarray:
    import h5py

    with suppress(ImportError):  # registers the compressions of other makers
        importlib.import_module("hdf5plugin")
    with h5py.File(file, "r") as content:
        node = next((content[place] for place in PLACES if place in content), content)
        if isinstance(node, h5py.Dataset):
            array = _read(node, file)
            if array.dtype.names is not None and array.ndim == 1:
                return by_name({name: array[name] for name in array.dtype.names}, table, file)
            if array.ndim == 2:
                return by_order(array, table, file)
            raise DataError(
                f"{file}: {node.name} is of shape {array.shape}; save events as a table, or replace the file"
            )
        members = {name: member for name, member in node.items() if isinstance(member, h5py.Dataset)}
        return by_name({name: _read(m, file) for name, m in members.items() if m.ndim == 1}, table, file)


def _read(dataset: Any, file: Path) -> np.ndarray:
    """All of a data set, unless it says that it is larger than what is stored can hold."""
    if dataset.nbytes > DEFLATE_RATIO * dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} says more values than it holds")
    try:
        return dataset[()]
    except OSError as error:
        if "plugin" in str(error) or "filter" in str(error):
            raise DataError(
                f"{file}: {dataset.name} is compressed by a filter that is not installed; install it (pip install "
                "hdf5plugin), or save the file with gzip"
            ) from None
        raise
