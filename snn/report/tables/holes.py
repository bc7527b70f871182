"""The table of what is missing: cells that gave no numbers, and why."""

from __future__ import annotations

from snn.report.results import Results
from snn.report.tables.builder import Table


def holes(results: Results) -> Table:
    view = results.holes.rename(columns=str.capitalize).rename(columns={"T_train": "T"}).astype(str)
    return Table("holes", results.holes, view)
