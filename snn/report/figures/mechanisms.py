"""The figures about mechanisms: what a method is said to do, measured where it should show.

Each returns a figure, or one line that says what it needs. A figure holds the methods that its claim is about, and
any that is not built in: a new baseline is to be seen beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sized
from typing import TypeVar

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from snn.report import quantities
from snn.report.figures import panels
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import FAINT, INK, METHODS, Look, method_label

SHORTCUT = ("shortcut", "shortcut-evolutionary", "shortcut-per-head")
LTL = ("ltl-offline", "ltl-online")
MIXED = ("mtt", "nmt")
FIRST_EPOCHS = 10
RARE = 0.002  # bins that hold less do not widen the histogram's range
CANDIDATES = {
    "cosine_lower": Look("b − Δb", FAINT, "", (1, 1.5)),
    "cosine_same": Look("b", METHODS["dspike"].colour, ""),
    "cosine_higher": Look("b + Δb", INK, "", (4, 1.5)),
}
NOISE = {
    "weight_noise": "Noise on weights (σ / rms)",
    "frame_noise": "Noise on frames (σ / rms)",
    "events_dropped": "Events dropped",
    "events_added": "Random events added",
}

Data = TypeVar("Data", bound=Sized)


def gradient_depth(results: Results) -> Figure | str:
    """L2 norm of each layer's weight gradient, mean over iterations, and relative to SDT's of the same iteration and
    seed; both geometric means over seeds."""
    shown = _shown(results, SHORTCUT, ("sdt",), lambda s: results.layer_curves(s, "gradient_norm"))
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(
        results, panels=[p for p in shown for _ in range(2)], height=2.9, columns=2, shared_y=False
    )
    for i, (panel, settings) in enumerate(shown.items()):
        left, right = grid[2 * i], grid[2 * i + 1]
        by_depth = {
            s: pd.concat([rows.assign(layer=k) for k, rows in enumerate(layers.values(), 1)])
            for s, layers in settings.items()
        }
        base = next((rows for s, rows in by_depth.items() if s.method == "sdt"), None)
        for s, rows in by_depth.items():
            panels.band(left, rows.assign(x=rows["layer"]), s.method, results, logarithmic=True, markers=True)
            if base is not None:
                pairs = rows.merge(base, on=["seed", "layer", "x"], suffixes=("", "_sdt"))
                ratios = pairs.assign(x=pairs["layer"], value=pairs["value"] / pairs["value_sdt"])
                panels.band(right, ratios, s.method, results, logarithmic=True, markers=True)
        for axes in (left, right):
            panels.logarithmic(axes)
            _layers_axis(axes, results, panel, "Layer of weights, first to last")
        left.set_ylabel("Norm of the gradient")
        right.set_ylabel("Relative to SDT's")
        right.set_visible(base is not None)
    panels.label_methods(figure)
    return figure


def gradient_histogram(results: Results) -> Figure | str:
    """How large the single gradients of the first layer are, in quarters of a decade."""
    shown = _shown(results, SHORTCUT, ("sdt",), lambda s: results.curve(s, "clock", "gradient_histogram"))
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=3.1)
    filled: list[pd.Series] = []
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, rows in settings.items():
            by_seed = rows.pivot(index="x", columns="seed", values="value").fillna(0)  # a bin that a seed left empty
            panels.band(axes, by_seed.melt(ignore_index=False).reset_index(), s.method, results, (0.0, 1.0))
            fractions = by_seed.mean(axis=1)
            filled.append(fractions[fractions > RARE])
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.set_title(panels.title(results, panel), loc="left")
        axes.set_xlabel("Gradient of a first-layer weight, |g|")
    grid[0].set_ylim(0, 1.08 * max((fractions.max() for fractions in filled), default=1))
    low = min(fractions.index.min() for fractions in filled)
    high = max(fractions.index.max() for fractions in filled)
    for axes in grid[: len(shown)]:  # the same range, so that panels can be compared
        axes.set_xlim(low / 1.5, high * 1.5)
    panels.label_left(grid, "Fraction of the gradients (%)")
    panels.label_methods(figure)
    return figure


def dspike_temperature(results: Results) -> Figure | str:
    """Left: the temperature; right: how well each candidate's gradient agrees with the finite differences."""
    shown = _shown(results, ("dspike",), (), lambda s: _with_column(results.epochs(s), "temperature"))
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(
        results, panels=[p for p in shown for _ in range(2)], height=2.9, columns=2, shared_y=False
    )
    for i, (panel, settings) in enumerate(shown.items()):
        left, right = grid[2 * i], grid[2 * i + 1]
        for s, rows in settings.items():
            curve = rows.assign(x=rows["epoch"], value=rows["temperature"])
            panels.band(left, curve, s.method, results, panels.POSITIVE)
            for column, candidate in CANDIDATES.items():
                curve = rows.assign(x=rows["epoch"], value=rows[column])
                panels.over_seeds(right, curve, candidate, candidate.label, (-1.0, 1.0))
        left.set_ylabel("Temperature b")
        right.set_ylabel("Cosine similarity")
        for axes in (left, right):
            axes.set_title(panels.title(results, panel), loc="left")
            axes.set_xlabel("Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels.label_methods(figure)
    return figure


def ltl_convergence(results: Results) -> Figure | str:
    """Test accuracy over the first epochs: local learning against back-propagation through time, and the trained
    teacher."""
    shown = _shown(results, LTL, ("sdt",), lambda s: _with_column(results.epochs(s), "test_accuracy"))
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=3.1)
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, rows in settings.items():
            rows = rows[rows["epoch"] <= FIRST_EPOCHS]
            curve = rows.assign(x=rows["epoch"], value=100 * rows["test_accuracy"])
            panels.band(axes, curve, s.method, results, panels.PERCENT)
        if teacher := results.find(panel, "ann"):
            epochs = pd.concat([rows["epoch"] for rows in settings.values()])
            reached = results.values(teacher, quantities.trained(teacher)).items()
            ends = (epochs.min(), min(epochs.max(), FIRST_EPOCHS))
            line = pd.DataFrame([(x, seed, 100 * value) for x in ends for seed, value in reached])
            panels.band(axes, line.set_axis(["x", "seed", "value"], axis=1), "ann", results, panels.PERCENT)
        axes.set_title(panels.title(results, panel), loc="left")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def memory_over_t(results: Results) -> Figure | str:
    """Bytes that a training step keeps for backward, both axes logarithmic: O(T) is a slope of one."""
    return _over_t(results, "bytes_for_backward", 1 / 1024, "Kept for backward\n(KiB per sample)")


def time_over_t(results: Results) -> Figure | str:
    """Seconds of a training step, both axes logarithmic; those of one machine, compared with each other only."""
    return _over_t(results, "seconds_per_step", 1000, "Training step\n(ms per batch)", "probe.timed_steps")


def _over_t(results: Results, metric: str, unit: float, label: str, key: str = "") -> Figure | str:
    """A metric of the probes at each T of training, times `unit`, for LTL and SDT."""

    def at_each_t(s: Setting) -> pd.DataFrame:
        values = {
            (t, seed): value * unit
            for t in results.steps(s, "probe", metric)
            for seed, value in results.values(s, Quantity("probe", "clock", t, metric)).items()
        }
        return pd.DataFrame([(*at, value) for at, value in values.items()], columns=["x", "seed", "value"])

    shown = _shown(results, LTL, ("sdt",), at_each_t, key)
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=3.1)
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, rows in settings.items():
            panels.band(axes, rows, s.method, results, logarithmic=True, markers=True)
        panels.logarithmic(axes)
        panels.steps_axis(axes, {t for rows in settings.values() for t in rows["x"]}, "Time steps T in training")
        axes.set_title(panels.title(results, panel), loc="left")
    panels.label_left(grid, label)
    panels.label_methods(figure)
    return figure


def local_losses(results: Results) -> Figure | str:
    """LTL's loss of each layer of neurons over the epochs; a panel a method, first layer darkest."""
    shown = _shown(results, LTL, (), lambda s: _local_losses(results.epochs(s)))
    if isinstance(shown, str):
        return shown
    places = [(panel, s) for panel, settings in shown.items() for s in settings]
    figure, grid = panels.grid(results, panels=[panel for panel, _ in places], height=2.9, columns=2)
    for axes, (panel, s) in zip(grid, places, strict=False):
        losses = shown[panel][s]
        colours = sns.color_palette("viridis", len(losses)).as_hex()
        for number, (rows, colour) in enumerate(zip(losses, colours, strict=True), 1):
            panels.over_seeds(axes, rows, Look("", colour, ""), f"layer {number}", logarithmic=True)
        panels.logarithmic(axes)
        axes.set_title(f"{panels.title(results, panel)}, {method_label(s.method)}", loc="left")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels.label_left(grid, "Loss of a layer")
    panels.label_methods(figure)
    return figure


def _local_losses(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Columns seed, x (the epoch), value of each layer, in the order of computation."""
    prefix = "local_loss_"
    columns = [c for c in rows.columns if c.startswith(prefix) and rows[c].notna().any()]
    order = sorted(columns, key=lambda c: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", c)])
    return [rows.assign(x=rows["epoch"], value=rows[c])[["seed", "x", "value"]].dropna() for c in order]


def gradient_cosine(results: Results) -> Figure | str:
    """How well the surrogate gradient of the first layer agrees with finite differences, over their step ε."""
    about = ("dspike", "dspike-fixed", "dspike-frequent")
    axis_labels = "Step ε of the finite differences", "Cosine similarity"
    return _bands(
        results, "gradient_cosine", about, ("sdt",), "probe.epsilons", axis_labels, (-1.0, 1.0), x_scale="log"
    )


def loss_landscape(results: Results) -> Figure | str:
    """The validation loss along filter-normalised random directions from the trained weights."""
    axis_labels = "Distance α from the trained weights", "Validation loss"
    beside = ("sdt", "sdt-matched", "tet")
    return _bands(results, "loss_landscape", MIXED, beside, "probe.landscape", axis_labels, panels.POSITIVE)


def _bands(
    results: Results,
    curve: str,
    about: tuple[str, ...],
    beside: tuple[str, ...],
    key: str,
    axis_labels: tuple[str, str],
    bounds: tuple[float, float],
    x_scale: str = "linear",
) -> Figure | str:
    """A curve of the probes, a panel a network; axis_labels: of x and y; bounds: of its values."""
    shown = _shown(results, about, beside, lambda s: results.curve(s, "clock", curve), key)
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=2.9)
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, rows in settings.items():
            panels.band(axes, rows, s.method, results, bounds)
        axes.set_xscale(x_scale)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(panels.title(results, panel), loc="left")
        axes.set_xlabel(axis_labels[0])
    panels.label_left(grid, axis_labels[1])
    panels.label_methods(figure)
    return figure


def flexibility(results: Results) -> Figure | str:
    """Trained once with mixed time steps, or at one T, or anew at each T (SDT*): accuracy at every T."""

    def swept(s: Setting) -> list[panels.Point]:
        return [panels.point(results, s, Quantity("sweep", "clock", t), t) for t in results.steps(s, "sweep")]

    shown = _shown(results, MIXED, ("sdt",), swept)
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=3.3)
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, points in settings.items():
            panels.line(axes, points, s.method, results)
        star = quantities.trained_at_each_t(results, panel)
        if len(star) > 1:
            points = [panels.point(results, s, quantities.trained(s), s.t_train) for s, _ in star]
            panels.line(axes, points, "sdt*", results)
        panels.mark_training_steps(axes, settings)
        steps = {t for s in settings for t in results.steps(s, "sweep")}
        panels.steps_axis(axes, steps, "Time steps T at evaluation")
        axes.set_title(panels.title(results, panel), loc="left")
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


def firing_rates(results: Results) -> Figure | str:
    """Spikes per neuron and time step of each layer of neurons, in the trained network."""
    shown = _shown(results, results.methods, (), lambda s: results.layer_curves(s, "firing_rate"))
    if isinstance(shown, str):
        return shown
    figure, grid = panels.grid(results, panels=list(shown), height=3.3)
    for axes, (panel, settings) in zip(grid, shown.items(), strict=False):
        for s, layers in settings.items():
            rates = pd.concat([rows.assign(x=k) for k, rows in enumerate(layers.values(), 1)])
            panels.band(axes, rates, s.method, results, logarithmic=True, markers=True)
        panels.logarithmic(axes)
        _layers_axis(axes, results, panel, "Layer of neurons, first to last")
    panels.label_left(grid, "Spikes per neuron\nand time step")
    panels.label_methods(figure)
    return figure


def noise_robustness(results: Results) -> Figure | str:
    """Accuracy of the trained network under noise that it was not trained with; mean over draws."""
    shown = _shown(results, MIXED, ("sdt", "sdt-matched"), lambda s: results.curve(s, "clock", "weight_noise"))
    if isinstance(shown, str):
        return shown
    kinds = [kind for kind in NOISE if (results.curves["curve"] == kind).any()]
    places = [(panel, kind) for panel in shown for kind in kinds]
    figure, grid = panels.grid(results, panels=[panel for panel, _ in places], height=2.6, columns=2)
    for axes, (panel, kind) in zip(grid, places, strict=False):
        for s in shown[panel]:
            rows = results.curve(s, "clock", kind)
            if len(rows):
                rows = rows.assign(value=100 * rows["value"])
                panels.band(axes, rows, s.method, results, panels.PERCENT, markers=True)
        axes.set_title(panels.title(results, panel), loc="left")
        axes.set_xlabel(NOISE[kind], fontsize=9)
        if kind.startswith("events"):
            axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    panels.label_left(grid, "Test accuracy (%)")
    panels.label_methods(figure)
    return figure


# --- their parts


def _shown(
    results: Results, about: Iterable[str], beside: Iterable[str], look_up: Callable[[Setting], Data], key: str = ""
) -> dict[Panel, dict[Setting, Data]] | str:
    """panel -> setting -> what `look_up` has of it, where that is not empty; or what is missing.

    about: methods of the claim, of which a panel needs one; beside: what they are compared with. Methods that are not
    built in are taken along. key: of the configuration, without which there is nothing to show."""
    about, shown = set(about), {}
    for panel in results.compared:
        settings = results.main_settings(panel)
        asked = [s for s in settings if s.method in {*about, *beside} or s.method not in METHODS]
        values = {s: value for s in asked if len(value := look_up(s))}
        if any(s.method in about for s in values):
            shown[panel] = values
    if shown:
        return shown
    if about.isdisjoint(results.methods):
        return f"needs {' or '.join(method_label(m) for m in sorted(about)) or 'a trained network'} in this benchmark"
    if key:
        return f"needs results of the phase probe (`probe.seeds`) with `{key}` set, which are not there"
    return "needs results of the phases probe (`probe.seeds`), sweep or train, which are not there"


def _with_column(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that have a value in a column of the history; none where no method writes it."""
    return rows.dropna(subset=[column]) if column in rows else rows.iloc[:0]


def _layers_axis(axes: Axes, results: Results, panel: Panel, label: str) -> None:
    axes.set_title(panels.title(results, panel), loc="left")
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
