"""Names beside the points of a scatter plot, each where it covers no marker, no other name and as little of the
intervals as it can; with a grey line to its point where another point is nearer, or where it had to go further away."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Bbox

from snn.report.figures.direct_labels import SIZE, Label
from snn.report.style import FAINT, INK

MARKER = 4.0  # half of a marker's side, in points
BESIDE = 6.0  # from a point to its name, in points, where there is room
RADII = (BESIDE, 12.0, 18.0, 25.0, 34.0, 45.0, 58.0, 74.0, 92.0)
ANGLES = tuple(math.radians(angle) for angle in range(0, 360, 30))

Place = tuple[float, float]
"""Of the centre of a name, in points from its point."""


def add(axes: Axes, labels: Sequence[Label]) -> None:
    """Write the names; to be called when all else is drawn, since it needs the final limits."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixel = figure.dpi / 72  # pixels a point
    points = [axes.transData.transform((label.x, label.y)) for label in labels]
    taken = [_box(x, y, 2 * MARKER * pixel, 2 * MARKER * pixel) for x, y in points]
    inside, intervals = axes.get_window_extent(), _intervals(axes)
    # Those in a crowd choose first: others find room anyway.
    for i in sorted(range(len(labels)), key=lambda i: sum(math.dist(points[i], other) for other in points)):
        others = [point for k, point in enumerate(points) if k != i]
        size = _size(labels[i])
        free: list[tuple[float, Bbox, Place, bool]] = []
        for place in _places(*size):
            box = _box(*(points[i] + pixel * np.array(place)), *(pixel * np.array(size)))
            if _outside(box, inside) or any(box.overlaps(other) for other in taken):
                continue
            own = _distance(box, points[i])
            doubtful = any(_distance(box, other) < own for other in others)
            cost = own / pixel + 4.0 * sum(_crosses(box, *interval) for interval in intervals) + 8.0 * doubtful
            free.append((cost, box, place, doubtful or own > 1.5 * BESIDE * pixel))
        if free:
            _, box, place, line = min(free, key=lambda candidate: candidate[0])
            taken.append(box)
            _write(axes, labels[i], place, line)


def _size(label: Label) -> tuple[float, float]:
    """Width and height of a name, in points."""
    width, _, _ = TextToPath().get_text_width_height_descent(label.text, FontProperties(size=SIZE), False)
    return width + 2, 1.25 * SIZE


def _places(width: float, height: float) -> Iterator[Place]:
    """Where a name of this size may be, the nearest first."""
    for radius, angle in itertools.product(RADII, ANGLES):
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        sideways = abs(x) > radius / 10
        yield x + sideways * math.copysign(width / 2, x), y + (not sideways) * math.copysign(height / 4, y)


def _write(axes: Axes, label: Label, place: Place, line: bool) -> None:
    """The name with its centre at this place."""
    arrow = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": MARKER - 1}
    axes.annotate(
        label.text, (label.x, label.y), place, textcoords="offset points", ha="center", va="center", color=INK,
        fontsize=SIZE, annotation_clip=False, arrowprops=arrow if line else None, zorder=5,
    )  # fmt: skip


def _distance(box: Bbox, point: np.ndarray) -> float:
    """From a point to the nearest place of a box."""
    nearest = np.clip(point, (box.x0, box.y0), (box.x1, box.y1))
    return math.dist(nearest, point)


def _box(x: float, y: float, width: float, height: float) -> Bbox:
    return Bbox.from_bounds(x - width / 2, y - height / 2, width, height)


def _outside(box: Bbox, other: Bbox) -> bool:
    return box.x0 < other.x0 or box.x1 > other.x1 or box.y0 < other.y0 or box.y1 > other.y1


def _intervals(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """The ends of every horizontal or vertical interval, in pixels."""
    lines = [line for line in axes.collections if isinstance(line, LineCollection)]
    segments = [segment for line in lines for segment in line.get_segments()]
    return [tuple(axes.transData.transform(segment)) for segment in segments]


def _crosses(box: Bbox, start: np.ndarray, end: np.ndarray) -> bool:
    low, high = np.minimum(start, end), np.maximum(start, end)
    return bool(low[0] < box.x1 and high[0] > box.x0 and low[1] < box.y1 and high[1] > box.y0)
