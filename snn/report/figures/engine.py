"""One recording on its way through the event-driven engine: what event-driven means, in one picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from snn.report.figures import panels
from snn.report.results import Results
from snn.report.style import FAINT, INK

ON, OFF = "#0072B2", "#D55E00"
MARK = {"s": 0.6, "linewidths": 0, "rasterized": False}


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
    colours = np.where(events[:, 3] > 0, ON, OFF)
    grid[0].scatter(events[:, 0] / 1000, events[:, 2], c=colours, label="_event/input", **MARK)
    _name(grid[0], "input", f"{len(events):,} events\n(row of the pixel)")
    for axes, (name, spikes), count in zip(grid[1:], layers.items(), run["n_spikes"].tolist(), strict=True):
        height, width = (int(spikes[:, k].max()) + 1 if len(spikes) else 1 for k in (2, 3))
        neuron = (spikes[:, 1] * height + spikes[:, 2]) * width + spikes[:, 3]
        axes.scatter(spikes[:, 0] / 1000, neuron, color=INK, label=f"_spike/{name}", **MARK)
        _name(
            axes,
            name,
            f"{count:,} spike{'s' * (count != 1)}\n(neuron)" if count else "no spikes:\nread from the membrane",
        )
    grid[-1].set_xlim(0, end)
    grid[-1].set_xlabel("Time since the recording's first event (ms)")
    right = "right" if run["prediction"] == run["label"] else "wrong"
    grid[0].set_title(f"Class {run['label']}, predicted {run['prediction']} ({right})", loc="left")
    return figure


def _name(axes: plt.Axes, name: str, detail: str) -> None:
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel(name.replace("stages.", "layer "), rotation=0, ha="right", va="center")
    axes.annotate(
        detail, (1.01, 0.5), xycoords="axes fraction", color=FAINT, va="center", fontsize=7, annotation_clip=False
    )
