"""The figures of the phase `robustness`: the trained networks on simulated chips, and learning on them."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from snn.report.figures import panels
from snn.report.results import Quantity, Results
from snn.report.simulated_chips import (
    NON_IDEALITIES,
    OVER_EPOCHS,
    OVER_LEVEL,
    PHASE,
    ChipInterval,
    by_epoch,
    by_level,
    each,
    learning_levels,
    mode_of,
    strongest,
)
from snn.report.style import look
from snn.statistics import TOO_FEW


def mismatch(results: Results) -> Figure | str:
    return _over_level(results, "mismatch")


def bits(results: Results) -> Figure | str:
    return _over_level(results, "bits")


def noise(results: Results) -> Figure | str:
    return _over_level(results, "noise")


def dead_neurons(results: Results) -> Figure | str:
    return _over_level(results, "dead_fraction")


def _over_level(results: Results, kind: str) -> Figure | str:
    """Accuracy against level, one line a method; leftmost the unperturbed network."""
    accuracies = {s: by_level(results, s, kind) for s in results.settings}
    levels = sorted({level for of_s in accuracies.values() for level in of_s})
    if not levels:
        return "needs results of the phase robustness (`robustness.seeds`)"
    if not NON_IDEALITIES[kind].larger_is_worse:
        levels.reverse()
    shown = [p for p in results.compared if any(accuracies[s] for s in results.main_settings(p))]
    figure, grid = panels.grid(results, height=2.6, panels=shown)
    for axes, panel in panels.titled(results, grid, shown):
        settings = [s for s in results.main_settings(panel) if accuracies[s]]
        for s, shift in zip(settings, panels.shifts(len(settings), 0.05, 0.3), strict=True):
            dots = each(results, s, kind, OVER_LEVEL)
            points = [panels.point(results, s, Quantity(PHASE, "clock", s.t_train), shift)]
            points += [
                panels.Point(x + shift, _over_seeds(accuracies[s][level]), dots[level])
                for x, level in enumerate(levels, 1)
                if level in accuracies[s]
            ]
            panels.line(axes, points, s.method, results)
        names = [f"{100 * level:g}" if kind == "dead_fraction" else f"{level:g}" for level in levels]
        axes.set_xticks(range(len(levels) + 1), ["float" if kind == "bits" else "none", *names])
        axes.set_xlabel(NON_IDEALITIES[kind].axis)
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def on_chip_learning(results: Results) -> Figure | str:
    """Accuracy after k epochs of learning on the chip, at the strongest level of each kind; dotted: the unperturbed
    network."""
    shown = [
        (panel, kind)
        for panel in results.compared
        for kind in NON_IDEALITIES
        if any(learning_levels(results, s, kind) for s in results.main_settings(panel))
    ]
    if not shown:
        return "needs networks that learn on simulated chips (`robustness.recovery`)"
    figure, grid = panels.grid(results, height=2.4, panels=[p for p, _ in shown])
    for axes, (panel, kind) in zip(grid, shown, strict=False):
        settings = [s for s in results.main_settings(panel) if learning_levels(results, s, kind)]
        level = strongest(kind, (x for s in settings for x in learning_levels(results, s, kind)))
        for s, shift in zip(settings, panels.shifts(len(settings), 0.12, 0.4), strict=True):
            mode = mode_of(kind, level)
            dots = each(results, s, mode, OVER_EPOCHS)
            points = [panels.Point(k + shift, _over_seeds(i), dots[k]) for k, i in by_epoch(results, s, mode).items()]
            panels.line(axes, points, s.method, results)
            control = by_epoch(results, s, "clock")
            axes.plot(
                list(control),
                [100 * interval.mean for interval in control.values()],
                color=look(s.method, results.methods).colour,
                linewidth=1,
                linestyle=(0, (1, 1.5)),
                zorder=1,
            )
        axes.set_title(f"{panels.title(results, panel)}\n{NON_IDEALITIES[kind].level_label(level)}", loc="left")
        axes.xaxis.set_major_locator(FixedLocator(range(20)))
        axes.set_xlabel("Epochs on the chip")
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def _over_seeds(interval: ChipInterval) -> ChipInterval:
    """The interval, but none where it is over the chips of one seed: all bars of a figure are about trainings."""
    return replace(interval, note=TOO_FEW) if interval.over == "chips" else interval
