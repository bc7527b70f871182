"""The study as files: tables, figures, and one page that holds the figures."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from snn.deployment.page import TEMPLATES as DEPLOYMENT_TEMPLATES
from snn.deployment.page import csv_text, svg_text
from snn.runtime import files
from snn.runtime.provenance import commit
from snn.silicon import figures, reference
from snn.silicon.study import AS_SIMULATED, OURS, Study, agreement_table, candidate_table, chip_table, neighbour_table

TEMPLATES = Path(__file__).parent / "templates"
DRAWN = {"scatter": "png", "maps": "png", "bounds": "svg", "neighbours": "svg"}


def write(study: Study, folder: Path) -> Path:
    """Write everything into `folder`; returns the page."""
    tables = {
        "chip": chip_table(study),
        "agreement": agreement_table(study),
        "candidates": candidate_table(study),
        "neighbours": neighbour_table(study),
        "deployment": study.evaluation.table(),
    }
    for name, rows in tables.items():
        files.write_text(folder / f"{name}.csv", csv_text([{k: short(v) for k, v in row.items()} for row in rows]))
    drawn = {}
    for name, kind in DRAWN.items():
        figure: Figure = getattr(figures, name)(study)
        drawn[name] = svg_text(figure) if kind == "svg" else png_tag(figure, folder / f"{name}.png")
        if kind == "svg":
            files.write_text(folder / f"{name}.svg", drawn[name])
    loader = jinja2.FileSystemLoader([TEMPLATES, DEPLOYMENT_TEMPLATES])
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value, digits=1: "" if value is None else f"{100 * value:.{digits}f}"
    environment.filters["signed"] = lambda value: f"{100 * value:+.1f}"
    environment.filters["decimal"] = lambda value, digits=4: f"{value:.{digits}f}"
    page = environment.get_template("silicon.html.j2").render(
        study=study,
        ours=study.agreements[OURS],
        plain=study.agreements[AS_SIMULATED],
        tables=tables,
        drawn=drawn,
        chip=reference.CHIP,
        simulators=reference.SIMULATORS,
        n=len(study.evaluation.recordings),
        source=f"neuromorphs/NIR, commit {reference.COMMIT[:7]}",
        commit=commit(),
    )
    files.write_text(folder / "index.html", page)
    return folder / "index.html"


def short(value: Any) -> Any:
    """Six significant digits: the tables are read and compared by people too."""
    return f"{value:.6g}" if isinstance(value, float) else value


def png_tag(figure: Figure, path: Path) -> str:
    """The figure as a file, and as HTML that holds it."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    with files.replacing(path) as temporary:
        temporary.write_bytes(out.getvalue())
    return f'<img alt="{path.stem}" src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'
