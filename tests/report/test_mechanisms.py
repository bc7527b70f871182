"""The figures about mechanisms show what the probes and histories hold, or say what they need."""

import pytest
from fake import CEILING, MORE, make_cells
from matplotlib.figure import Figure

from snn.phases.collect import collect
from snn.report import MECHANISM_FIGURES, TEMPLATES, figures, render
from snn.report.figures.drawn import data_of
from snn.report.results import Results
from snn.report.style import method_label, short_label
from snn.statistics import mean_interval

SMALL = {"networks": ("3c1fc",), "samples": 60, "epochs": 12, "diverged": (), "seeds": (0, 1), "probes": True}
SHOWN = {
    "gradient_depth": {"sdt", "shortcut", "shortcut-evolutionary", "mine"},
    "gradient_histogram": {"sdt", "shortcut", "shortcut-evolutionary", "mine"},
    "ltl_convergence": {"ann", "sdt", "ltl-offline", "ltl-online", "mine"},
    "memory_over_t": {"sdt", "ltl-offline", "ltl-online", "mine"},
    "flexibility": {"sdt", "sdt*", "mtt", "nmt", "mine"},
    "firing_rates": {*CEILING, *MORE} - {"chance", "ann"},
    "noise_robustness": {"sdt", "sdt-matched", "mtt", "nmt", "mine"},
    "time_over_t": {"sdt", "ltl-offline", "ltl-online", "mine"},
    "gradient_cosine": {"sdt", "dspike", "dspike-fixed", "mine"},
    "loss_landscape": {"sdt", "sdt-matched", "mtt", "nmt", "tet", "mine"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    root = tmp_path_factory.mktemp("mechanisms")
    collect("fake", "matched", make_cells(root / "cells", methods=(*CEILING, *MORE), **SMALL), root / "report")
    return Results(root / "report")


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Results:
    """As `results`, with three seeds, of which every one was probed."""
    root = tmp_path_factory.mktemp("three")
    seeds = {"seeds": (0, 1, 2), "probed": (0, 1, 2)}
    collect("fake", "matched", make_cells(root / "cells", methods=(*CEILING, *MORE), **SMALL | seeds), root / "report")
    return Results(root / "report")


def lines(figure: Figure, panel: int = 0) -> list[list[float]]:
    """Of each curve its values; without the dots of single seeds."""
    drawn = figure.axes[panel].get_lines()
    return [list(map(float, line.get_ydata())) for line in drawn if not str(line.get_label()).startswith("_seed")]


@pytest.mark.parametrize("name", SHOWN)
def test_it_holds_the_methods_of_its_claim_and_new_ones(name, results):
    figure = figures.draw(name, results)
    names = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert names == {short_label(m) for m in SHOWN[name]}


OVER_SEEDS = sorted({*SHOWN, "dspike_temperature", "local_losses"} - {"flexibility"})


@pytest.mark.parametrize("name", OVER_SEEDS)
def test_every_curve_has_its_seeds_or_their_interval(name, results, three):
    """With two seeds every one is a dot; with three there is a pointwise interval, and no dot where it is."""
    few, enough = (data_of(figures.draw(name, of)) for of in (results, three))
    curves = set(few.query("kind == 'mean'")["series"])
    assert curves == set(enough.query("kind == 'mean'")["series"])
    assert set(few.query("kind == 'seed'")["series"]) == curves
    assert not (few["kind"] == "band").any()
    assert set(enough.query("kind == 'band'")["series"]) == curves
    assert not (enough["kind"] == "seed").any()
    means = enough.query("kind == 'mean'").set_index(["panel", "x_axis", "y_axis", "series", "x"])["y"].astype(float)
    bands = enough.query("kind == 'band'").set_index(["panel", "x_axis", "y_axis", "series", "x"])
    assert len(bands) == len(means)
    assert (bands["y"].astype(float) <= means.loc[bands.index] + 1e-9).all()
    assert (bands["y_high"].astype(float) >= means.loc[bands.index] - 1e-9).all()


def test_the_band_is_students_interval_over_seeds(three):
    """The middle seed has no noise of its own: values 0.7 - 0.1, 0.7, 0.7 + 0.1."""
    curves = three.curves
    noise = (curves["curve"] == "weight_noise") & (curves["x"] == 0.5) & (curves["method"] == "mtt")
    before = curves.loc[noise, "value"].copy()
    curves.loc[noise, "value"] = [0.6, 0.7, 0.8]
    three.__dict__.pop("_curves", None)
    try:
        rows = data_of(figures.draw("noise_robustness", three)).query("kind == 'band' and series == 'MTT' and x == 0.5")
    finally:
        curves.loc[noise, "value"] = before
        three.__dict__.pop("_curves", None)
    interval = mean_interval([60.0, 70.0, 80.0])
    assert float(rows["y"].iloc[0]) == pytest.approx(interval.low)
    assert float(rows["y_high"].iloc[0]) == pytest.approx(interval.high)


def test_layers_stand_in_the_order_of_computation(results):
    left, right = (lines(figures.draw("gradient_depth", results), i) for i in (0, 1))
    assert left == [pytest.approx(norms) for norms in ([2, 4], [4, 8], [4, 8], [2, 4])], (
        "means over iterations, first layer first: SDT, Shortcut twice, mine"
    )
    assert right == [pytest.approx(ratios) for ratios in ([1, 1], [2, 2], [2, 2], [1, 1])], "divided by SDT's"


def test_rates_of_a_network_that_fires_more_are_drawn_whole(tmp_path):
    small = SMALL | {"networks": ("3c1fc", "resnet8"), "seeds": (0,)}
    collect("fake", "matched", make_cells(tmp_path / "cells", methods=("sdt",), **small), tmp_path / "report")
    results = Results(tmp_path / "report")
    of_second = (results.curves["network"] == "resnet8") & results.curves["curve"].str.startswith("firing_rate/")
    results.curves.loc[of_second, "value"] *= 9
    figure = figures.draw("firing_rates", results)
    assert max(lines(figure, 1)[0]) == pytest.approx(9 * max(lines(figure, 0)[0]))
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert 0 < low < min(lines(figure, 0)[0])
        assert high > max(lines(figure, 1)[0])


def test_memory_is_in_kib_at_each_t(results):
    sdt, offline, online, _ = lines(figures.draw("memory_over_t", results))
    assert sdt == pytest.approx([2, 5, 17])
    assert offline == pytest.approx([1.3, 2.2, 5.8])
    assert online == pytest.approx([1, 1, 1])


def test_dspike_shows_temperature_and_candidates(results):
    figure = figures.draw("dspike_temperature", results)
    ((first, *_),) = lines(figure)
    assert first == pytest.approx(3.4)
    assert [line[0] for line in lines(figure, 1)] == [0.1, 0.2, 0.3]


def test_ltl_shows_the_first_ten_epochs_only(results):
    curves = lines(figures.draw("ltl_convergence", results))
    assert {len(line) for line in curves} == {10, 2}, "two ends: the teacher's line"


def test_time_is_in_milliseconds_at_each_t(results):
    assert lines(figures.draw("time_over_t", results))[0] == pytest.approx([2, 8, 32])


def test_local_losses_stand_in_the_order_of_the_layers_one_panel_a_method(results):
    figure = figures.draw("local_losses", results)
    assert [axes.get_title("left") for axes in figure.axes] == ["3C1FC, LTL, offline", "3C1FC, LTL, online"]
    second, tenth = lines(figure)
    assert (second[0], tenth[0]) == pytest.approx((1 / 2, 1 / 10)), "stage 2 before stage 10"
    assert {text.get_text() for text in figure.axes[0].texts} == {"layer 1", "layer 2"}


def test_a_probe_that_is_off_is_named_by_its_key(tmp_path):
    cells = make_cells(tmp_path / "c", methods=("sdt", "mtt"), star=(), **(SMALL | {"probes": False}))
    collect("fake", "matched", cells, tmp_path / "report")
    assert "`probe.landscape`" in figures.draw("loss_landscape", Results(tmp_path / "report"))


def test_noise_shows_the_kinds_that_were_measured(results):
    figure = figures.draw("noise_robustness", results)
    assert [a.get_xlabel() for a in figure.axes if a.get_visible()] == [
        *("Noise on weights (σ / rms)", "Noise on frames (σ / rms)", "Events dropped")
    ]


@pytest.mark.parametrize("name", sorted({*MECHANISM_FIGURES} - {"firing_rates"}))
def test_it_says_what_it_needs(name, tmp_path):
    collect("fake", "matched", make_cells(tmp_path / "c", methods=("sdt",), star=(), **SMALL), tmp_path / "report")
    needs = figures.draw(name, Results(tmp_path / "report"))
    assert needs.startswith("needs ")
    assert any(method_label(m) in needs for m in ("shortcut", "dspike", "ltl-offline", "mtt"))


def test_the_page_says_it_in_one_line(tmp_path):
    cells = make_cells(tmp_path / "c", methods=("sdt", "mtt"), star=(), **(SMALL | {"probes": False}))
    collect("fake", "matched", cells, tmp_path / "report")
    render(tmp_path / "report", {}, TEMPLATES)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Dspike&#39;s temperature (figure): needs Dspike in this benchmark." in page
    assert "Noise on weights and input (figure): needs results of" in page
    assert 'id="figure-flexibility"' in page
    assert 'id="figure-noise_robustness"' not in page
