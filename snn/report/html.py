"""Parts of the page: a table's cell, a download, a figure."""

from __future__ import annotations

import base64
import gzip
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


SMALL = 20_000
"""Characters of a CSV file up to which it is in the page as it is; larger ones are compressed."""


def download(content: str, name: str, words: str) -> Markup:
    """A link that saves a CSV file without a network and without scripts; a large one as `.csv.gz`, which pandas, R and
    spreadsheets read too."""
    kind, ending, data = "text/csv", "csv", content.encode()
    if len(content) > SMALL:
        kind, ending, data = "application/gzip", "csv.gz", gzip.compress(data, mtime=0)
        words += " (.csv.gz)"
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return Markup('<a download="{}.{}" href="{}">{}</a>').format(name, ending, address, words)


def inline_svg(svg: str, name: str) -> Markup:
    """matplotlib's SVG for use inside the page: ids of its own, the page's colours for ink, grid and paper, and places
    to a hundredth of a point, which nobody sees and which is a third of its length."""
    svg = svg[svg.index("<svg") :].replace("<svg", '<svg aria-hidden="true"', 1)  # what is around it says what it shows
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for pattern in (r'(id=")', r'(xlink:href="#)', r"(url\(#)"):
        svg = re.sub(pattern, rf"\g<1>{name}-", svg)
    for colour, variable in ((style.INK, "ink"), (style.FAINT, "faint"), (style.GRID, "grid"), (style.PAPER, "paper")):
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r' (d|x|y|x1|y1|x2|y2|points|transform|style)="([^"]*)"', _rounded, svg)
    return Markup(svg)


def _rounded(attribute: re.Match[str]) -> str:
    """The numbers of an attribute to two decimals, and dots (lines to where they begin) in their short form.

    Scales below one, as of the glyphs of text, keep what they have."""
    name, value = attribute[1], attribute[2]
    if (name == "transform" and "scale" in value) or (name == "style" and "matrix" in value):
        return attribute[0]
    value = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)
    if name == "d":
        value = re.sub(r"M ([\d.]+) ([\d.]+) \s*L \1 \2\s*", r"M\1 \2h0", value)
    return f' {name}="{value}"'


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
    e.g. -11.0 of `−11.0 [−17.2, −4.8]`, or its fraction, 0.5 of `5/10` (`·`: none); None where some are text."""
    keys = []
    for value in map(str, column):
        if fraction := re.fullmatch(r"(\d+)/([1-9]\d*)|·", value):
            keys.append("0" if value == "·" else f"{int(fraction[1]) / int(fraction[2]):.12g}")
            continue
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
