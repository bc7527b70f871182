"""`.csv` and `.txt` files: an event a line, its numbers separated by commas, semicolons or spaces.

The first line may name the columns; otherwise `columns` must say their order. Lines that begin with `#` are skipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn.data.event_files.columns import Table, by_name, by_order
from snn.errors import DataError


def read(file: Path, table: Table) -> np.ndarray:
    """The `EVENT` records of a file; `DataError` where a line is no event."""
    with open(file, encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = next((d for d in ",;" if d in first), None)
    names = [token.strip() for token in first.split(delimiter)]
    named = not all(map(_number, names))
    try:
        matrix = _matrix(file, delimiter, skip_names=named)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: no table of numbers ({reason}); replace it by an intact copy") from None
    if not named:
        return by_order(matrix, table, file)
    if len(names) != matrix.shape[1] or len(set(names)) != len(names):
        raise DataError(f"{file}: {len(names)} names of {matrix.shape[1]} columns; replace it by an intact copy")
    return by_name(dict(zip(names, matrix.T, strict=True)), table, file)


def _number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _matrix(file: Path, delimiter: str | None, skip_names: bool) -> np.ndarray:
    """All numbers [lines, columns]: int64, or float64 where one has a fraction."""
    with open(file, encoding="utf-8-sig") as lines:  # spreadsheets begin with a mark of the encoding
        rows = (line for line in lines if line.strip() and not line.startswith("#"))
        if skip_names:
            next(rows)
        texts = list(rows)
    if not texts:
        raise ValueError("no lines of events")
    for dtype in (np.int64, np.float64):  # times in nanoseconds have more digits than a float64
        try:
            return np.loadtxt(texts, dtype, delimiter=delimiter, comments=None, ndmin=2)
        except ValueError:
            if dtype is np.float64:
                raise
    raise AssertionError
