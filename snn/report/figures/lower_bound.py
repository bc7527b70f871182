"""Accuracy and spikes over the membrane's lower bound, where it is set at deployment."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from snn.events.deployment import TRAINED, Deployment, bound_label, bound_order
from snn.report.figures import panels
from snn.report.results import Quantity, Results, Setting
from snn.report.style import mode_label

NOT_SET = "needs several bounds in deploy.lower_bounds"


def lower_bound(results: Results) -> Figure | str:
    """One column of two panels a network: accuracy above, spikes for one recording below; one line a method. Networks
    share the axis of accuracy, not that of spikes, of which one may have ten times as many as another."""
    deployed = {s: bounds(results, s) for s in results.settings}
    deployed = {s: of_s for s, of_s in deployed.items() if len(of_s) > 1}
    if not deployed:
        return NOT_SET
    shown = [panel for panel in results.compared if any(s in deployed for s in results.main_settings(panel))]
    places = sorted({d.v_min for of_s in deployed.values() for d in of_s}, key=bound_order)
    figure = plt.figure(figsize=(panels.WIDTH if len(shown) > 1 else panels.COLUMN_WIDTH, 4.6), layout=panels.layout())
    grid = figure.subplots(2, len(shown), sharex=True, squeeze=False)
    for axes in grid[0, 1:]:
        axes.sharey(grid[0, 0])
        axes.tick_params(labelleft=False)
    for column, panel in enumerate(shown):
        settings = [s for s in results.main_settings(panel) if s in deployed]
        accuracy_axes, spike_axes = grid[:, column]
        for s, shift in zip(settings, panels.shifts(len(settings), 0.07, 0.4), strict=True):
            x = {d: places.index(d.v_min) + shift for d in deployed[s]}
            points = [panels.point(results, s, Quantity("deploy", d.name, None), at) for d, at in x.items()]
            panels.line(accuracy_axes, points, s.method, results)
            spikes = [panels.point(results, s, Quantity("deploy", d.name, None, "spikes"), at) for d, at in x.items()]
            panels.line(spike_axes, spikes, s.method, results, scale=1)
        accuracy_axes.set_title(panels.title(results, panel), loc="left")
        spike_axes.set_xticks(range(len(places)), [bound_label(place) for place in places])
        spike_axes.set(xlabel="Lower bound of the membrane", ylim=(0, None))
        spike_axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    numbers = next(iter(deployed.values()))[0].as_trained.name
    grid[0, 0].set_ylabel(f"Test accuracy (%)\n{mode_label(numbers).lower()}")
    grid[1, 0].set_ylabel("Spikes for one recording")
    panels.label_methods(figure)
    return figure


def bounds(results: Results, s: Setting) -> list[Deployment]:
    """The deployments of a setting that differ in the bound alone, all in its first mode's numbers."""
    others = [d for d in results.other_deployments(s) if d.reset == TRAINED]
    return [d for d in others if d.numbers == others[0].numbers]
