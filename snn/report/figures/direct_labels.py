"""Names beside what they name, instead of a legend: in a column right of a panel, each with a line to its curve or
point, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from snn.report.style import INK

SIZE = 7.0  # points
SPACING = 1.25  # of a line, in units of its size
GAP = 0.04  # from the panel to its labels, as a fraction of the panel's width


class Label(NamedTuple):
    """text: beside the place (x, y) of the data; colour: of the line that joins them."""

    text: str
    x: float
    y: float
    colour: str


def add(axes: Axes, labels: Sequence[Label]) -> None:
    """Write the labels; to be called when all else is drawn, since it needs the final limits."""
    if not labels:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = 72 * axes.get_position().height * figure.get_figheight()  # points
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_axes.transform((label.x, label.y))[1]) for label in labels]
    places = spread(wanted, SIZE * SPACING / max(height, 1.0))
    for label, place in zip(labels, places, strict=True):
        axes.annotate(
            label.text,
            (label.x, label.y),
            (1 + GAP, place),
            textcoords="axes fraction",
            annotation_clip=False,
            color=INK,
            fontsize=SIZE,
            va="center",
            arrowprops={"arrowstyle": "-", "color": label.colour, "linewidth": 0.8, "linestyle": (0, (1, 1)),
                        "shrinkA": 1, "shrinkB": 2, "relpos": (0, 0.5)},
        )  # fmt: skip


def spread(wanted: Sequence[float], distance: float) -> list[float]:
    """Places near the `wanted` ones, in their order, at least `distance` apart, and from 0 to 1 if there is room.

    Neighbours that are too near become a block, centred on the mean of what they want; blocks that meet are joined.
    """
    wanted = [min(max(place, 0.0), 1.0) for place in wanted]
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    blocks: list[list[int]] = []
    for i in order:
        blocks.append([i])
        while len(blocks) > 1 and _bottom(blocks[-1], wanted, distance) < (
            _bottom(blocks[-2], wanted, distance) + len(blocks[-2]) * distance
        ):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    places = [0.0] * len(wanted)
    for block in blocks:
        for k, i in enumerate(block):
            places[i] = _bottom(block, wanted, distance) + k * distance
    return places


def _bottom(block: Sequence[int], wanted: Sequence[float], distance: float) -> float:
    length = (len(block) - 1) * distance
    bottom = sum(wanted[i] for i in block) / len(block) - length / 2
    return max(0.0, min(bottom, 1.0 - length)) if length <= 1.0 else 0.5 - length / 2
