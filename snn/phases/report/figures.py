"""The figures. Each is a function of the results and returns a matplotlib figure, or None where it has nothing to show.

One panel a network, one colour and marker a method (`style`), shared axes so that panels can be compared, one legend
above. Written twice: SVG (text as paths, so that it looks alike everywhere; the same bytes for the same data) and PNG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from snn.files import replacing
from snn.phases.report import MECHANISMS, ROBUSTNESS, tables
from snn.phases.report.results import Panel, Results, Setting, What
from snn.phases.report.style import FAINT, GRID, INK, PAPER, look, mode_label, mode_order, network_label
from snn.statistics import Interval

THEME = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.9,
    "lines.markersize": 5.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "snn",  # else ids, and so bytes, would differ from run to run
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}
WIDTH = 9.2  # inches; the page shows a figure about that wide


def draw(name: str, results: Results) -> Figure | str | None:
    """The figure, or a line that says what it needs, or None where it has nothing to show."""
    from snn.phases.report import mechanisms, robustness  # they are made of the parts below

    home = vars(mechanisms) if name in MECHANISMS else vars(robustness) if name in ROBUSTNESS else globals()
    with plt.rc_context():
        sns.set_theme(context="paper", style="ticks", rc=THEME)
        return home[name](results)


def save(figure: Figure, path: Path) -> None:
    """`path` without its ending; writes .svg and .png, and closes the figure."""
    with plt.rc_context(THEME):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with replacing(path.with_suffix(".svg")) as temporary:
            figure.savefig(temporary, format="svg", metadata=nothing, bbox_inches="tight", pad_inches=0.06)
        with replacing(path.with_suffix(".png")) as temporary:
            figure.savefig(temporary, format="png", dpi=170, facecolor="white", bbox_inches="tight", pad_inches=0.06)
        plt.close(figure)


def empty(reason: str) -> Figure:
    """Stands where a figure has nothing to show, since the workflow expects the file."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1))
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=FAINT, fontsize=10)
    return figure


# --- the figures


def accuracy(results: Results) -> Figure | None:
    """One line a method: every seed, the mean and its interval."""
    rows = max((len(_trained(results, panel)) for panel in results.panels), default=0)
    if not rows:
        return None
    figure, grid = _grid(results, height=0.6 + 0.34 * rows, columns=2, legend=False)
    for axes, panel in _each(results, grid):
        settings = _trained(results, panel)
        for y, s in enumerate(settings):
            values = results.values(s, _main(s))
            sns.stripplot(
                x=[100 * v for v in values.values()],
                y=[y] * len(values),
                ax=axes,
                orient="h",
                native_scale=True,
                jitter=False,
                size=5,
                color=look(s.method, results.methods).colour,
                alpha=0.35,
                linewidth=0,
            )
            _point(axes, results.interval(s, _main(s)), y, s, results, horizontal=True)
        axes.set_yticks(range(len(settings)), [_name(s, results) for s in settings])
        axes.set_ylim(len(settings) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelleft=True)
        axes.set(xlabel="Test accuracy (%)", ylabel="")
    return figure


def accuracy_over_t(results: Results) -> Figure | None:
    """Trained once, evaluated at every T; a second row with recalibrated normalisation, where there is any."""
    rows = ["accuracy"]
    if any("accuracy_recalibrated" in tables.variants(results, s) for s in results.settings):
        rows.append("accuracy_recalibrated")
    panels = [
        (panel, metric)
        for metric in rows
        for panel in results.panels
        if any(metric in tables.variants(results, s) for s in results.main(panel))
    ]
    if not panels:
        return None
    titles = {"accuracy": "", "accuracy_recalibrated": ", recalibrated"}
    figure, grid = _grid(results, panels=[p for p, _ in panels], height=3.1)
    shown: dict[str, None] = {}
    for axes, (panel, metric) in zip(grid, panels, strict=False):
        ticks: set[int] = set()
        settings = [s for s in results.main(panel) if results.evaluated(s, "sweep", metric)]
        for i, s in enumerate(settings):
            # So that bars at one T stand side by side, within a tenth of T however many there are.
            shift = min(1.015, 1.1 ** (1 / len(settings))) ** (i - (len(settings) - 1) / 2)
            steps = [t for _, t in results.evaluated(s, "sweep", metric)]
            points = [(t * shift, results.interval(s, What("sweep", "clock", t, metric))) for t in steps]
            if points:
                _line(axes, points, s.method, results, bars=_has_bars(s, settings))
                shown[s.method] = None
                ticks.update(steps)
        for t in sorted({s.t_train for s in settings}):
            axes.axvline(t, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        trained = [(s.t_train, interval) for s, interval in tables.star(results, panel)]
        if len(trained) > 1 and metric == "accuracy":
            _line(axes, trained, "sdt*", results)
            shown["sdt*"] = None
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_spread(sorted(ticks))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(_title(results, panel) + titles[metric], loc="left")
        axes.set_xlabel("Time steps T at evaluation")
    _label_left(grid, "Test accuracy (%)")
    _legend(figure, shown, results)
    return figure


def clock_against_event(results: Results) -> Figure | None:
    """From the clock to events: one line a method; along the axis the clock of training, finer clocks, and events."""
    deployed = {s: [("clock", None), *results.deployed(s)] for s in results.settings if results.event_modes(s)}
    if not deployed:
        return None
    places = sorted(
        {place for found in deployed.values() for place in found}, key=lambda p: (mode_order(p[0]), p[1] or 0)
    )
    figure, grid = _grid(results, height=3.4, columns=3 if len(places) <= 3 else 2)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        settings = [s for s in results.main(panel) if s in deployed]
        for i, s in enumerate(settings):
            shift = min(0.09, 0.4 / len(settings)) * (i - (len(settings) - 1) / 2)
            whats = [What("deploy", mode, s.t_train if mode == "clock" and t is None else t) for mode, t in places]
            known = [(x + shift, what) for x, what in enumerate(whats) if results.values(s, what)]
            bars = _has_bars(s, settings)
            for seed in results.values(s, known[0][1]) if bars else ():
                values = [(x, 100 * results.values(s, what).get(seed, np.nan)) for x, what in known]
                colour = look(s.method, results.methods).colour
                axes.plot(*zip(*values, strict=True), color=colour, linewidth=0.7, alpha=0.35, zorder=1)
            _line(axes, [(x, results.interval(s, what)) for x, what in known], s.method, results, bars)
            shown[s.method] = None
        axes.set_xticks(range(len(places)), [mode_label(*place).replace(", ", "\n") for place in places])
        axes.set_xlim(-0.4, len(places) - 0.6)
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="x", labelsize=8.5 if len(places) <= 5 else 7.5)
    _label_left(grid, "Test accuracy (%)")
    _legend(figure, shown, results)
    return figure


def cost_against_accuracy(results: Results) -> Figure | None:
    """What a training cost, in time steps and in seconds, and what it reached."""
    measures = {
        "time_steps": "Time steps in training (forward and backward)",
        "seconds": "Wall time of a training (s)",
    }
    found = {
        (panel, metric): [
            (s, cost, reached)
            for s in _trained(results, panel)
            if (cost := results.interval(s, What("train", "clock", s.t_train, metric))) and cost.mean > 0
            if (reached := results.interval(s, _main(s)))
        ]
        for panel in results.panels
        for metric in measures
    }
    if not any(found.values()):
        return None
    figure, grid = _grid(results, panels=[panel for panel, _ in found], height=2.9, columns=2)
    shown: dict[str, None] = {}
    for axes, ((panel, metric), points) in zip(grid, found.items(), strict=False):
        right = 1.12 * max((cost.mean for _, cost, _ in points), default=1)
        for i, (s, cost, reached) in enumerate(points):
            shift = min(0.006, 0.03 / len(points)) * right * (i - (len(points) - 1) / 2)
            _point(axes, reached, cost.mean + shift, s, results)
            shown[s.method] = None
        axes.set_title(_title(results, panel), loc="left")
        axes.set_xlabel(measures[metric])
        axes.set_xlim(0, right)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    _label_left(grid, "Test accuracy (%)")
    _legend(figure, shown, results)
    return figure


def learning_curves(results: Results) -> Figure | None:
    """Test accuracy after each epoch; band: from the lowest to the highest seed."""
    column = next((c for c in ("test_accuracy", "val_accuracy") if c in results.history), None)
    if column is None or results.history[column].isna().all():
        return None
    label = "Test accuracy (%)" if column == "test_accuracy" else "Validation accuracy (%)"
    figure, grid = _grid(results, height=3.1)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        for s in _trained(results, panel):
            own = results.epochs(s).dropna(subset=[column])
            if own["epoch"].nunique() > 1:
                _band(axes, own.assign(x=own["epoch"], value=100 * own[column]), s, results)
                shown[s.method] = None
        axes.set(xlabel="Epoch", ylabel="")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    _label_left(grid, label)
    _legend(figure, shown, results, markers=False)
    return figure


def accuracy_over_time(results: Results) -> Figure | None:
    return _anytime(results, "accuracy_over_time", "Elapsed sensor time (ms)", 1e-3)


def accuracy_over_events(results: Results) -> Figure | None:
    return _anytime(results, "accuracy_over_events", "Events consumed (% of the recording)", 100)


def _anytime(results: Results, curve: str, label: str, scale: float) -> Figure | None:
    """An event-driven network asked at any moment; band: from the lowest to the highest seed."""
    rows = results.curves[results.curves["curve"] == curve]
    if rows.empty:
        return None
    mode = min(rows["mode"].unique(), key=mode_order)
    figure, grid = _grid(results, height=3.1)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        for s in results.main(panel):
            own = results.curve(s, mode, curve)
            if len(own):
                _band(axes, own.assign(x=scale * own["x"], value=100 * own["value"]), s, results)
                shown[s.method] = None
        axes.set(xlabel=label, ylabel="")
        axes.set_xlim(left=0)
    _label_left(grid, f"Test accuracy (%)\n{mode_label(mode).lower()}")
    _legend(figure, shown, results, markers=False)
    return figure


# --- their parts


def _grid(results: Results, height: float, panels: list[Panel] | None = None, columns: int = 3, legend: bool = True):
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


def _each(results: Results, grid: list[Axes]) -> Iterator[tuple[Axes, Panel]]:
    for axes, panel in zip(grid, results.panels, strict=False):
        yield axes, panel
        axes.set_title(_title(results, panel), loc="left")


def _title(results: Results, panel: Panel) -> str:
    several = len({p.dataset for p in results.panels}) > 1
    return network_label(panel.network) + (f", {panel.dataset}" if several else "")


def _name(s: Setting, results: Results) -> str:
    label = look(s.method, results.methods).label
    return label.replace(", matched compute", ", matched\ncompute")


def _trained(results: Results, panel: Panel) -> list[Setting]:
    """The main settings with a result; without chance, whose place at the bottom would leave no room for the rest."""
    return [s for s in results.main(panel) if s.method != "chance" and results.values(s, _main(s))]


def _main(s: Setting) -> What:
    return What("train", "clock", s.t_train)


def _label_left(grid: list[Axes], label: str) -> None:
    for axes in grid:
        axes.set_ylabel(label if axes.get_subplotspec().is_first_col() else "")


def _has_bars(s: Setting, beside: list[Setting]) -> bool:
    """Bars of all methods while there are few; else of those that the question is about, the rest in the table."""
    return len(beside) <= 5 or s.method in ("sdt", "sdt-matched", "mtt")


def _line(axes: Axes, points: list[tuple[float, Interval]], method: str, results: Results, bars: bool = True) -> None:
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
        _bars(axes, points, shape.colour)


def _point(axes: Axes, interval: Interval | None, place: float, s: Setting, results: Results, horizontal=False) -> None:
    if interval is None:
        return
    shape = look(s.method, results.methods)
    _bars(axes, [(place, interval)], shape.colour, horizontal)
    at = (100 * interval.mean, place) if horizontal else (place, 100 * interval.mean)
    axes.plot(
        *at, shape.marker, color=shape.colour, markersize=7.5, markeredgecolor=PAPER, markeredgewidth=0.8, zorder=4
    )


def _bars(axes: Axes, points: list[tuple[float, Interval]], colour: str, horizontal: bool = False) -> None:
    draw_bar = axes.hlines if horizontal else axes.vlines
    known = [(x, 100 * i.low, 100 * i.high) for x, i in points if not i.note and not np.isnan(i.low)]
    if known:
        draw_bar(*zip(*known, strict=True), color=colour, linewidth=1.3, alpha=0.75, zorder=2)


def _band(axes: Axes, rows: pd.DataFrame, s: Setting, results: Results) -> None:
    """Mean of `value` over seeds at each `x`, and the range of the seeds."""
    shape = look(s.method, results.methods)
    at = rows.groupby("x")["value"].agg(["mean", "min", "max"])
    axes.fill_between(at.index, at["min"], at["max"], color=shape.colour, alpha=0.16, linewidth=0)
    line = {"linestyle": (0, shape.dashes) if shape.dashes else "-", "legend": False}
    sns.lineplot(x=at.index.to_numpy(), y=at["mean"].to_numpy(), ax=axes, color=shape.colour, **line)


def _legend(figure: Figure, methods, results: Results, markers: bool = True) -> None:
    handles = []
    for method in methods:
        shape = look(method, results.methods)
        line = {"color": shape.colour, "linestyle": (0, shape.dashes) if shape.dashes else "-"}
        marker = {"marker": shape.marker if markers else "", "markeredgecolor": PAPER, "markeredgewidth": 0.6}
        handles.append(Line2D([], [], label=shape.label, **line, **marker))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles) if len(handles) <= 5 else 4, handlelength=2.6
    )


def _spread(ticks: list[int]) -> list[int]:
    """Of ticks on a logarithmic axis those that have room for their numbers."""
    kept: list[int] = []
    for tick in ticks:
        if not kept or tick >= 1.22 * kept[-1]:
            kept.append(tick)
    return kept


def _short(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {letter}"
    return f"{value:g}"
