"""The table of the papers' claims at the end of `statistics.md`, from `snn/report/claims/stated.py`."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from snn.report.claims import sentences
from snn.report.claims.stated import CLAIMS

PAGE = "statistics"


def markdown() -> str:
    lines = [
        "| paper | claim | compared methods | quantity | direction | margin | where it stands |",
        "| --- " * 7 + "|",
    ]
    for claim in CLAIMS:
        methods = ", ".join(f"`{method}`" for method in claim.methods)
        cells = claim.paper, claim.statement, methods, claim.quantity.label, claim.direction
        lines.append("| " + " | ".join([*cells, sentences.margin(claim), claim.source]) + " |")
    return "\n" + "\n".join(lines) + "\n"


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == PAGE:
        source[0] += markdown()


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", on_source_read)
    return {"parallel_read_safe": True}
