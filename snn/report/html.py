"""Parts of the page: a table's cell, a download, a figure."""

from __future__ import annotations

import base64
import re

from markupsafe import Markup, escape

from snn.report import style


def cell(value: object) -> Markup:
    """A table's cell, with the interval set smaller, so that the eye runs over the means."""
    value = str(value)
    mean, bracket, rest = value.partition(" [")
    if bracket and rest.endswith("]") and "," in rest:
        return Markup('{} <span class="ci">[{}</span>').format(mean, rest)
    return escape(value)


def data_url(content: str) -> str:
    """A CSV file as the target of a link."""
    return "data:text/csv;base64," + base64.b64encode(content.encode()).decode()


def inline_svg(svg: str, name: str) -> Markup:
    """matplotlib's SVG for use inside the page: ids of its own, and the page's colours for ink, grid and paper."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for pattern in (r'(id=")', r'(xlink:href="#)', r"(url\(#)"):
        svg = re.sub(pattern, rf"\g<1>{name}-", svg)
    for colour, variable in ((style.INK, "ink"), (style.FAINT, "faint"), (style.GRID, "grid"), (style.PAPER, "paper")):
        svg = svg.replace(colour, f"var(--{variable})")
    return Markup(svg)
