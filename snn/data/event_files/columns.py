"""Columns of numbers to events: what tables (`.npy`, `.npz`, `.csv`, `.txt`, `.h5`) have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn.data.format import EVENT, FIELDS, LATEST
from snn.errors import DataError

NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
"""What a column of each field may be called, in any case."""

UNITS = {"ns": (1, 1000), "us": (1, 1), "ms": (1000, 1), "s": (1_000_000, 1)}
"""Microseconds in one unit of time: numerator, denominator."""


@dataclass(frozen=True)
class Table:
    """columns: the fields of columns without names, in their order, `"_"` for one to skip. unit: of the times."""

    columns: tuple[str, ...] | None = None
    unit: str = "us"


def by_order(matrix: np.ndarray, table: Table, file: Path) -> np.ndarray:
    """Events from a matrix of numbers [n, columns] without names."""
    if table.columns is None:
        raise DataError(
            f"{file}: {matrix.shape[1]} columns without names; state their order in `columns`, e.g. [t, x, y, p], "
            "or save the file with names"
        )
    if matrix.shape[1] != len(table.columns):
        raise DataError(
            f"{file}: {matrix.shape[1]} columns, but `columns` names {len(table.columns)}; set it to all of them, with "
            "_ for one to skip"
        )
    return events({field: matrix[:, table.columns.index(field)] for field in FIELDS}, table, file)


def by_name(columns: Mapping[str, np.ndarray], table: Table, file: Path) -> np.ndarray:
    """Events from columns that have names."""
    fields = fields_of(list(columns), file)
    return events({field: columns[name] for field, name in fields.items()}, table, file)


def fields_of(names: Sequence[str], file: Path) -> dict[str, str]:
    """The name of each field's column among `names`; `DataError` where one is not there, or twice."""
    fields = {}
    for field, usual in NAMES.items():
        matches = [name for name in names if name.lower() in usual]
        if len(matches) != 1:
            shown = ", ".join(map(repr, names))[:200]
            raise DataError(
                f"{file}: {len(matches)} columns for {field} among {shown}; name one column "
                f"{' or '.join(usual[:3])}, or replace the file"
            )
        fields[field] = matches[0]
    return fields


def events(columns: Mapping[str, np.ndarray], table: Table, file: Path) -> np.ndarray:
    """`EVENT` records from the columns t, x, y and p; times become microseconds, polarities of -1 become 0.

    Raises `DataError` for columns of unequal lengths, and for values that are no event's.
    """
    sizes = {len(column) for column in columns.values()}
    if len(sizes) != 1 or any(column.ndim != 1 for column in columns.values()):
        raise DataError(f"{file}: columns of unequal lengths; replace it by an intact copy")
    result = np.empty(sizes.pop(), EVENT)
    result["t"] = _microseconds(columns["t"], table.unit, file)
    for field in ("x", "y"):
        result[field] = _whole(columns[field], field, 0, 0xFFFF, file)
    polarity = _whole(columns["p"], "p", -1, 1, file)
    if (polarity == -1).any() and (polarity == 0).any():
        raise DataError(f"{file}: polarities -1, 0 and 1; save OFF events as 0 or as -1, or replace the file")
    result["p"] = polarity == 1
    return result


def _microseconds(times: np.ndarray, unit: str, file: Path) -> np.ndarray:
    """Integers, int64: exact for integers, to the nearest microsecond for fractions; below a microsecond cut off."""
    factor, divisor = UNITS[unit]
    if times.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            times = np.rint(times * (factor / divisor))
        factor = divisor = 1
    whole = _whole(times, "t", -LATEST * divisor // factor, LATEST * divisor // factor, file)
    return whole * factor // divisor


def _whole(column: np.ndarray, name: str, lowest: int, highest: int, file: Path) -> np.ndarray:
    """The column as int64; `DataError` unless all its values are whole numbers from `lowest` to `highest`."""
    if column.dtype.kind not in "biuf":
        raise DataError(f"{file}: {name} is of type {column.dtype}; save it as numbers, or replace the file")
    with np.errstate(invalid="ignore"):
        wrong = ~((column >= lowest) & (column <= highest))
        if column.dtype.kind == "f":
            wrong |= column != np.rint(column)
    if wrong.any():
        k = int(wrong.argmax())
        raise DataError(
            f"{file}: event {k} has {name} = {column[k]}; the file is damaged, its columns are in another order, "
            "or its times in another unit: replace it, or set `columns` and `time_unit`"
        )
    return column.astype(np.int64)
