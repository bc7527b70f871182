"""The figures about mechanisms: what a method is said to do, looked at where it should show.

Each returns a figure, or one line that says what it needs. A figure holds the methods that its claim is about, and
any that is not built in: a new baseline is to be seen beside them. What they are made of is in `parts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from snn.report import parts, tables
from snn.report.results import SETTING, Panel, Results, Setting, What
from snn.report.style import FAINT, INK, METHODS, PAPER, look, method_label

SHORTCUT = ("shortcut", "shortcut-evolutionary", "shortcut-per-head")
LTL = ("ltl-offline", "ltl-online")
MIXED = ("mtt", "nmt")
FIRST_EPOCHS = 10
RARE = 0.002  # bins that hold less are not looked for a place in the histogram
CANDIDATES = {
    "cosine_lower": ("b − Δb", FAINT, (1, 1.5)),
    "cosine_same": ("b", METHODS["dspike"].colour, ""),
    "cosine_higher": ("b + Δb", INK, (4, 1.5)),
}
NOISE = {
    "weight_noise": "Noise on weights (σ / rms)",
    "frame_noise": "Noise on frames (σ / rms)",
    "events_dropped": "Events dropped",
    "events_added": "Random events added",
}


def gradient_depth(results: Results) -> Figure | str:
    """L2 norm of each layer's weight gradient: the mean over iterations and seeds, and relative to SDT's of the same
    iteration and seed (band: lowest to highest of them)."""
    found = _known(results, SHORTCUT, ("sdt",), lambda s: _by_layer(results, s, "gradient_norm"))
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=[p for p in found for _ in range(2)], height=2.9, columns=2, legend=False)
    shown: dict[str, None] = {}
    for i, (panel, settings) in enumerate(found.items()):
        left, right = grid[2 * i], grid[2 * i + 1]
        depth = {s: pd.concat([rows.assign(layer=k) for k, rows in enumerate(layers.values(), 1)])
                 for s, layers in settings.items()}  # fmt: skip
        base = next((rows for s, rows in depth.items() if s.method == "sdt"), None)
        for s, rows in depth.items():
            norms = rows.groupby("layer")["value"].mean()
            _marked(left, norms.index, norms, s, results)
            if base is not None:
                pairs = rows.merge(base, on=["seed", "layer", "x"], suffixes=("", "_sdt"))
                parts.band(right, pairs.assign(x=pairs["layer"], value=pairs["value"] / pairs["value_sdt"]), s, results)
            shown[s.method] = None
        for axes in (left, right):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            _layers_axis(axes, results, panel, "Layer of weights, first to last")
        left.set_ylabel("Norm of the gradient")
        right.set_ylabel("Relative to SDT's")
        right.set_visible(base is not None)
    parts.legend(figure, shown, results)
    return figure


def gradient_histogram(results: Results) -> Figure | str:
    """How large the single gradients of the first layer are, in quarters of a decade; mean over seeds."""
    found = _known(results, SHORTCUT, ("sdt",), lambda s: results.curve(s, "clock", "gradient_histogram"))
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=list(found), height=3.1)
    shown: dict[str, None] = {}
    seen: list[pd.Series] = []
    for axes, (panel, settings) in zip(grid, found.items(), strict=False):
        for s, rows in settings.items():
            share = rows.pivot(index="x", columns="seed", values="value").fillna(0).mean(axis=1)
            shape = look(s.method, results.methods)
            axes.fill_between(share.index, share, step="mid", color=shape.colour, alpha=0.12, linewidth=0)
            line = (0, shape.dashes) if shape.dashes else "-"
            axes.plot(share.index, share, drawstyle="steps-mid", color=shape.colour, linestyle=line)
            shown[s.method] = None
            seen.append(share[share > RARE])
        axes.set_xscale("log")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=""))
        axes.set_title(parts.title(results, panel), loc="left")
        axes.set_xlabel("Gradient of a first-layer weight, |g|")
    grid[0].set_ylim(0, 1.08 * max((share.max() for share in seen), default=1))
    for axes in grid[: len(found)]:  # the same range, so that panels can be compared
        axes.set_xlim(min(share.index.min() for share in seen) / 1.5, max(share.index.max() for share in seen) * 1.5)
    parts.label_left(grid, "Share of the gradients (%)")
    parts.legend(figure, shown, results, markers=False)
    return figure


def dspike_temperature(results: Results) -> Figure | str:
    """Left: the temperature; right: how well each candidate's gradient agrees with the finite differences."""
    found = _known(results, ("dspike",), (), lambda s: _with(results.epochs(s), "temperature"))
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=[p for p in found for _ in range(2)], height=2.9, columns=2, legend=False)
    for i, (panel, settings) in enumerate(found.items()):
        left, right = grid[2 * i], grid[2 * i + 1]
        for s, rows in settings.items():
            parts.band(left, rows.assign(x=rows["epoch"], value=rows["temperature"]), s, results)
            for column, (_, colour, dashes) in CANDIDATES.items():
                at = rows.groupby("epoch")[column].agg(["mean", "min", "max"])
                right.fill_between(at.index, at["min"], at["max"], color=colour, alpha=0.12, linewidth=0)
                right.plot(at.index, at["mean"], color=colour, linestyle=(0, dashes) if dashes else "-")
        left.set_ylabel("Temperature b")
        right.set_ylabel("Cosine similarity")
        for axes in (left, right):
            axes.set_title(parts.title(results, panel), loc="left")
            axes.set_xlabel("Epoch")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(
        handles=[
            Line2D([], [], label=label, color=colour, linestyle=(0, dashes) if dashes else "-")
            for label, colour, dashes in CANDIDATES.values()
        ],
        loc="outside upper right",
        ncols=3,
    )
    return figure


def ltl_convergence(results: Results) -> Figure | str:
    """Test accuracy over the first epochs: local learning against back-propagation through time; line: the teacher."""
    found = _known(results, LTL, ("sdt",), lambda s: _with(results.epochs(s), "test_accuracy"))
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=list(found), height=3.1)
    shown: dict[str, None] = {}
    for axes, (panel, settings) in zip(grid, found.items(), strict=False):
        for s, rows in settings.items():
            rows = rows[rows["epoch"] <= FIRST_EPOCHS]
            parts.band(axes, rows.assign(x=rows["epoch"], value=100 * rows["test_accuracy"]), s, results)
            shown[s.method] = None
        teacher = results.find(panel, "ann")
        if teacher and (reached := results.interval(teacher, parts.main(teacher))):
            axes.axhline(100 * reached.mean, color=FAINT, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
        axes.set_title(parts.title(results, panel), loc="left")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results, markers=False)
    return figure


def memory_over_t(results: Results) -> Figure | str:
    """Bytes that a training step keeps for backward, both axes logarithmic: O(T) is a slope of one."""

    def measured(s: Setting) -> dict[int, float]:
        steps = [t for _, t in results.evaluated(s, "probe", "bytes_for_backward")]
        return {t: results.interval(s, What("probe", "clock", t, "bytes_for_backward")).mean / 1024 for t in steps}

    found = _known(results, LTL, ("sdt",), measured)
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=list(found), height=3.1)
    shown: dict[str, None] = {}
    for axes, (panel, settings) in zip(grid, found.items(), strict=False):
        for s, kept in settings.items():
            _marked(axes, list(kept), list(kept.values()), s, results)
            shown[s.method] = None
        axes.set_yscale("log")
        _steps_axis(axes, {t for kept in settings.values() for t in kept}, "Time steps T in training")
        axes.set_title(parts.title(results, panel), loc="left")
    parts.label_left(grid, "Kept for backward\n(KiB per sample)")
    parts.legend(figure, shown, results)
    return figure


def flexibility(results: Results) -> Figure | str:
    """Trained once with mixed time steps, or at one T, or anew at each T (SDT*): accuracy at every T."""

    def swept(s: Setting) -> list:
        steps = [t for _, t in results.evaluated(s, "sweep")]
        return [(t, results.interval(s, What("sweep", "clock", t))) for t in steps]

    found = _known(results, MIXED, ("sdt",), swept)
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=list(found), height=3.3)
    shown: dict[str, None] = {}
    for axes, (panel, settings) in zip(grid, found.items(), strict=False):
        for s, points in settings.items():
            parts.line(axes, points, s.method, results)
            shown[s.method] = None
        anew = [(s.t_train, interval) for s, interval in tables.star(results, panel)]
        if len(anew) > 1:
            parts.line(axes, anew, "sdt*", results)
            shown["sdt*"] = None
        for t in sorted({s.t_train for s in settings}):
            axes.axvline(t, color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
        axes.set_xscale("log")
        _steps_axis(axes, {t for points in settings.values() for t, _ in points}, "Time steps T at evaluation")
        axes.set_title(parts.title(results, panel), loc="left")
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
    return figure


def firing_rates(results: Results) -> Figure | str:
    """Spikes per neuron and time step of each layer of neurons, in the trained network; mean over seeds."""
    found = _known(results, results.methods, (), lambda s: _by_layer(results, s, "firing_rate"))
    if isinstance(found, str):
        return found
    figure, grid = parts.grid(results, panels=list(found), height=3.3)
    shown: dict[str, None] = {}
    for axes, (panel, settings) in zip(grid, found.items(), strict=False):
        for s, layers in settings.items():
            _marked(axes, range(1, len(layers) + 1), [rows["value"].mean() for rows in layers.values()], s, results)
            shown[s.method] = None
        axes.set_ylim(bottom=0)
        _layers_axis(axes, results, panel, "Layer of neurons, first to last")
    parts.label_left(grid, "Spikes per neuron\nand time step")
    parts.legend(figure, shown, results)
    return figure


def noise_robustness(results: Results) -> Figure | str:
    """Accuracy of the trained network under noise that it was not trained with; mean over seeds and draws."""
    found = _known(results, MIXED, ("sdt", "sdt-matched"), lambda s: results.curve(s, "clock", "weight_noise"))
    if isinstance(found, str):
        return found
    kinds = [kind for kind in NOISE if (results.curves["curve"] == kind).any()]
    places = [(panel, kind) for panel in found for kind in kinds]
    figure, grid = parts.grid(results, panels=[panel for panel, _ in places], height=2.6, columns=len(kinds))
    shown: dict[str, None] = {}
    for axes, (panel, kind) in zip(grid, places, strict=False):
        for s in found[panel]:
            at = results.curve(s, "clock", kind).groupby("x")["value"].mean()
            if len(at):
                _marked(axes, at.index, 100 * at, s, results)
                shown[s.method] = None
        axes.set_title(parts.title(results, panel), loc="left")
        axes.set_xlabel(NOISE[kind], fontsize=9)
        if kind.startswith("events"):
            axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    parts.label_left(grid, "Test accuracy (%)")
    parts.legend(figure, shown, results)
    return figure


# --- their parts


def _known(results: Results, about: Iterable[str], beside: Iterable[str], look_up: Callable) -> dict | str:
    """panel -> setting -> what `look_up` finds for it, or what is missing.

    about: methods of the claim, of which a panel needs one; beside: what they are held against. Methods that are not
    built in are taken along."""
    about, found = set(about), {}
    for panel in results.panels:
        wanted = [s for s in results.main(panel) if s.method in {*about, *beside} or s.method not in METHODS]
        values = {s: value for s in wanted if len(value := look_up(s))}
        if any(s.method in about for s in values):
            found[panel] = values
    if found:
        return found
    if about.isdisjoint(results.methods):
        return f"needs {' or '.join(method_label(m) for m in sorted(about)) or 'a trained network'} in this benchmark"
    return "needs results of the phases probe (`probe.seeds`), sweep or train, which are not there"


def _by_layer(results: Results, s: Setting, kind: str) -> dict[str, pd.DataFrame]:
    """The curves `<kind>/<layer>` of a setting by layer, in the order of computation."""
    rows = results.curves
    rows = rows[(rows[SETTING] == pd.Series(s._asdict())).all(axis=1) & rows["curve"].str.startswith(kind + "/")]
    return {curve.partition("/")[2]: own for curve, own in rows.groupby("curve", sort=False)}


def _with(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that know a column of the history; none where no method has it."""
    return rows.dropna(subset=[column]) if column in rows else rows.iloc[:0]


def _marked(axes: Axes, x, y, s: Setting, results: Results) -> None:
    shape = look(s.method, results.methods)
    sns.lineplot(
        x=list(x),
        y=list(y),
        ax=axes,
        color=shape.colour,
        marker=shape.marker,
        linestyle=(0, shape.dashes) if shape.dashes else "-",
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        linewidth=1.5,
        errorbar=None,
        legend=False,
    )


def _layers_axis(axes: Axes, results: Results, panel: Panel, label: str) -> None:
    axes.set_title(parts.title(results, panel), loc="left")
    axes.set(xlabel=label, ylabel="")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))


def _steps_axis(axes: Axes, ticks: set[int], label: str) -> None:
    axes.set_xscale("log")
    axes.set(xlabel=label, ylabel="")
    axes.xaxis.set_major_locator(FixedLocator(parts.spread(sorted(ticks))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
