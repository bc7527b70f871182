"""The data of a figure: what is drawn in it, read back from the figure itself, so that file and picture cannot differ.

Series are told by the label that names them beside their line; dots of single seeds, intervals and bands by a label
`_<kind>/<series>` that is never shown. What has neither is decoration, e.g. a line at zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch

COLUMNS = ["panel", "x_axis", "y_axis", "series", "kind", "x", "y", "x_high", "y_high"]
"""kind: mean, seed, interval, band (intervals side by side), event or spike.
x_high, y_high: the other end of an interval or the upper edge of a band."""


def data_of(figure: Figure) -> pd.DataFrame:
    """One row a point, interval or place of a band, panel by panel, with full precision."""
    rows = [row for axes in figure.axes if axes.get_visible() for row in _of_panel(axes)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_panel(axes: Axes) -> Iterator[list[object]]:
    panel = " ".join(axes.get_title(loc="left").split())
    head = [panel, " ".join(axes.get_xlabel().split()), " ".join(axes.get_ylabel().split())]
    for artist in axes.get_children():
        kind, series = _what(artist)
        if isinstance(artist, Line2D) and kind:
            for x, y in np.asarray(artist.get_xydata(), float):
                yield [*head, series, kind, x, y, "", ""]
        elif isinstance(artist, LineCollection) and kind:
            for (x, y), (x_high, y_high) in artist.get_segments():
                yield [*head, series, kind, x, y, x_high, y_high]
        elif isinstance(artist, PathPatch) and kind:
            for x, y in np.asarray(artist.get_path().vertices, float)[::2]:
                yield [*head, series, kind, x, y, "", ""]
        elif isinstance(artist, FillBetweenPolyCollection) and kind:
            corners = np.concatenate([np.asarray(path.vertices, float) for path in artist.get_paths()])
            places = np.unique(corners[:, 0])
            for x in places:
                at = corners[corners[:, 0] == x, 1]
                yield [*head, series, kind, x, at.min(), x, at.max()]


def _what(artist: Artist) -> tuple[str, str]:
    """(kind, series), or two empty strings for decoration."""
    label = str(artist.get_label())
    if label.startswith("_") and "/" in label:
        kind, _, series = label[1:].partition("/")
        return kind, series
    return ("mean", label) if isinstance(artist, Line2D) and not label.startswith("_") else ("", "")
