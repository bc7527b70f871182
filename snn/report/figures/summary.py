"""The one picture of the answer: what each method loses with fewer time steps, and what it loses event-driven."""

from __future__ import annotations

from matplotlib.figure import Figure

from snn.report import quantities
from snn.report.figures import panels
from snn.report.results import Panel, Results, Setting
from snn.report.style import FAINT, PAPER, look, short_label
from snn.statistics import Paired


def kept_accuracy(results: Results) -> Figure | str:
    """x: mean accuracy change at T below training; y: accuracy change event-driven; one point a method."""
    changes = {panel: _changes(results, panel) for panel in results.networks}
    changes = {panel: of_panel for panel, of_panel in changes.items() if of_panel}
    changes = {panel: of_panel for panel, of_panel in changes.items() if len(of_panel) > 1} or changes
    if not changes:
        return "needs results of the phases sweep and deploy"
    figure, grid = panels.grid(results, height=2.7, panels=list(changes), shared_x=True)
    for axes, panel in panels.titled(results, grid, list(changes)):
        axes.axhline(0, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        axes.axvline(0, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        for s, (over_t, event_driven) in changes[panel].items():
            shape, name = look(s.method, results.methods), short_label(s.method, results.methods)
            x, y = 100 * over_t.mean, 100 * event_driven.mean
            axes.plot(
                x, y, shape.marker, color=shape.colour, markersize=6, markeredgecolor=PAPER, markeredgewidth=0.6,
                zorder=3, label=name,
            )  # fmt: skip
            if not over_t.note:
                axes.hlines(y, 100 * over_t.low, 100 * over_t.high, color=shape.colour, linewidth=0.9,
                            alpha=0.6, label=f"_interval/{name}")  # fmt: skip
            if not event_driven.note:
                axes.vlines(x, 100 * event_driven.low, 100 * event_driven.high, color=shape.colour, linewidth=0.9,
                            alpha=0.6, label=f"_interval/{name}")  # fmt: skip
        axes.set_xlabel("Accuracy change with fewer time steps (points)")
    panels.label_left(grid, "Accuracy change\nevent-driven (points)")
    panels.label_points(figure)
    return figure


def _changes(results: Results, panel: Panel) -> dict[Setting, tuple[Paired, Paired]]:
    """Setting -> accuracy change at fewer time steps, and event-driven; those that have both."""
    changes = {}
    for s in results.main_settings(panel):
        steps, modes = quantities.common_steps_below_training(results, [s]), results.event_modes(s)
        if steps and modes:
            over_t = results.contrast(quantities.change_over_t(s, steps))
            event_driven = results.contrast(quantities.event_driven_change(s, modes[0]))
            if over_t and event_driven:
                changes[s] = over_t, event_driven
    return changes
