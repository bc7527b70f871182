"""One recording on its way through the event-driven engine: what event-driven means, in one picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from snn.phases.recordings import SPIKES_OF_A_LAYER
from snn.report.figures import panels
from snn.report.results import Results
from snn.report.style import FAINT, INK

ON, OFF = "#0072B2", "#D55E00"
SIZE = 0.9  # of a dot, in points
BINS = 100  # times at which the animation counts


def events_through_network(results: Results) -> Figure | str:
    """One row for the input's events and one for each layer: a dot a spike, at its time and its neuron."""
    run = {name.removeprefix("run/"): array for name, array in results.recordings.items() if name.startswith("run/")}
    if not run:
        return "needs a deployed network beside its recordings when results are collected"
    layers = {name.partition("/")[2]: rows for name, rows in run.items() if name.startswith("layer")}
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.02, hspace=0.0)
    figure = plt.figure(figsize=(panels.WIDTH, 0.62 * (len(layers) + 1) + 0.9), layout=layout)
    grid = figure.subplots(len(layers) + 1, 1, sharex=True, squeeze=False)[:, 0]
    events, end = run["events"], run["t_end_us"] / 1000
    for polarity, colour in ((events[:, 3] > 0, ON), (events[:, 3] <= 0, OFF)):
        _dots(grid[0], events[polarity, 0] / 1000, events[polarity, 2], colour, "_event/input")
    _name(
        grid[0], "input", f"{len(events):,} events{' drawn' * (len(events) >= SPIKES_OF_A_LAYER)}\n(row of the pixel)"
    )
    counted = zip(grid[1:], layers.items(), run["n_spikes"].tolist(), strict=True)
    for number, (axes, (name, spikes), count) in enumerate(counted, 1):
        height, width = (int(spikes[:, k].max()) + 1 if len(spikes) else 1 for k in (2, 3))
        neuron = (spikes[:, 1] * height + spikes[:, 2]) * width + spikes[:, 3]
        _dots(axes, spikes[:, 0] / 1000, neuron, INK, f"_spike/{name}")
        _name(
            axes,
            name if name == "readout" else f"layer {number}",
            f"{count:,} spike{'s' * (count != 1)}\n(neuron)" if count else "no spikes:\nread from the membrane",
        )
    grid[-1].set_xlim(0, end)
    grid[-1].set_xlabel("Time since the recording's first event (ms)")
    right = "right" if run["prediction"] == run["label"] else "wrong"
    grid[0].set_title(f"Class {run['label']}, predicted {run['prediction']} ({right})", loc="left")
    return figure


def counts(results: Results) -> dict[str, object]:
    """What the animation of the figure tells; an empty dictionary where no run was collected.

    ms: length of the recording; events, spikes: at `BINS` times from its first event to its last, the fraction of the
    events, and the number of spikes of all layers so far. Where a layer was thinned out for the figure its spikes are
    counted in proportion.
    """
    run = {name.removeprefix("run/"): array for name, array in results.recordings.items() if name.startswith("run/")}
    if not run:
        return {}
    end = float(run["t_end_us"])
    until = np.linspace(0.0, end, BINS + 1)[1:]
    spikes = np.zeros(BINS)
    layers = [rows for name, rows in run.items() if name.startswith("layer")]
    for rows, count in zip(layers, run["n_spikes"].tolist(), strict=True):
        if len(rows):
            spikes += np.searchsorted(np.sort(rows[:, 0]), until, side="right") * (count / len(rows))
    events = np.searchsorted(np.sort(run["events"][:, 0]), until, side="right") / max(len(run["events"]), 1)
    return {"ms": end / 1000, "events": events.round(4).tolist(), "spikes": np.rint(spikes).astype(int).tolist()}


def _dots(axes: plt.Axes, x: np.ndarray, y: np.ndarray, colour: str, label: str) -> None:
    """A dot at each place, all in one path: a tenth of the size that marks of their own would have in the page."""
    if not len(x):
        return
    starts = np.column_stack([x, y]).astype(float)
    length = 1e-6 * max(1.0, float(np.ptp(x)))  # a line without any is left out of the PNG
    ends = starts + np.array([length, 0.0])
    codes = np.tile([Path.MOVETO, Path.LINETO], len(starts))
    dots = PathPatch(
        Path(np.stack([starts, ends], axis=1).reshape(-1, 2), codes), fill=False, edgecolor=colour, linewidth=SIZE,
        capstyle="round", label=label, gid=f"dots-{label[1:].replace('/', '-')}-{colour[1:]}",
    )  # fmt: skip
    dots.set_snap(False)  # a short path would be snapped to pixels, which leaves out lines without length
    axes.add_patch(dots)
    axes.autoscale_view()


def _name(axes: plt.Axes, name: str, detail: str) -> None:
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.annotate(
        detail, (1.01, 0.5), xycoords="axes fraction", color=FAINT, va="center", fontsize=7, annotation_clip=False
    )
