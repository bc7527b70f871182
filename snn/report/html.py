"""Parts of the page: a table's cell, a download, a figure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

from snn.report import style
from snn.report.results import Panel
from snn.report.text import NONE
from snn.statistics import TOO_FEW


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


def width(svg: str) -> float:
    """Of matplotlib's SVG, in points."""
    found = re.search(r'<svg[^>]* width="([0-9.]+)pt"', svg)
    return float(found[1]) if found else 0.0


SIGNS = {"supported": "✓", "contradicted": "✗", "equivalent": "=", "undecided": "?", "not tested": "–"}


def verdict_sign(verdict: str) -> Markup:
    """A verdict as a sign that does not need colour, with its name for readers that do not see it."""
    return Markup('<span aria-hidden="true">{}</span><span class="unseen">{}: </span>').format(SIGNS[verdict], verdict)


_LETTERS = {"k": 1e3, "M": 1e6, "G": 1e9}


def sort_keys(column: Sequence[object]) -> list[str] | None:
    """What the rows of a column are sorted by where all of it are numbers (or missing): the leading number of each,
    e.g. -11.0 of `−11.0 [−17.2, −4.8]`; None where some are text."""
    keys = []
    for value in map(str, column):
        found = re.match(
            r"(?:[<×] )?([+−-]?[0-9][0-9,]*\.?[0-9]*)(?: ([kMG])\b)?(?: \[.*\]| × .*| of .*|: .*|)$", value
        )
        if not found and value not in (NONE, TOO_FEW):
            return None
        number = found and float(found[1].replace("−", "-").replace(",", "")) * _LETTERS.get(found[2], 1.0)
        keys.append("" if number is None else f"{number:.12g}")
    return keys if any(keys) else None


def recording(number: str, network: str, pictures: Mapping[tuple[str, int], str], panels: Iterable[Panel]) -> Markup:
    """A recording by its number, with its frames where there are any. network: as the table writes it."""
    datasets = [panel.dataset for panel in panels if style.network_label(panel.network) == network]
    picture = next((pictures[name, int(number)] for name in datasets if (name, int(number)) in pictures), None)
    if picture is None:
        return escape(number)
    return Markup('<img class="frames" src="{}" alt="Frames of recording {}, first to last"> {}').format(
        picture, number, number
    )
