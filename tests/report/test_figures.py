"""What all figures share: names beside their lines, data as drawn, and the command that remakes one."""

import itertools

import numpy as np
import pandas as pd
import pytest
from fake import engine_run, make_cells
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation, Text
from PIL import Image

from snn.errors import UserError
from snn.phases.collect import collect
from snn.report import draw, figures
from snn.report.figures import direct_labels, drawing
from snn.report.figures.drawn import data_of
from snn.report.html import inline_svg, sort_keys
from snn.report.quantities import trained
from snn.report.results import Quantity, Results
from snn.report.style import METHODS, look

SMALL = {"networks": ("3c1fc",), "samples": 100, "epochs": 2, "diverged": (), "star": (), "methods": ("sdt", "mtt")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("figures")
    collect("fake", "matched", make_cells(root / "cells", **SMALL), root / "report")
    return root / "report"


def test_names_are_spread_and_stay_in_their_order():
    assert direct_labels.spread([0.2, 0.8], 0.1) == [0.2, 0.8]
    assert direct_labels.spread([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert direct_labels.spread([0.99, 1.2], 0.1) == pytest.approx([0.9, 1.0])
    crowded = direct_labels.spread([0.1 * (k % 3) for k in range(9)], 0.09)
    assert min(b - a for a, b in zip(sorted(crowded), sorted(crowded)[1:], strict=False)) > 0.0899
    assert direct_labels.spread([0.5] * 20, 0.1)[0] == pytest.approx(0.5 - 0.95), "more than there is room for"


def test_the_data_of_a_figure_are_the_numbers_drawn(folder):
    results = Results(folder)
    rows = data_of(figures.draw("accuracy_over_t", results))
    s = results.find(results.panels[0], "mtt")
    quantity = Quantity("sweep", "clock", 20)
    interval, of_mtt = results.interval(s, quantity), rows[rows["series"] == "MTT"]
    assert set(of_mtt["kind"]) == {"mean", "seed", "interval"}
    last = of_mtt.groupby("kind").last()
    assert last.loc["mean", "y"] == pytest.approx(100 * interval.mean)
    assert (last.loc["interval", "y"], last.loc["interval", "y_high"]) == pytest.approx(
        (100 * interval.low, 100 * interval.high)
    )
    assert last.loc["seed", "y"] == pytest.approx(100 * list(results.values(s, quantity).values())[-1])
    band = data_of(figures.draw("learning_curves", results)).query("kind == 'band'")
    assert (band["y"].astype(float) <= band["y_high"].astype(float)).all()


def test_every_method_has_an_interval_however_many_there_are(tmp_path):
    many = ("sdt", "sdt-matched", "mtt", "nmt", "tet", "dspike", "ltl-offline")
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL | {"methods": many}), tmp_path / "report")
    rows = data_of(figures.draw("accuracy_over_t", Results(tmp_path / "report")))
    assert set(rows.query("kind == 'interval'")["series"]) == set(rows["series"])
    assert len(set(rows["series"])) == len(many)


def test_one_figure_is_remade_by_its_name(folder):
    path = draw(folder, {}, "accuracy")
    data = pd.read_csv(path.with_suffix(".csv")).query("kind == 'mean' and series == 'SDT'")
    results = Results(folder)
    s = results.find(results.panels[0], "sdt")
    assert data["x"].item() == pytest.approx(100 * results.interval(s, trained(s)).mean)
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match=r"unknown figure 'acuracy'.*accuracy"):
        draw(folder, {}, "acuracy")
    with pytest.raises(UserError, match=r"lower_bound.*needs several bounds"):
        draw(folder, {}, "lower_bound")


def test_names_of_points_cover_no_marker_and_no_other_name(tmp_path):
    many = ("sdt", "sdt-matched", "mtt", "nmt", "tet", "dspike", "ltl-offline", "conversion")
    collect("fake", "matched", make_cells(tmp_path / "cells", **SMALL | {"methods": many}), tmp_path / "report")
    figure = figures.draw("kept_accuracy", Results(tmp_path / "report"))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    assert len(names) == len(many)
    boxes = [Text.get_window_extent(name) for name in names]  # without the line to the point
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    points = [axes.transData.transform(name.xy) for name in names]
    assert not any(box.contains(*point) for box in boxes for point in points)
    inside = axes.get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 + 1 for box in boxes)


def test_variants_with_one_method_alone_are_in_no_figure(tmp_path):
    cells = make_cells(tmp_path / "cells", **SMALL)
    cells += make_cells(tmp_path / "cells", **SMALL | {"networks": ("clipped",)})
    cells += make_cells(tmp_path / "cells", **SMALL | {"networks": ("plain",), "methods": ("sdt",)})
    collect("fake", "matched", cells, tmp_path / "report")
    results = Results(tmp_path / "report", variants={"clipped": "3c1fc", "plain": "3c1fc"})
    assert [panel.network for panel in results.panels] == ["3c1fc", "clipped", "plain"]
    shown = [axes.get_title(loc="left") for axes in figures.draw("learning_curves", results).axes if axes.get_visible()]
    assert shown == ["3C1FC", "clipped"]


def test_few_spikes_are_seen_in_the_png_too(folder, tmp_path):
    """Dots are lines without length, which matplotlib leaves out of a short path that it snaps to pixels."""
    results = Results(folder)

    def picture(spikes_shown: bool) -> np.ndarray:
        results.recordings = engine_run(5, (5, 5))
        figure = figures.draw("events_through_network", results)
        for patch in figure.axes[-1].patches:
            patch.set_visible(spikes_shown)
        drawing.save(figure, tmp_path / "run")
        return np.asarray(Image.open(tmp_path / "run.png"))

    with_spikes, without = picture(True), picture(False)
    assert (with_spikes != without).any(axis=-1).sum() >= 5


@pytest.mark.parametrize("paper", ["#fefefe", "#15181c"])
def test_colours_are_seen_on_light_and_dark_paper(paper):
    """WCAG's ratio of luminances: Okabe and Ito's orange has 2.23 on white; a thin line of less is lost."""

    def luminance(colour: str) -> float:
        parts = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], parts))

    spare = [look(f"mine{i}", [f"mine{k}" for k in range(6)]).colour for i in range(6)]
    for colour in {*(shape.colour for shape in METHODS.values()), *spare}:
        bright, dim = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) > 2.2, colour


def test_columns_of_numbers_are_sorted_as_numbers():
    assert sort_keys(["−1.2 [−2.0, 0.0]", "3.4 [1.0, 5.0]", "–"]) == ["-1.2", "3.4", ""]
    assert sort_keys(["12.3 k", "4.56 M", "1,234"]) == ["12300", "4560000", "1234"]
    assert sort_keys(["< 0.001", "0.012", "too few seeds"]) == ["0.001", "0.012", ""]
    assert sort_keys(["3 × 1,000", "2 of 3 × 1,000: too few seeds"]) == ["3", "2"]
    assert sort_keys(["10/10", "2/5", "·", "–"]) == ["1", "0.4", "0", ""]
    assert sort_keys(["MTT", "1"]) is None
    assert sort_keys(["–", "–"]) is None


def test_the_pages_svg_is_rounded_and_its_dots_are_short():
    """Zero-length lines with round caps are dots; scales of glyphs keep their digits."""
    svg = '<svg width="7pt"><path d="M 1.23456 7.891 L 1.23461 7.891 "/><g transform="scale(0.01234)"/></svg>'
    assert (
        inline_svg(svg, "f") == '<svg aria-hidden="true"><path d="M1.23 7.89h0"/><g transform="scale(0.01234)"/></svg>'
    )
