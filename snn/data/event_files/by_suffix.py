"""Event files of every format, told apart by their suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn.data.event_files.columns import Table
from snn.data.format import Sensor

SUFFIXES = (".aedat", ".aedat4", ".bin", ".csv", ".dat", ".h5", ".hdf5", ".npy", ".npz", ".raw", ".txt")


def read(file: Path, sensor: Sensor, table: Table) -> np.ndarray:
    """The `EVENT` records of a file with one of these suffixes; times in microseconds, as recorded.

    sensor: the expected one, compared with what the file itself says. table: how to read columns without names.
    Raises `DataError` where the file is damaged, of another format or sensor, or its package is not installed.
    """
    match file.suffix.lower():
        case ".aedat":
            from snn.data.event_files import aedat3

            return aedat3.read(file)
        case ".aedat4":
            from snn.data.event_files import aedat4

            return aedat4.read(file)
        case ".bin":
            from snn.data.event_files import atis

            return atis.read(file)
        case ".csv" | ".txt":
            from snn.data.event_files import text

            return text.read(file, table)
        case ".dat":
            from snn.data.event_files import prophesee

            return prophesee.read_dat(file, sensor)
        case ".h5" | ".hdf5":
            from snn.data.event_files import hdf5

            return hdf5.read(file, table)
        case ".npy" | ".npz":
            from snn.data.event_files import arrays

            return arrays.read(file, table)
        case ".raw":
            from snn.data.event_files import prophesee

            return prophesee.read_raw(file, sensor)
    raise ValueError(f"{file}: no suffix of {', '.join(SUFFIXES)}")
