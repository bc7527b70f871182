"""The figures about event-driven inference."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snn.report.figures import panels
from snn.report.results import Quantity, Results
from snn.report.style import FAINT, mode_label, mode_order

NOT_DEPLOYED = "needs results of the phase deploy"


def clock_vs_event(results: Results) -> Figure | str:
    """Accuracy clock-driven at the T of training, at larger T, and in each event-driven mode; one line a method."""
    deployed = {s: [("clock", None), *results.deployed(s)] for s in results.settings if results.event_modes(s)}
    if not deployed:
        return NOT_DEPLOYED
    modes = sorted({mode for of_s in deployed.values() for mode in of_s}, key=lambda p: (mode_order(p[0]), p[1] or 0))
    figure, grid = panels.grid(results, height=2.9)
    for axes, panel in panels.titled(results, grid, results.compared):
        settings = [s for s in results.main_settings(panel) if s in deployed]
        for s, shift in zip(settings, panels.shifts(len(settings), 0.09, 0.4), strict=True):
            places = {
                x + shift: Quantity("deploy", mode, s.t_train if mode == "clock" and t is None else t)
                for x, (mode, t) in enumerate(modes)
            }
            places = {x: quantity for x, quantity in places.items() if results.values(s, quantity)}
            points = [panels.point(results, s, quantity, x) for x, quantity in places.items()]
            panels.line(axes, points, s.method, results)
        _label_modes(axes, modes)
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def _label_modes(axes: Axes, modes: Sequence[tuple[str, int | None]]) -> None:
    """One place a mode on the x axis, clock-driven ones at the left; under them the name of each group."""
    clocks = sum(mode.startswith("clock") for mode, _ in modes)
    names, upright = [_tick_label(mode, t) for mode, t in modes], len(modes) > 4
    axes.set_xticks(range(len(modes)), names, rotation=90 if upright else 0)
    axes.set_xlim(-0.4, len(modes) - 0.6)
    axes.axvline(clocks - 0.5, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.grid(axis="x", visible=False)
    axes.tick_params(axis="x", labelsize=7)
    for name, centre in (("clock-driven", (clocks - 1) / 2), ("event-driven", (clocks + len(modes) - 1) / 2)):
        axes.annotate(
            name,
            (centre, 0),
            (0, -58 if upright else -19),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="top",
        )


def _tick_label(mode: str, t: int | None) -> str:
    if mode == "clock":
        return f"T = {t}" if t else "T of training"
    if mode == "clock-events":
        return "one event a step"
    return mode_label(mode).removeprefix("Event-driven, ").replace("-first", "")


def accuracy_over_time(results: Results) -> Figure | str:
    return _anytime(results, "accuracy_over_time", "Elapsed sensor time (ms)", 1e-3)


def accuracy_over_events(results: Results) -> Figure | str:
    return _anytime(results, "accuracy_over_events", "Events consumed (% of the recording)", 100)


def _anytime(results: Results, curve: str, label: str, scale: float) -> Figure | str:
    """Accuracy of an event-driven network that is read out before the recording ends; band: pointwise interval
    over seeds."""
    rows = results.curves[results.curves["curve"] == curve]
    if rows.empty:
        return NOT_DEPLOYED
    mode = min(rows["mode"].unique(), key=mode_order)
    figure, grid = panels.grid(results, height=2.7)
    for axes, panel in panels.titled(results, grid, results.compared):
        for s in results.main_settings(panel):
            points = results.curve(s, mode, curve)
            if len(points):
                points = points.assign(x=scale * points["x"], value=100 * points["value"])
                panels.band(axes, points, s.method, results, panels.PERCENT)
        axes.set(xlabel=label, ylabel="")
        axes.set_xlim(left=0)
    panels.label_left(grid, f"Test accuracy (%)\n{mode_label(mode).lower()}")
    panels.label_methods(figure)
    return figure
