"""The figures. Each is a function of the results and returns a figure, or one line that says what it needs.

One panel a network, one colour and marker a method (`style`), shared axes so that panels can be compared, names
beside the lines. The names of all figures are in `snn.report.FIGURES`, known there without importing matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from snn.report.figures import accuracy, engine, event_driven, lower_bound, mechanisms, robustness, summary
from snn.report.figures.drawing import theme
from snn.report.results import Results

Drawing = Callable[[Results], Figure | str]

DRAWINGS: dict[str, Drawing] = {
    "kept_accuracy": summary.kept_accuracy,
    "accuracy": accuracy.accuracy,
    "accuracy_over_t": accuracy.accuracy_over_t,
    "accuracy_vs_cost": accuracy.accuracy_vs_cost,
    "learning_curves": accuracy.learning_curves,
    "events_through_network": engine.events_through_network,
    "clock_vs_event": event_driven.clock_vs_event,
    "lower_bound": lower_bound.lower_bound,
    "accuracy_over_time": event_driven.accuracy_over_time,
    "accuracy_over_events": event_driven.accuracy_over_events,
    "gradient_depth": mechanisms.gradient_depth,
    "gradient_histogram": mechanisms.gradient_histogram,
    "dspike_temperature": mechanisms.dspike_temperature,
    "ltl_convergence": mechanisms.ltl_convergence,
    "memory_over_t": mechanisms.memory_over_t,
    "flexibility": mechanisms.flexibility,
    "firing_rates": mechanisms.firing_rates,
    "noise_robustness": mechanisms.noise_robustness,
    "time_over_t": mechanisms.time_over_t,
    "local_losses": mechanisms.local_losses,
    "gradient_cosine": mechanisms.gradient_cosine,
    "loss_landscape": mechanisms.loss_landscape,
    "robustness_mismatch": robustness.mismatch,
    "robustness_bits": robustness.bits,
    "robustness_noise": robustness.noise,
    "robustness_dead_neurons": robustness.dead_neurons,
    "on_chip_learning": robustness.on_chip_learning,
}


def draw(name: str, results: Results) -> Figure | str:
    """The figure, or the line that says what it needs."""
    with theme():
        return DRAWINGS[name](results)
