"""What the figures and tables are made of, so that all of them look and count alike.

A figure has one panel a network (`grid`, `title`), one line a method (`line`, `band`) and one legend; a table is built
row by row, for the CSV file and for readers at once (`Builder`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from snn.report import text
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import PAPER, look, method_label, network_label
from snn.statistics import Interval

WIDTH = 9.2  # inches; the page shows a figure about that wide
TIDY = ["dataset", "network", "method", "t_train", "phase", "mode", "t_eval", "quantity"]
TIDY += ["mean", "low", "high", "n_seeds", "n_samples", "note"]


class Table(NamedTuple):
    """The same numbers twice: `data` with full precision, `view` as people read them."""

    name: str
    data: pd.DataFrame
    view: pd.DataFrame


class Builder:
    """Collects both forms of a table row by row."""

    def __init__(self, name: str):
        self.name, self._data, self._view = name, [], []

    def tidy(self, s: Setting, what: What, interval: Interval | None, **more) -> Interval | None:
        """Note a number for the CSV file, and hand it back to be written into the view."""
        if interval is not None:
            row = {**s._asdict(), "phase": what.phase, "mode": what.mode, "t_eval": "" if what.t is None else what.t}
            self._data.append(row | {"quantity": what.metric} | vars(interval) | more)
        return interval

    def line(self, s: Setting, **cells: str) -> None:
        """A row of the view: the setting, then `cells` by column."""
        head = {"Data": s.dataset, "Network": network_label(s.network), "Method": method_label(s.method)}
        self._view.append(head | cells)

    def table(self) -> Table:
        """What was collected; columns that `tidy` was given beyond `TIDY` come last."""
        view = pd.DataFrame(self._view).fillna(text.NONE)
        if "Data" in view and view["Data"].nunique() == 1:
            view = view.drop(columns="Data")  # the page's head names it
        more = [column for row in self._data for column in row if column not in TIDY]
        return Table(self.name, pd.DataFrame(self._data, columns=[*TIDY, *dict.fromkeys(more)]), view)


def grid(results: Results, height: float, panels: list[Panel] | None = None, columns: int = 3, legend: bool = True):
    """A figure with one axes a panel, `height` inches each, room for a legend above; (figure, list of axes)."""
    panels = results.panels if panels is None else panels
    columns = min(max(len(panels), 1), columns)
    if len(panels) == 4:
        columns = 2
    rows = max(1, math.ceil(len(panels) / columns))
    width = WIDTH if columns > 1 else 0.72 * WIDTH
    figure, grid = plt.subplots(
        rows, columns, figsize=(width, rows * height), sharey=legend, squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.03, hspace=0.05)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    return figure, list(grid.flat)


def title(results: Results, panel: Panel) -> str:
    """Of a panel: its network, and its data set where there are several."""
    several = len({p.dataset for p in results.panels}) > 1
    return network_label(panel.network) + (f", {panel.dataset}" if several else "")


def main(s: Setting) -> What:
    """The main result: clock-driven at the T of training, last epoch."""
    return What("train", "clock", s.t_train)


def label_left(grid: list[Axes], label: str) -> None:
    """`label` on the y axes of the first column only, since panels share it."""
    for axes in grid:
        axes.set_ylabel(label if axes.get_subplotspec().is_first_col() else "")


def has_bars(s: Setting, beside: list[Setting]) -> bool:
    """Bars of all methods while there are few; else of those that the question is about, the rest in the table."""
    return len(beside) <= 5 or s.method in ("sdt", "sdt-matched", "mtt")


def line(axes: Axes, points: list[tuple[float, Interval]], method: str, results: Results, bars: bool = True) -> None:
    """Means joined by a line, with their intervals as bars; an interval of too few seeds is not drawn."""
    shape = look(method, results.methods)
    x, y = [x for x, _ in points], [100 * i.mean for _, i in points]
    sns.lineplot(
        x=x,
        y=y,
        ax=axes,
        color=shape.colour,
        marker=shape.marker,
        dashes=False,
        linestyle=(0, shape.dashes) if shape.dashes else "-",
        errorbar=None,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        legend=False,
        linewidth=1.9 if bars else 1.2,
        zorder=3 if bars else 2,
    )
    if bars:
        whiskers(axes, points, shape.colour)


def whiskers(axes: Axes, points: list[tuple[float, Interval]], colour: str, horizontal: bool = False) -> None:
    """The intervals at their places; those of too few seeds are not drawn."""
    draw_bar = axes.hlines if horizontal else axes.vlines
    known = [(x, 100 * i.low, 100 * i.high) for x, i in points if not i.note and not np.isnan(i.low)]
    if known:
        draw_bar(*zip(*known, strict=True), color=colour, linewidth=1.3, alpha=0.75, zorder=2)


def band(axes: Axes, rows: pd.DataFrame, s: Setting, results: Results) -> None:
    """Mean of `value` over seeds at each `x`, and the range of the seeds."""
    shape = look(s.method, results.methods)
    at = rows.groupby("x")["value"].agg(["mean", "min", "max"])
    axes.fill_between(at.index, at["min"], at["max"], color=shape.colour, alpha=0.16, linewidth=0)
    line = {"linestyle": (0, shape.dashes) if shape.dashes else "-", "legend": False}
    sns.lineplot(x=at.index.to_numpy(), y=at["mean"].to_numpy(), ax=axes, color=shape.colour, **line)


def legend(figure: Figure, methods: Iterable[str], results: Results, markers: bool = True) -> None:
    """One legend above the panels, `methods` in the order drawn."""
    handles = []
    for method in methods:
        shape = look(method, results.methods)
        line = {"color": shape.colour, "linestyle": (0, shape.dashes) if shape.dashes else "-"}
        marker = {"marker": shape.marker if markers else "", "markeredgecolor": PAPER, "markeredgewidth": 0.6}
        handles.append(Line2D([], [], label=shape.label, **line, **marker))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles) if len(handles) <= 5 else 4, handlelength=2.6
    )


def spread(ticks: list[int]) -> list[int]:
    """Of ticks on a logarithmic axis those that have room for their numbers."""
    kept: list[int] = []
    for tick in ticks:
        if not kept or tick >= 1.22 * kept[-1]:
            kept.append(tick)
    return kept
