"""What a person should see: counts beside the chip's, the bound's effect, and how singular the vendor's rounding is."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from snn.deployment.page import figure as bounds_figure
from snn.silicon.reference import CHIP, SIMULATORS
from snn.silicon.study import AS_SIMULATED, OURS, UNITS, Study

DIGITS = (0, 3, 7)
"""Recordings that the maps show."""


def scatter(study: Study) -> Figure:
    """Each neuron's count beside the chip's, all ten recordings: without a lower bound, and with the chip's."""
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    chip = study.reference.counts
    top = int(chip.max()) + 1
    panels = ((AS_SIMULATED, "No lower bound, as simulators run it"), (OURS, "The chip's bound and rounding"))
    for axes, (setting, title) in zip(figure.subplots(1, 2, sharex=True, sharey=True), panels, strict=True):
        ours, a = study.counts[setting], study.agreements[setting]
        grid = np.histogram2d(chip.ravel(), ours.ravel(), bins=[np.arange(-0.5, top + 1)] * 2)[0].T
        image = axes.imshow(
            np.where(grid, grid, np.nan), origin="lower", cmap="viridis", norm=mpl.colors.LogNorm(1, 3e4),
            extent=(-0.5, top + 0.5, -0.5, top + 0.5), interpolation="nearest",
        )  # fmt: skip
        axes.plot([0, top], [0, top], color="#D55E00", linewidth=0.8)
        axes.set(xlabel="Spikes that the chip counted", ylabel="Spikes here" if setting == AS_SIMULATED else "")
        axes.set_title(
            f"{title}\ncosine {a.cosine:.4f}, {100 * a.exact:.1f} % of neurons equal", loc="left", fontsize=10
        )
    figure.colorbar(image, ax=figure.axes, label="Neurons")
    return figure


def maps(study: Study) -> Figure:
    """First layer, spikes summed over channels: recording, chip, ours, difference; one row a digit."""
    figure = Figure(figsize=(8.4, 2.05 * len(DIGITS)), layout="constrained")
    titles = ("Events of the recording", "Chip", "Ours: chip's bound", "Ours − chip", "No bound − chip")
    grid = figure.subplots(len(DIGITS), len(titles), squeeze=False)
    chip = study.reference.counts.sum(1)
    for row, digit in zip(grid, DIGITS, strict=True):
        events = study.recordings[digit]
        seen = np.histogram2d(events["y"], events["x"], bins=[np.arange(35)] * 2)[0]
        ours, plain = (study.counts[setting][digit].sum(0) for setting in (OURS, AS_SIMULATED))
        top = chip[digit].max()
        spread = {"cmap": "RdBu_r", "vmin": -top / 2, "vmax": top / 2}
        row[0].imshow(seen, cmap="Greys")
        for axes, image in zip(row[1:3], (chip[digit], ours), strict=True):
            counts = axes.imshow(image, cmap="viridis", vmin=0, vmax=top)
        for axes, image in zip(row[3:], (ours - chip[digit], plain - chip[digit]), strict=True):
            differences = axes.imshow(image, **spread)
        figure.colorbar(counts, ax=row[2], shrink=0.8)
        figure.colorbar(differences, ax=row[4], shrink=0.8)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    return figure


def bounds(study: Study) -> Figure:
    """Accuracy and spikes over the bound, with what was published of the chip and the simulators."""
    figure = bounds_figure(study.evaluation)
    accuracy = figure.axes[0]
    low, high = (100 * f(p.accuracy for p in SIMULATORS.values()) for f in (min, max))
    last = len(accuracy.get_xticks()) - 1
    accuracy.axhspan(low, high, xmin=0, color="#8C6D46", alpha=0.18, linewidth=0, label="seven simulators, published")
    accuracy.plot([-0.35, 0.35], [100 * CHIP.accuracy] * 2, color="#000000", linewidth=2, label="the chip, published")
    accuracy.set_xlim(-0.4, last + 0.4)
    accuracy.legend(frameon=False, fontsize=8)
    return figure


def neighbours(study: Study) -> Figure:
    """Neurons with exactly the chip's count, for other values of θ and bound than the vendor's rule gives."""
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(100 * study.neighbours, origin="lower", cmap="viridis")
    ticks = range(len(UNITS))
    axes.set_xticks(ticks, [f"−{units}" for units in UNITS])
    axes.set_yticks(ticks, [str(units) for units in UNITS])
    axes.set(xlabel="Lower bound (membrane units)", ylabel="Threshold θ (membrane units)")
    best = np.unravel_index(study.neighbours.argmax(), study.neighbours.shape)
    for i, j in np.ndindex(study.neighbours.shape):
        value = 100 * study.neighbours[i, j]
        weight = "bold" if (i, j) == best else "normal"
        axes.text(
            j,
            i,
            f"{value:.1f}",
            ha="center",
            va="center",
            fontsize=6.5,
            color="w" if value < 95 else "k",
            weight=weight,
        )
    vendor = UNITS.index(72)
    axes.add_patch(mpl.patches.Rectangle((vendor - 0.5, vendor - 0.5), 1, 1, fill=False, color="#D55E00", linewidth=2))
    figure.colorbar(image, label="Neurons with the chip's count (%)")
    return figure
