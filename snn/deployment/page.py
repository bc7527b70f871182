"""An evaluation as files: `deployment.csv`, `deployment.svg`, `predictions.npz` and one `index.html` that holds all."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from snn.deployment.evaluation import NOTE, Evaluation, percent
from snn.runtime import files
from snn.runtime.provenance import commit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"float": "#0072B2", "int8": "#D55E00", "dynapcnn": "#009E73"}  # Okabe and Ito's
MARKERS = {"float": "o", "int8": "s", "dynapcnn": "^"}
TEMPLATES = Path(__file__).parent / "templates"


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write the files into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    table = evaluation.table()
    files.write_text(folder / "deployment.csv", csv_text(table))
    recordings = evaluation.recordings
    predictions = {row.setting.name: row.predictions for row in evaluation.rows if not row.refused}
    with files.replacing(folder / "predictions.npz") as temporary, open(temporary, "wb") as f:
        np.savez_compressed(f, label=recordings.labels, name=np.array(recordings.names, str), **predictions)  # type: ignore[arg-type]  # numpy 2's stub of **kwds
    svg = svg_text(figure(evaluation))
    files.write_text(folder / "deployment.svg", svg)
    first, populations = evaluation.first, evaluation.network.populations
    spikes = [f"{mean:,.0f}" for mean in first.spikes.mean(0)]
    layers = [
        {"name": p.name, "shape": "×".join(map(str, p.shape)), "neurons": f"{p.size:,}", "spikes": of_layer,
         "threshold": f"{p.threshold:g}" if p.spiking else "accumulates"}
        for p, of_layer in zip(populations, spikes, strict=True)
    ]  # fmt: skip
    page = (
        environment()
        .get_template("deployment.html.j2")
        .render(
            evaluation=evaluation,
            table=[line | readable(line) for line in table],
            figure=svg,
            first=first.setting.name,
            layers=layers,
            note=NOTE,
            commit=commit(),
        )
    )
    files.write_text(folder / "index.html", page)
    return folder / "index.html"


def environment() -> jinja2.Environment:
    """The templates of this package."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def readable(line: dict[str, Any]) -> dict[str, str]:
    """The numbers of a row of `Evaluation.table` as people read them."""
    if line["refused"]:
        return {}
    return {
        "accuracy": f"{percent(line['accuracy'])} [{percent(line['accuracy_low'])}, {percent(line['accuracy_high'])}]",
        "change": f"{100 * line['change']:+.1f} [{100 * line['change_low']:+.1f}, {100 * line['change_high']:+.1f}]",
        "spikes": f"{line['spikes']:,.0f}",
        "synops": f"{line['synops']:,.0f}",
    }


def figure(evaluation: Evaluation) -> Figure:
    """Accuracy, with intervals, and spikes a recording over the membrane's lower bound; one line a mode of numbers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 3.2), layout="constrained")
    accuracy, spikes = figure.subplots(1, 2)
    rows = [line for line in evaluation.table() if not line["refused"]]
    bounds = sorted({line["v_min"] for line in rows}, key=_rank)
    for numbers in dict.fromkeys(line["numbers"] for line in rows):
        at = {bounds.index(line["v_min"]): line for line in rows if line["numbers"] == numbers}
        x = sorted(at)
        look = {"color": COLOURS.get(numbers), "marker": MARKERS.get(numbers, "o"), "label": numbers, "markersize": 5}
        mean, low, high = (np.array([100 * at[i][f"accuracy{end}"] for i in x]) for end in ("", "_low", "_high"))
        accuracy.errorbar(x, mean, [mean - low, high - mean], capsize=2, **look)
        spikes.plot(x, [at[i]["spikes"] for i in x], **look)
    for axes, label in ((accuracy, "Accuracy (%)"), (spikes, "Spikes for one recording")):
        axes.set_xticks(range(len(bounds)), bounds)
        axes.set(xlabel="Lower bound of the membrane", ylabel=label)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    spikes.set_ylim(bottom=0)
    spikes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    accuracy.legend(frameon=False)
    return figure


def _rank(bound: str) -> float:
    """Bounds from the highest to none at all."""
    try:
        return -float(bound)
    except ValueError:
        return np.inf


def svg_text(figure: Figure) -> str:
    """The figure as SVG that is the same whenever it is drawn."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "snn-bench", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    return "\n".join(line.rstrip() for line in text[text.index("<svg") :].splitlines()) + "\n"


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Rows with the columns of all of them, in the order met."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
