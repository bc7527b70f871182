"""The figures. Each is a function of the results and returns a matplotlib figure, or None where it has nothing to show.

One panel a network, one colour and marker a method (`style`), shared axes so that panels can be compared, one legend
above. Written twice: SVG (text as paths, so that it looks alike everywhere; the same bytes for the same data) and PNG.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from snn.report import MECHANISMS, ROBUSTNESS, mechanisms, parts, robustness, tables
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import FAINT, GRID, INK, PAPER, look, mode_label, mode_order
from snn.runtime.files import replacing
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


def draw(name: str, results: Results) -> Figure | str | None:
    """The figure, or a line that says what it needs, or None where it has nothing to show."""
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
    figure, axes = plt.subplots(figsize=(parts.WIDTH, 1))
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=FAINT, fontsize=10)
    return figure


# --- the figures


def accuracy(results: Results) -> Figure | None:
    """One line a method: every seed, the mean and its interval."""
    rows = max((len(_trained(results, panel)) for panel in results.panels), default=0)
    if not rows:
        return None
    figure, grid = parts.grid(results, height=0.6 + 0.34 * rows, columns=2, legend=False)
    for axes, panel in _each(results, grid):
        settings = _trained(results, panel)
        for y, s in enumerate(settings):
            values = results.values(s, parts.main(s))
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
            _point(axes, results.interval(s, parts.main(s)), y, s, results, horizontal=True)
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
    figure, grid = parts.grid(results, panels=[p for p, _ in panels], height=3.1)
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
                parts.line(axes, points, s.method, results, bars=parts.has_bars(s, settings))
                shown[s.method] = None
                ticks.update(steps)
        for t in sorted({s.t_train for s in settings}):
            axes.axvline(t, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        trained = [(s.t_train, interval) for s, interval in tables.star(results, panel)]
        if len(trained) > 1 and metric == "accuracy":
            parts.line(axes, trained, "sdt*", results)
            shown["sdt*"] = None
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(parts.spread(sorted(ticks))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(parts.title(results, panel) + titles[metric], loc="left")
        axes.set_xlabel("Time steps T at evaluation")
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
    return figure


def clock_against_event(results: Results) -> Figure | None:
    """From the clock to events: one line a method; along the axis the clock of training, finer clocks, and events."""
    deployed = {s: [("clock", None), *results.deployed(s)] for s in results.settings if results.event_modes(s)}
    if not deployed:
        return None
    places = sorted(
        {place for found in deployed.values() for place in found}, key=lambda p: (mode_order(p[0]), p[1] or 0)
    )
    figure, grid = parts.grid(results, height=3.4, columns=3 if len(places) <= 3 else 2)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        settings = [s for s in results.main(panel) if s in deployed]
        for i, s in enumerate(settings):
            shift = min(0.09, 0.4 / len(settings)) * (i - (len(settings) - 1) / 2)
            whats = [What("deploy", mode, s.t_train if mode == "clock" and t is None else t) for mode, t in places]
            known = [(x + shift, what) for x, what in enumerate(whats) if results.values(s, what)]
            bars = parts.has_bars(s, settings)
            for seed in results.values(s, known[0][1]) if bars else ():
                values = [(x, 100 * results.values(s, what).get(seed, np.nan)) for x, what in known]
                colour = look(s.method, results.methods).colour
                axes.plot(*zip(*values, strict=True), color=colour, linewidth=0.7, alpha=0.35, zorder=1)
            parts.line(axes, [(x, results.interval(s, what)) for x, what in known], s.method, results, bars)
            shown[s.method] = None
        axes.set_xticks(range(len(places)), [mode_label(*place).replace(", ", "\n") for place in places])
        axes.set_xlim(-0.4, len(places) - 0.6)
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="x", labelsize=8.5 if len(places) <= 5 else 7.5)
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
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
            if (reached := results.interval(s, parts.main(s)))
        ]
        for panel in results.panels
        for metric in measures
    }
    if not any(found.values()):
        return None
    figure, grid = parts.grid(results, panels=[panel for panel, _ in found], height=2.9, columns=2)
    shown: dict[str, None] = {}
    for axes, ((panel, metric), points) in zip(grid, found.items(), strict=False):
        right = 1.12 * max((cost.mean for _, cost, _ in points), default=1)
        for i, (s, cost, reached) in enumerate(points):
            shift = min(0.006, 0.03 / len(points)) * right * (i - (len(points) - 1) / 2)
            _point(axes, reached, cost.mean + shift, s, results)
            shown[s.method] = None
        axes.set_title(parts.title(results, panel), loc="left")
        axes.set_xlabel(measures[metric])
        axes.set_xlim(0, right)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
    return figure


def learning_curves(results: Results) -> Figure | None:
    """Test accuracy after each epoch; band: from the lowest to the highest seed."""
    column = next((c for c in ("test_accuracy", "val_accuracy") if c in results.history), None)
    if column is None or results.history[column].isna().all():
        return None
    label = "Test accuracy (%)" if column == "test_accuracy" else "Validation accuracy (%)"
    figure, grid = parts.grid(results, height=3.1)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        for s in _trained(results, panel):
            own = results.epochs(s).dropna(subset=[column])
            if own["epoch"].nunique() > 1:
                parts.band(axes, own.assign(x=own["epoch"], value=100 * own[column]), s, results)
                shown[s.method] = None
        axes.set(xlabel="Epoch", ylabel="")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    parts.label_left(grid, label)
    parts.legend(figure, shown, results, markers=False)
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
    figure, grid = parts.grid(results, height=3.1)
    shown: dict[str, None] = {}
    for axes, panel in _each(results, grid):
        for s in results.main(panel):
            own = results.curve(s, mode, curve)
            if len(own):
                parts.band(axes, own.assign(x=scale * own["x"], value=100 * own["value"]), s, results)
                shown[s.method] = None
        axes.set(xlabel=label, ylabel="")
        axes.set_xlim(left=0)
    parts.label_left(grid, f"Test accuracy (%)\n{mode_label(mode).lower()}")
    parts.legend(figure, shown, results, markers=False)
    return figure


# --- their parts


def _each(results: Results, grid: list[Axes]) -> Iterator[tuple[Axes, Panel]]:
    for axes, panel in zip(grid, results.panels, strict=False):
        yield axes, panel
        axes.set_title(parts.title(results, panel), loc="left")


def _name(s: Setting, results: Results) -> str:
    label = look(s.method, results.methods).label
    return label.replace(", matched compute", ", matched\ncompute")


def _trained(results: Results, panel: Panel) -> list[Setting]:
    """The main settings with a result; without chance, whose place at the bottom would leave no room for the rest."""
    return [s for s in results.main(panel) if s.method != "chance" and results.values(s, parts.main(s))]


def _point(axes: Axes, interval: Interval | None, place: float, s: Setting, results: Results, horizontal=False) -> None:
    if interval is None:
        return
    shape = look(s.method, results.methods)
    parts.whiskers(axes, [(place, interval)], shape.colour, horizontal)
    at = (100 * interval.mean, place) if horizontal else (place, 100 * interval.mean)
    axes.plot(
        *at, shape.marker, color=shape.colour, markersize=7.5, markeredgecolor=PAPER, markeredgewidth=0.8, zorder=4
    )


def _short(value: float) -> str:
    """A tick is a round number: without the digits to which `text.short` fills up (`50 k`, not `50.0 k`)."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {letter}"
    return f"{value:g}"
