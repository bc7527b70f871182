"""How a figure is drawn and written: one theme; SVG (text as paths, so that it looks alike everywhere), PDF (fonts
embedded) and PNG, the same bytes for the same data; and what is drawn as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from snn.report.figures.drawn import data_of
from snn.report.figures.panels import WIDTH
from snn.report.style import FAINT, GRID, INK
from snn.runtime.files import replacing, write_text

THEME = {
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 7.5,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # fonts are embedded whole, as journals ask
    "svg.fonttype": "path",
    "svg.hashsalt": "snn",  # else ids, and so bytes, would differ from run to run
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7.5,
}


@contextmanager
def theme() -> Iterator[None]:
    """The report's look inside the block; matplotlib's settings are as before after it."""
    with plt.rc_context():
        sns.set_theme(context="paper", style="ticks", rc=THEME)
        yield


def save(figure: Figure, path: Path) -> None:
    """`path` without its ending; writes .svg, .pdf, .png and .csv, and closes the figure."""
    with theme():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout is as drawn now: else each file would compute it again
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with replacing(path.with_suffix(".svg")) as temporary:
            figure.savefig(temporary, format="svg", metadata=no_metadata, bbox_inches="tight", pad_inches=0.06)
        with replacing(path.with_suffix(".pdf")) as temporary:
            undated = dict.fromkeys(("Creator", "Producer", "CreationDate"))
            figure.savefig(temporary, format="pdf", metadata=undated, bbox_inches="tight", pad_inches=0.06)
        with replacing(path.with_suffix(".png")) as temporary:
            figure.savefig(temporary, format="png", dpi=170, facecolor="white", bbox_inches="tight", pad_inches=0.06)
        write_text(path.with_suffix(".csv"), data_of(figure).to_csv(index=False, lineterminator="\n"))
        plt.close(figure)


def placeholder(reason: str) -> Figure:
    """Stands where a figure has nothing to show, since the workflow expects the file."""
    figure, axes = plt.subplots(figsize=(WIDTH, 1))
    axes.axis("off")
    axes.text(0.5, 0.5, reason, ha="center", va="center", color=FAINT, fontsize=10)
    return figure
