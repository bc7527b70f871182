"""The libraries that the page brings along, packed into it: it needs no network and nothing beside it.

DataTables (sorting, filters, columns, export) comes with the package itables, Vega-Lite (the explorer) with
vl-convert-python. Both are compressed; the browser unpacks them itself.
"""

from __future__ import annotations

import base64
import gzip
from importlib.resources import files

from markupsafe import Markup


def packed() -> dict[str, Markup]:
    """Id of the element in the page -> gzip in base64."""
    import vl_convert

    html = files("itables") / "html"
    return {
        "packed-tables": _pack((html / "dt_bundle.js").read_text(encoding="utf-8")),
        "packed-tables-style": _pack((html / "dt_bundle.css").read_text(encoding="utf-8")),
        "packed-explorer": _pack(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")),
    }


def _pack(text: str) -> Markup:
    return Markup(base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode())
