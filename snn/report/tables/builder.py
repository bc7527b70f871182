"""A table is the same numbers twice, built row by row: tidy with full precision, and as people read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from snn.report import text
from snn.report.results import Quantity, Results, Setting
from snn.report.style import method_label, network_label
from snn.statistics import Interval

TIDY = ["dataset", "network", "method", "t_train", "phase", "mode", "t_eval", "quantity"]
TIDY += ["mean", "low", "high", "n_seeds", "n_samples", "note"]


class Table(NamedTuple):
    """The same numbers twice: `data` with full precision for the CSV file, `view` as people read them."""

    name: str
    data: pd.DataFrame
    view: pd.DataFrame


class Builder:
    """Collects both forms of a table row by row."""

    def __init__(self, name: str):
        self.name = name
        self._data: list[dict[str, Any]] = []
        self._view: list[dict[str, str]] = []

    def number(self, s: Setting, quantity: Quantity, interval: Interval | None, **more: Any) -> Interval | None:
        """Note a number for the CSV file, and hand it back to be written into the view."""
        if interval is not None:
            where = {"phase": quantity.phase, "mode": quantity.mode, "t_eval": "" if quantity.t is None else quantity.t}
            self._data.append(s._asdict() | where | {"quantity": quantity.metric} | vars(interval) | more)
        return interval

    def result(self, results: Results, s: Setting, quantity: Quantity) -> Interval | None:
        """`number` of a quantity as it was collected."""
        return self.number(s, quantity, results.interval(s, quantity))

    def line(self, s: Setting, cells: dict[str, str]) -> None:
        """A row of the view: the setting, then `cells` by column."""
        head = {"Data": s.dataset, "Network": network_label(s.network), "Method": method_label(s.method)}
        self._view.append(head | cells)

    def table(self) -> Table:
        """What was collected; columns that `number` was given beyond `TIDY` come last."""
        view = pd.DataFrame(self._view).fillna(text.NONE)
        if "Data" in view and view["Data"].nunique() == 1:
            view = view.drop(columns="Data")  # the page's head names it
        more = [column for row in self._data for column in row if column not in TIDY]
        return Table(self.name, pd.DataFrame(self._data, columns=[*TIDY, *dict.fromkeys(more)]), view)
