"""Tables, figures and captions into `tables/`, `figures/` and one `index.html` that needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from snn.report import (
    FIGURES,
    TABLES,
    answer,
    caveats,
    choice,
    devices,
    explorer,
    figures,
    frames,
    html,
    never_predicted,
    scripts,
    sections,
    tables,
    text,
)
from snn.report.captions import Captions
from snn.report.claims import sentences, verdicts
from snn.report.figures import drawing, engine
from snn.report.figures.panels import COLUMN_WIDTH, WIDTH
from snn.report.results import Results
from snn.report.settings import ReportSettings
from snn.report.style import method_label, network_label
from snn.report.tables import files, published, scoreboard
from snn.runtime.files import write_text


def render(folder: Path, settings: ReportSettings, templates: Path) -> None:
    """See `snn.report.render`."""
    results = Results(folder, settings.t_train, settings.variants)
    captions = Captions(results, templates / "captions.yaml")
    pictures = frames.pictures(results)
    shown_tables = {name: _table(name, results, captions, folder, templates) for name in TABLES}
    shown_figures = {name: _figure(name, results, captions, folder) for name in FIGURES}
    missing = _missing(shown_figures, shown_tables)
    first = sections.first_picture(missing)
    template = _template(templates, lambda value, network: html.recording(value, network, pictures, results.networks))
    page = template.render(
        question=settings.question,
        topics=answer.answer(results),
        caveats=caveats.caveats(results) + devices.mixed(results.provenance),
        verdicts=sentences.groups(verdicts.judgements(results)),
        explorer_data=Markup(explorer.as_json(results)),
        metrics_count=len(results.metrics[["phase", "mode", "t_eval", "metric"]].drop_duplicates()),
        pictures=bool(pictures),
        scripts=scripts.packed(),
        boards=scoreboard.boards(results),
        choices=choice.choices(results),
        run_counts=Markup(json.dumps(engine.counts(results), separators=(",", ":"))),
        networks=results.networks,
        tables=shown_tables,
        figures=shown_figures,
        first_picture=first,
        sections=sections.shown(missing, first),
        missing=missing,
        others=published.others(results, templates / "published.yaml"),
        papers=published.papers(templates / "published.yaml"),
        classes_counted=(results.metrics["metric"] == never_predicted.METRIC).any(),
        provenance=results.provenance,
        panels=results.panels,
        csv_of_all=(folder / "metrics.csv").read_text(encoding="utf-8"),
    )
    write_text(folder / "index.html", page)


def _missing(shown_figures: dict[str, Any], shown_tables: dict[str, Any]) -> dict[sections.Part, str]:
    """What this benchmark does not have of the sections' parts -> its title and why."""
    missing = {}
    for part in (part for section in sections.SECTIONS for part in section.parts):
        if part.kind == "figure" and (why := shown_figures[part.name]["missing"]):
            missing[part] = f"{shown_figures[part.name]['caption']['title']} (figure): {why}"
        elif part.kind == "table" and shown_tables[part.name]["rows"].empty:
            missing[part] = f"{shown_tables[part.name]['caption']['title']} (table): nothing to show"
    return missing


def _template(templates: Path, recording: Callable[[str, str], Markup]) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": html.cell, "duration": text.duration, "download": html.download}
    environment.filters |= {"sort_keys": lambda rows: [html.sort_keys(rows[column].tolist()) for column in rows]}
    environment.filters |= {"method": method_label, "network": network_label, "sign": html.verdict_sign}
    environment.filters |= {"inference": choice.inference}
    environment.filters |= {"recording": recording}
    return environment.get_template("index.html.j2")


def _table(name: str, results: Results, captions: Captions, folder: Path, templates: Path) -> dict[str, Any]:
    """Written to its files; what the page shows of it."""
    table, caption = tables.make(name, results, templates), captions.of("tables", name)
    files.write(table, folder / "tables" / name, caption["text"])
    return {"caption": caption, "rows": table.view, "csv": table.data.to_csv(index=False)}


def _figure(name: str, results: Results, captions: Captions, folder: Path) -> dict[str, Any]:
    """Written to its files; what the page shows of it."""
    figure = figures.draw(name, results)
    missing = figure if isinstance(figure, str) else ""
    drawing.save(drawing.placeholder(figure) if isinstance(figure, str) else figure, folder / "figures" / name)
    path = folder / "figures" / name
    svg = path.with_suffix(".svg").read_text(encoding="utf-8")
    return {
        "caption": captions.of("figures", name),
        "missing": missing,
        "svg": html.inline_svg(svg, name),
        "narrow": html.width(svg) < 72 * (COLUMN_WIDTH + WIDTH) / 2,
        "csv": path.with_suffix(".csv").read_text(encoding="utf-8"),
        "command": f"snn report --configfile results/{results.provenance['benchmark']}/config.json --figure {name}",
    }
