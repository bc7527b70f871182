"""What the figures are made of, so that all of them look and count alike.

A figure has one panel a network (`grid`, `title`), one line a method (`line`, `band`), and the methods' names beside
their lines (`label_methods`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from snn.report.figures import direct_labels, near_labels
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import FAINT, PAPER, Look, look, network_label, short_label
from snn.statistics import Interval, mean_interval

WIDTH = 7.0  # inches: the text of a page of two columns
COLUMN_WIDTH = 3.5  # inches: one of its columns
PERCENT = (0.0, 100.0)
POSITIVE = (0.0, np.inf)


class Point(NamedTuple):
    """What is drawn at one place of the x axis: an interval (None: nothing), and each seed by itself."""

    x: float
    interval: Interval | None
    each: Sequence[float] = ()


def grid(
    results: Results,
    height: float,
    panels: Sequence[Panel] | None = None,
    columns: int = 2,
    shared_y: bool = True,
    shared_x: bool | Literal["col"] = False,
) -> tuple[Figure, list[Axes]]:
    """A figure with one axes a panel (by default those that are compared), `height` inches each; the rest are hidden.

    It fits the text's width, and with one panel a column of it."""
    count = len(results.compared if panels is None else panels)
    columns = min(max(count, 1), columns)
    rows = max(1, math.ceil(count / columns))
    width = WIDTH if columns > 1 else COLUMN_WIDTH
    figure = plt.figure(figsize=(width, rows * height), layout=layout())
    axes = list(figure.subplots(rows, columns, sharex=shared_x, sharey=shared_y, squeeze=False).flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    for lowest in axes[max(0, count - columns) : count]:  # also above an unused one
        lowest.tick_params(labelbottom=True)
    return figure, axes


def layout() -> ConstrainedLayoutEngine:
    """The space around panels."""
    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, wspace=0.03, hspace=0.05)


def titled(results: Results, grid: Sequence[Axes], panels: Sequence[Panel]) -> Iterator[tuple[Axes, Panel]]:
    """Each panel with its axes; the title is set after the loop's body, so that it outlives what that draws."""
    for axes, panel in zip(grid, panels, strict=False):
        yield axes, panel
        axes.set_title(title(results, panel), loc="left")


def title(results: Results, panel: Panel) -> str:
    """Of a panel: its network, and its data set where there are several."""
    several = len({p.dataset for p in results.panels}) > 1
    return network_label(panel.network) + (f", {panel.dataset}" if several else "")


def label_left(grid: Iterable[Axes], label: str) -> None:
    """`label` on the y axes of the first column only, since panels share it."""
    for axes in grid:
        place = axes.get_subplotspec()
        axes.set_ylabel(label if place and place.is_first_col() else "")


def shifts(count: int, step: float, span: float) -> list[float]:
    """Offsets around zero for points that share a place: `step` apart, but within `span` in all."""
    step = min(step, span / max(count, 1))
    return [step * (i - (count - 1) / 2) for i in range(count)]


def line(axes: Axes, points: Sequence[Point], method: str, results: Results, scale: float = 100) -> None:
    """Means joined by a line, every seed as a pale dot, and the intervals; scale: to the y axis's unit, percent."""
    means = [(point.x, scale * point.interval.mean) for point in points if point.interval is not None]
    shape, name = look(method, results.methods), short_label(method, results.methods)
    axes.plot(
        [x for x, _ in means], [y for _, y in means], color=shape.colour, marker=shape.marker,
        linestyle=shape.linestyle, markeredgecolor=PAPER, markeredgewidth=0.5, zorder=3, label=name,
    )  # fmt: skip
    dots(axes, points, shape.colour, series=name, scale=scale)
    whiskers(axes, points, shape.colour, series=name, scale=scale)


def point(results: Results, s: Setting, quantity: Quantity, x: float) -> Point:
    """A quantity of a setting at a place: its interval and its seeds."""
    return Point(x, results.interval(s, quantity), list(results.values(s, quantity).values()))


def dots(
    axes: Axes, points: Sequence[Point], colour: str, horizontal: bool = False, series: str = "", scale: float = 100
) -> None:
    """Every seed by itself: an interval of few seeds says little where one training in five fails."""
    places = [point.x for point in points for _ in point.each]
    values = [scale * value for point in points for value in point.each]
    x, y = (values, places) if horizontal else (places, values)
    seeds(axes, x, y, colour, series)


def seeds(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str, series: str) -> None:
    """A small dot for each seed's value."""
    axes.plot(
        x, y, "o", color=colour, markersize=2.6, markeredgecolor=PAPER, markeredgewidth=0.4, alpha=0.55, zorder=2.5,
        label=f"_seed/{series}",
    )  # fmt: skip


def whiskers(
    axes: Axes, points: Sequence[Point], colour: str, horizontal: bool = False, series: str = "", scale: float = 100
) -> None:
    """The intervals at their places; those of too few seeds are not drawn."""
    drawn = [(x, i) for x, i, _ in points if i is not None and not i.note and not np.isnan(i.low)]
    places, low, high = [x for x, _ in drawn], [scale * i.low for _, i in drawn], [scale * i.high for _, i in drawn]
    draw_bar = axes.hlines if horizontal else axes.vlines
    draw_bar(places, low, high, color=colour, linewidth=0.9, alpha=0.6, zorder=2, label=f"_interval/{series}")


def band(
    axes: Axes,
    rows: pd.DataFrame,
    method: str,
    results: Results,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    logarithmic: bool = False,
    markers: bool = False,
) -> None:
    """`over_seeds` of a method in its own colour, named beside its line; markers: at each `x`, where these are few."""
    shape, name = look(method, results.methods), short_label(method, results.methods)
    over_seeds(axes, rows, shape if markers else shape._replace(marker=""), name, bounds, logarithmic)


def over_seeds(
    axes: Axes,
    rows: pd.DataFrame,
    shape: Look,
    name: str,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    logarithmic: bool = False,
) -> None:
    """The mean of `value` over seeds at each `x` as a line; from three seeds on with its pointwise 95 % interval as a
    band, below that with every seed as a point.

    rows: columns seed, x, value; of several rows of a seed at one x the mean. bounds: of the quantity, which no
    interval leaves. logarithmic: geometric mean and interval of the logarithms, for a logarithmic y axis.
    """
    at = pointwise(rows, bounds, logarithmic)
    known = at["low"].notna().to_numpy()
    if known.any():
        axes.fill_between(
            at.index, at["low"], at["high"], where=known.tolist(), color=shape.colour, alpha=0.16, linewidth=0,
            label=f"_band/{name}",
        )  # fmt: skip
    few = rows[~rows["x"].isin(at.index[known])].groupby(["x", "seed"], as_index=False)["value"].mean()
    seeds(axes, few["x"].tolist(), few["value"].tolist(), shape.colour, name)
    axes.plot(
        at.index.to_numpy(), at["mean"].to_numpy(), color=shape.colour, linestyle=shape.linestyle, marker=shape.marker,
        markeredgecolor=PAPER, markeredgewidth=0.5, zorder=3, label=name,
    )  # fmt: skip


def pointwise(
    rows: pd.DataFrame, bounds: tuple[float, float] = (-np.inf, np.inf), logarithmic: bool = False
) -> pd.DataFrame:
    """x -> mean, low, high of the 95 % interval over seeds (Student's t); nan where there are too few seeds, and of a
    geometric mean of which a value is zero.

    Arguments as for `over_seeds`.
    """
    found = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for x, values in rows.groupby(["x", "seed"])["value"].mean().groupby(level="x"):
            interval = mean_interval(np.log(values) if logarithmic else values, bounds=bounds)
            found[x] = [interval.mean, interval.low, interval.high]
    at = pd.DataFrame.from_dict(found, orient="index", columns=["mean", "low", "high"])
    return np.exp(at) if logarithmic else at


def mark_training_steps(axes: Axes, settings: Iterable[Setting]) -> None:
    """A dotted vertical line at each T of training."""
    for t in sorted({s.t_train for s in settings}):
        axes.axvline(t, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)


def logarithmic(axes: Axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5 of each decade."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def steps_axis(axes: Axes, steps: Iterable[int], label: str) -> None:
    """A logarithmic x axis of time steps, with a number where there is room for one."""
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(FixedLocator(_spread(sorted(set(steps)))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _spread(ticks: Sequence[int]) -> list[float]:
    """Of ticks on a logarithmic axis those that have room for their numbers."""
    shown: list[float] = []
    for tick in ticks:
        if not shown or tick >= 1.22 * shown[-1]:
            shown.append(tick)
    return shown


def label_methods(figure: Figure) -> None:
    """The names of the methods beside their lines; to be called last, when the panels have their limits."""
    figure.draw_without_rendering()  # the layout decides how many names fit below each other
    for axes in figure.axes:
        direct_labels.add(axes, _named_ends(axes))


def label_points(figure: Figure) -> None:
    """The same where a method is one point, with its name beside it."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        near_labels.add(axes, _named_ends(axes))


def _named_ends(axes: Axes) -> list[direct_labels.Label]:
    named = [drawn for drawn in axes.get_lines() if not str(drawn.get_label()).startswith("_")]
    ends = [(drawn, *places[-1]) for drawn in named if len(places := np.asarray(drawn.get_xydata(), float))]
    return [direct_labels.Label(str(drawn.get_label()), x, y, str(drawn.get_color())) for drawn, x, y in ends]
