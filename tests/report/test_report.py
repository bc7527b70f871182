"""The report: conclusions follow the data, holes and few seeds are named, and the page stands alone."""

import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from fake import CEILING, make_cells
from markupsafe import escape

from snn.phases.collect import collect
from snn.report import (
    FIGURE_FORMATS,
    FIGURES,
    MECHANISM_FIGURES,
    TABLE_FORMATS,
    TABLES,
    TEMPLATES,
    figures,
    render,
    tables,
    text,
)
from snn.report.answer import LINES, TOPICS, answer
from snn.report.captions import Captions
from snn.report.caveats import caveats
from snn.report.html import cell
from snn.report.quantities import event_driven_change
from snn.report.results import Quantity, Results, Term
from snn.report.settings import ReportSettings
from snn.report.style import METHODS, look
from snn.report.tables import published
from snn.report.tables.builder import Table
from snn.report.tables.files import latex, markdown
from snn.statistics import TOO_FEW, Interval

ROOT = Path(__file__).parents[2]
SMALL = {"networks": ("3c1fc",), "samples": 300, "epochs": 2, "diverged": (), "star": ()}


def results(tmp_path, **changes) -> Results:
    collect("fake", "matched", make_cells(tmp_path / "cells", **(SMALL | changes)), tmp_path / "report")
    return Results(tmp_path / "report")


def table(name: str, results: Results) -> Table:
    return tables.make(name, results, TEMPLATES)


AT_TRAINING, OVER_T, EVENT_DRIVEN, LEARNING = TOPICS


def findings_of(results: Results) -> dict[str, list[str]]:
    """Topic -> its sentences."""
    return {topic.title: [str(finding) for finding in topic.shown + topic.folded] for topic in answer(results)}


def finding(results: Results, statement: str) -> str:
    """The sentence about the claim that is stated so."""
    every = [sentence for sentences in findings_of(results).values() for sentence in sentences]
    (found,) = [sentence for sentence in every if sentence.startswith(statement + ":")]
    return found


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """A whole report with everything: two networks, a hole, SDT*, learning on simulated chips."""
    root = tmp_path_factory.mktemp("report")
    cells = make_cells(root / "cells", methods=(*CEILING, "ltl-offline"), samples=200, epochs=6)
    collect("fake", "matched", cells, root / "report")
    render(root / "report", {"question": "What survives & why?"}, TEMPLATES)
    return root / "report"


def test_without_deployments_everything_else_is_there(tmp_path):
    """Static images have no events: the first screen is about what was measured, and no hole is made of the rest."""
    cells = make_cells(tmp_path / "cells", **SMALL)
    for one in cells:
        shutil.rmtree(Path(one["folder"]) / "deploy", ignore_errors=True)
        one["phases"] = ["train"] if one["method"] in ("chance", "ann") else ["train", "sweep"]
    collect("fake", "matched", cells, tmp_path / "report")
    render(tmp_path / "report", {}, TEMPLATES)
    collected = Results(tmp_path / "report")
    assert collected.holes.empty
    assert list(findings_of(collected)) == [AT_TRAINING, OVER_T]
    page = (tmp_path / "report" / "index.html").read_text()
    head, main = page[page.index('<div class="first">') : page.index("</header>")], page[page.index("<main") :]
    assert "vent-driven" not in re.sub(r"<svg.*?</svg>", "", head, flags=re.S), "nothing was deployed"
    assert "Which method is the most accurate?" in head
    assert 'id="figure-accuracy_over_t"' in head, "the picture is of what was measured"
    assert 'id="events"' not in main
    assert "What is lost with fewer time steps, and what is lost event-driven (figure): needs results" in main
    for name in [*(f"tables/{n}.{f}" for n in TABLES for f in TABLE_FORMATS), "index.html"]:
        assert (tmp_path / "report" / name).is_file(), name
    for name in FIGURES:
        assert all((tmp_path / "report" / "figures" / f"{name}.{f}").stat().st_size for f in FIGURE_FORMATS)


# --- tables


def test_the_accuracy_change_is_taken_apart(tmp_path):
    cells = make_cells(tmp_path / "cells", **SMALL | {"networks": ("3c1fc", "single")})
    collect("fake", "matched", cells, tmp_path / "r")
    collected = Results(tmp_path / "r", variants={"single": "3c1fc"})
    rows = table("accuracy_change", collected).data.set_index(["network", "method", "quantity"])["mean"]
    for network in ("3c1fc", "single"):
        for method in ("sdt", "mtt"):
            names = ("accuracy_change", "accuracy_change_time_steps", "accuracy_change_rest")
            change, time_steps, rest = (rows[network, method, name] for name in names)
            assert change == pytest.approx(time_steps + rest)
            quantities = [Quantity("deploy", "clock", 10), Quantity("deploy", "event-float", None)]
            s = collected.find((collected.panels[0].dataset, network), method)
            clock, event = (np.mean(list(collected.values(s, q).values())) for q in quantities)
            assert change == pytest.approx(event - clock)
            assert change < 0, "negative is worse"
    difference = rows["single", "mtt", "accuracy_change"] - rows["3c1fc", "mtt", "accuracy_change"]
    assert rows["single", "mtt", "accuracy_change_minus_base"] == pytest.approx(difference)
    assert ("3c1fc", "mtt", "accuracy_change_minus_base") not in rows.index
    assert {panel.network for panel in collected.networks} == {"3c1fc"}
    assert "single" not in str(findings_of(collected))


def test_a_variant_without_its_network_is_a_network(tmp_path):
    """As a small VGG, whose large form nobody trains: claims are judged on it, and it is no ablation."""
    collected = results(tmp_path)
    assert Results(tmp_path / "report", variants={"3c1fc": "large"}).networks == collected.networks


# --- the answer


def test_the_answer_is_about_the_claims_that_were_judged_with_their_numbers(tmp_path):
    collected = results(tmp_path)
    assert list(findings_of(collected)) == [AT_TRAINING, OVER_T, EVENT_DRIVEN]
    gap = r"difference \+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\] points\."
    numbers = r"−\d+\.\d against −\d+\.\d points"
    flatter = finding(collected, "MTT is flatter over T than SDT")
    assert re.search(rf": supported, {numbers} \(T = 1 to 8\), {gap}", flatter)
    loses = finding(collected, "MTT loses less than SDT on event-driven deployment")
    assert re.search(rf": supported, {numbers}, {gap}", loses)
    accurate = finding(collected, "MTT is more accurate than SDT event-driven")
    assert re.search(rf": supported, \d+\.\d against \d+\.\d\s%, {gap}", accurate)


def test_a_reversed_effect_reverses_the_answer(tmp_path):
    collected = results(tmp_path, effect=-0.15)
    loses = finding(collected, "MTT loses less than SDT on event-driven deployment")
    assert re.search(": contradicted, .* difference −", loses)
    accurate = finding(collected, "MTT is more accurate than SDT event-driven at equal compute")
    assert re.search(": contradicted, .* difference −", accurate)


def test_no_effect_is_called_that(tmp_path):
    collected = results(tmp_path, effect=0.005)
    loses = finding(collected, "MTT loses less than SDT on event-driven deployment")
    assert re.search(r": undecided, .*; \d+ seeds would decide it\.", loses)


def test_equivalent_methods_are_so_within_the_margin(tmp_path):
    collected = results(tmp_path, methods=("sdt", "mtt"), samples=2000, seeds=range(8), effect=0.0)
    loses = finding(collected, "MTT loses less than SDT on event-driven deployment")
    assert ": equivalent within ±2 points, " in loses


def test_the_claims_of_a_benchmark_without_mtt_are_its_answer(tmp_path):
    collected = results(tmp_path, methods=("chance", "ann", "sdt", "shortcut", "dspike", "dspike-fixed", "conversion"))
    assert list(findings_of(collected)) == [AT_TRAINING]
    first, *_ = findings_of(collected)[AT_TRAINING]
    assert first.startswith("Dspike is more accurate than a fixed surrogate gradient: "), "against SDT first"
    render(tmp_path / "report", {}, TEMPLATES)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "MTT" not in re.sub(r"<svg.*?</svg>", "", page[page.index("<header") : page.index("</header>")], flags=re.S)


def test_the_first_screen_has_room_for_a_few_claims_of_each_topic_and_folds_the_rest(tmp_path):
    networks = tuple(f"n{i}" for i in range(4))
    topics = answer(results(tmp_path, networks=networks, samples=40))
    assert sum(len(topic.shown) for topic in topics) == LINES
    assert [len(topic.shown) for topic in topics] == [4, 4, 4]
    assert sum(len(topic.folded) for topic in topics) == 4 * 8 - LINES


def test_the_answer_and_the_table_of_claims_agree(rendered):
    claims = pd.read_csv(rendered / "tables" / "claims.csv").set_index(["name", "network"])
    page = (rendered / "index.html").read_text()
    assert claims.verdict["mtt_flatter", "3c1fc"] == "supported"
    assert "MTT is flatter over T than SDT (on 3C1FC): <b>supported</b>, −" in page
    assert re.search(r"<h3>.* Supported \(\d+\)", page)
    assert "MTT is flatter over T than SDT (on 3C1FC): +" in page


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_too_few_seeds_draw_no_conclusion(tmp_path, seeds):
    collected = results(tmp_path, seeds=seeds)
    for sentence in (sentence for sentences in findings_of(collected).values() for sentence in sentences):
        assert sentence.endswith(f"; {TOO_FEW}."), "two seeds say nothing of the variance between seeds"
        assert ": undecided, " in sentence
    assert any(TOO_FEW in caveat for caveat in caveats(collected))
    assert (table("paired", collected).view["p"] == TOO_FEW).all()
    assert table("accuracy", collected).view["Accuracy, clock-driven, last epoch (%)"].str.fullmatch(r"[\d.]+").all()
    assert table("accuracy", collected).view["n"].str.contains(TOO_FEW).all()


def test_where_no_claim_can_be_judged_the_page_says_so(tmp_path):
    assert answer(results(tmp_path, methods=("chance", "ann", "sdt"))) == []
    render(tmp_path / "report", {}, TEMPLATES)
    page = (tmp_path / "report" / "index.html").read_text()
    assert 'None of <a href="#claims">the papers\' claims</a> is about what this benchmark compares.' in page


def test_a_network_without_the_compared_methods_is_passed_over(tmp_path):
    cells = make_cells(tmp_path / "cells", networks=("3c1fc",), diverged=(), star=())
    cells += make_cells(tmp_path / "cells", networks=("resnet-small",), methods=("sdt",), diverged=(), star=())
    collect("fake", "matched", cells, tmp_path / "report")
    assert "resnet" not in str(findings_of(Results(tmp_path / "report")))


def test_the_answer_names_holes_and_missing_data(tmp_path):
    collected = results(tmp_path, diverged=(("3c1fc", "mtt", 2),))
    assert "MTT on 3C1FC (seed 2, train: diverged)" in caveats(collected)[0]
    collected.provenance["manifests"] = {"saccades": {"missing": {"classes": "8 and 9"}}}
    assert "saccades is not complete: it lacks classes 8 and 9" in " ".join(caveats(collected))


def test_missing_data_are_counted(tmp_path):
    collected = results(tmp_path, seeds=(0,))
    missing = {"test": {"8": 974, "9": 1009}, "train": {"8": 5851}}
    collected.provenance["manifests"] = {"saccades": {"missing": missing}}
    words = "it lacks 1,983 recordings of test (2 classes) and 5,851 recordings of train (1 class)"
    assert words in " ".join(caveats(collected))


def test_classes_that_are_never_predicted_are_counted_and_named(tmp_path):
    """Such a network has a mean accuracy like any other; in the old report nothing else told of it."""
    cells = make_cells(tmp_path / "cells", **SMALL)
    for one in cells:
        if one["method"] == "sdt" and one["seed"] == 1:
            path = one["folder"] / "deploy" / "predictions.npz"
            with np.load(path) as arrays:
                changed = dict(arrays)
            predicted = changed["event-float//accuracy"]
            changed["event-float//accuracy"] = np.where(predicted >= 8, 0, predicted)
            np.savez_compressed(path, **changed)
    collect("fake", "matched", cells, tmp_path / "report")
    collected = Results(tmp_path / "report")
    (row,) = table("never_predicted", collected).view.to_dict("records")
    assert row["Method"] == "SDT"
    assert row["Inference"] == "Event-driven, float"
    assert row["Classes never predicted, seed by seed"] == "0 / 2 / 0"
    assert "Some classes are never predicted by SDT on 3C1FC:" in " ".join(caveats(collected))


# --- every seed


@pytest.mark.parametrize(
    ("name", "places"),
    [("accuracy", 1), ("accuracy_over_t", 10), ("clock_vs_event", 6), ("accuracy_vs_cost", 1), ("flexibility", 10)],
)
def test_every_seed_is_a_point_where_intervals_are_drawn(tmp_path, name, places):
    """At n of 3 to 10 an interval says little where one training in five fails."""
    collected = results(tmp_path, methods=("sdt", "mtt"), star=())
    drawn = [figure_dots(axes) for axes in figures.draw(name, collected).axes[:1]]
    assert drawn == [2 * 3 * places], "methods x seeds x places"


def figure_dots(axes) -> int:
    """The number of single dots of one panel."""
    dots = [line for line in axes.get_lines() if line.get_marker() == "o" and line.get_linestyle() == "None"]
    return sum(len(line.get_xdata()) for line in dots if line.get_alpha())


@pytest.mark.parametrize("name", ["robustness_mismatch", "on_chip_learning"])
def test_every_seed_is_a_point_on_simulated_chips(tmp_path, name):
    collected = results(tmp_path, methods=("ltl-online",), star=())
    places = {"robustness_mismatch": 3, "on_chip_learning": 4}[name]  # levels and none; epochs 0 to 3
    assert figure_dots(figures.draw(name, collected).axes[0]) == 3 * places


# --- the numbers


def test_a_difference_is_on_shared_recordings_only(tmp_path):
    collected = results(tmp_path)
    s = collected.find(collected.panels[0], "mtt")
    clock, event = Quantity("deploy", "clock", 10), Quantity("deploy", "event-float", None)
    whole = collected.contrast(event_driven_change(s, "event-float"))
    assert whole.n_samples == 300
    means = [collected.interval(s, quantity).mean for quantity in (event, clock)]
    assert whole.mean == pytest.approx(means[0] - means[1])
    for seed in range(3):  # now the deployment has seen 100 recordings only, in another order
        key = f"saccades/3c1fc/mtt/T10/seed{seed}/deploy/"
        for name in [name for name in collected.predictions if name.startswith(key)]:
            collected.predictions[name] = collected.predictions[name][:100][::-1]
    part = collected.contrast([Term(1.0, s, event), Term(-1.0, s, Quantity("train", "clock", 10))])
    assert part.n_samples == 100


def test_the_hole_lowers_n(tmp_path):
    collected = results(tmp_path, diverged=(("3c1fc", "mtt", 2),))
    view = table("accuracy", collected).view.set_index("Method")
    assert view.loc["MTT", "n"] == f"2 of 3 × 300: {TOO_FEW}"
    assert view.loc["SDT", "n"] == "3 × 300"
    assert list(table("holes", collected).view["Status"]) == ["diverged"]


def test_cost_is_relative_to_sdt(tmp_path):
    view = table("cost", results(tmp_path)).view.set_index("Method")
    assert view.loc["MTT", "Time steps / SDT"] == "1.65"
    assert view.loc["SDT", "Wall time / SDT"] == "1.00"


def test_paired_corrects_each_family(tmp_path):
    data = table("paired", results(tmp_path)).data
    assert set(data["measure"]) == {
        *("accuracy, clock-driven", "accuracy, event-driven", "accuracy change, event-driven")
    }
    assert (data["p_holm"] >= data["p"]).all()
    assert ((data["low"] > 0) | (data["high"] < 0)).equals(data["p"] < 0.05)


def test_anytime_interpolates_the_curve(tmp_path):
    collected = results(tmp_path, methods=("sdt", "mtt"))
    data = table("anytime", collected).data
    when = data[data["quantity"] == "us_to_95_percent_of_final"].set_index(["method", "mode"])["mean"]
    assert 0 < when["mtt", "event-float"] < when["sdt", "event-float"] < 300_000


def test_sdt_star_is_its_own_row(tmp_path):
    view = table("accuracy_over_t", results(tmp_path, star=(2,))).view.set_index("Method")
    star = view.loc["SDT* (trained at each T)"]
    assert star["T = 1"] == text.NONE
    assert star["T = 2"] != text.NONE
    assert star["T = 10"] != text.NONE


def test_a_benchmark_without_sweep_or_deployment_still_renders(tmp_path):
    cells = make_cells(tmp_path / "cells", **(SMALL | {"methods": ("ann", "chance"), "seeds": (0,)}))
    collect("fake", "matched", cells, tmp_path / "report")
    render(tmp_path / "report", {}, TEMPLATES)
    assert "Nothing to show" in (tmp_path / "report" / "index.html").read_text()
    assert (tmp_path / "report" / "figures" / "accuracy_over_t.svg").exists()


# --- how they are written


def test_numbers_as_text():
    assert text.percent(Interval(0.931, 0.92, 0.942, 3, 1000)) == "93.1 [92.0, 94.2]"
    assert text.percent(Interval(0.93123, 0.92, 0.942, 3, 2000)) == "93.12 [92.00, 94.20]"
    assert text.percent(Interval(-0.0123, -0.02, -0.0001, 3, 900), signed=True) == "−1.2 [−2.0, 0.0]"
    assert text.percent(Interval(0.9, 0.8, 1, 1, 900, TOO_FEW)) == "90.0"
    assert text.percent(None) == text.quantity(Interval(math.nan, 0, 0, 1, 0)) == text.NONE
    assert [text.short(v) for v in (0, 0.0123, 4.56, 789, 1234, 12345, 4.56e6)] == [
        *("0", "0.012", "4.56", "789", "1,234", "12.3 k", "4.56 M")
    ]
    assert text.duration(7512) == "2 h 05 min"
    assert text.p_value(0.0001) == "< 0.001"


def test_markdown_and_latex():
    view = pd.DataFrame([{"Method": "a|b_c", "Difference (%)": "−1.2 [−2.0, 0.0]"}])
    assert markdown(view).splitlines()[-1] == "| a\\|b_c | −1.2 [−2.0, 0.0] |"
    tex = latex(view, "50 % of x_1", "t")
    assert r"a|b\_c & $-$1.2 [$-$2.0, 0.0] \\" in tex
    assert r"\caption{50 \% of x\_1}" in tex


def test_cells_of_the_page_are_escaped():
    assert cell("<b>") == "&lt;b&gt;"
    assert cell("93.1 [92.0, <i>]") == '93.1 <span class="ci">[92.0, &lt;i&gt;]</span>'


def test_looks_are_distinct_and_new_methods_get_one():
    assert len({(m.colour, m.marker) for m in METHODS.values()}) == len(METHODS)
    mine = {look(name, ["mine", "yours"])[1:3] for name in ("mine", "yours")}
    assert len(mine) == 2


# --- the files


class Resources(HTMLParser):
    """Everything that a browser would fetch, and every id."""

    def __init__(self):
        super().__init__()
        self.fetched, self.ids = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "srcset", "xlink:href", "data", "poster") or (name == "href" and tag != "a"):
                self.fetched.append(value)
            if name == "id":
                self.ids.append(value)


def test_all_files_are_there(rendered):
    for name in TABLES:
        for ending in TABLE_FORMATS:
            assert (rendered / "tables" / f"{name}.{ending}").stat().st_size
    for name in FIGURES:
        for ending in FIGURE_FORMATS:
            assert (rendered / "figures" / f"{name}.{ending}").stat().st_size


def test_the_page_stands_alone(rendered):
    page = (rendered / "index.html").read_text()
    resources = Resources()
    resources.feed(page)
    assert all(value.startswith("#") for value in resources.fetched)
    assert len(resources.ids) == len(set(resources.ids))
    assert "url(http" not in page
    assert "@import" not in page
    assert len(page) < 6e6
    missing = page.count(" (figure): needs ")
    assert page.count("<svg") == len(FIGURES) - missing
    assert missing == len(MECHANISM_FIGURES) - 2 + 2, (
        "but for accuracy over T and LTL's epochs: not probed; no lower bound was set, no recording is there"
    )


def test_the_page_says_what_it_should(rendered):
    page = (rendered / "index.html").read_text()
    for expected in (
        "What survives &amp; why?",
        "loss is nan in epoch 5",
        "Best on test, optimistic",
        "95 % interval over seeds and test recordings together",
        "98.57",
        "ours is modelled",
        "abc1234",
        "SDT*",
        "None: every network predicts every class.",
    ):
        assert expected in page


def test_every_caption_names_interval_and_n(rendered):
    for path in (rendered / "tables").glob("*.md"):
        if path.stem not in ("holes", "never_predicted"):
            words = ("one-sided 95 % bounds", "95 % interval", "there are no intervals")
            assert any(word in path.read_text() for word in words)
            assert "seeds × 200 test recordings" in path.read_text()


def test_rendering_again_gives_the_same_bytes(rendered, tmp_path):
    copy = shutil.copytree(rendered, tmp_path / "report")
    shutil.rmtree(copy / "figures")
    render(copy, {"question": "What survives & why?"}, TEMPLATES)
    names = sorted(path.relative_to(rendered) for path in rendered.rglob("*") if path.is_file())
    assert [str(n) for n in names if (rendered / n).read_bytes() != (copy / n).read_bytes()] == []


def test_an_edited_caption_is_what_stands_there(tmp_path):
    collected = results(tmp_path, seeds=(0,))
    edited = tmp_path / "captions.yaml"
    edited.write_text(
        (TEMPLATES / "captions.yaml").read_text().replace("title: Missing results", "title: Gaps of {{ n }}")
    )
    assert Captions(collected, edited).of("tables", "holes")["title"] == "Gaps of {{ n }}"  # titles are plain
    assert (
        "n: 1 seed × 300 test recordings (1: too few seeds for an interval)"
        in Captions(collected, edited).of("tables", "accuracy")["text"]
    )


def test_names_captions_and_snakemake_captions_are_in_step():
    captions = yaml.safe_load((TEMPLATES / "captions.yaml").read_text())
    assert set(captions["tables"]) == set(TABLES)
    assert set(captions["figures"]) == set(FIGURES)
    assert set(figures.DRAWINGS) == set(FIGURES)
    assert {*tables.BUILDERS, "claims", "published"} == set(TABLES)
    rst = {path.stem for path in (ROOT / "workflow" / "report").glob("*.rst")}
    assert {*TABLES, *FIGURES, "workflow", "index"} == rst


def test_the_page_shows_every_table_and_figure_once_and_nav_leads_to_every_section(rendered):
    page = (rendered / "index.html").read_text()
    captions = yaml.safe_load((TEMPLATES / "captions.yaml").read_text())
    for name in TABLES:
        missing = f"<li>{escape(captions['tables'][name]['title'])} (table): "
        assert page.count(f'id="table-{name}"') + page.count(missing) == 1, name
    for name in FIGURES:
        missing = f"<li>{escape(captions['figures'][name]['title'])} (figure): "
        assert page.count(f'id="figure-{name}"') + page.count(missing) == 1, name
    nav = re.findall(r'<a href="#([^"]+)"', page[page.index("<nav") : page.index("</nav>")])
    assert nav == re.findall(r'<section id="([a-z]+)"', page), "same sections, same order"


def test_beside_published_numbers_stands_what_of_the_data_is_missing(tmp_path):
    """As `config/nmnist/0to7.yaml` has it: the data set is called nmnist, and its manifest says what it is."""
    manifest = {
        "title": "N-MNIST digits 0-7 (partial copy)",
        "missing": {"test": {"8": 974}},
        "counts": {"train": {"0": 1350, "1": 1350}, "test": {"0": 250, "1": 250}},
        "provenance": {"copy": "denoised"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    cells = make_cells(tmp_path / "cells", **SMALL, dataset="nmnist")
    collect("fake", "matched", cells, tmp_path / "report", {"nmnist": tmp_path / "manifest.json"})
    data = published.beside(Results(tmp_path / "report"), TEMPLATES / "published.yaml").data
    words = "ours is N-MNIST digits 0-7 (partial copy), 2,700 training and 500 test recordings (denoised)"
    assert len(data) == 5
    assert data["differs"].str.contains(words, regex=False).all()


def test_the_configuration_is_read_in_one_place():
    matrix = {"networks": ["3c1fc"], "t_train": [4]}
    config = {"question": "Why?", "matrix": matrix, "variants": {"wide": {"base": "3c1fc"}}}
    assert ReportSettings.from_config(config) == ReportSettings("Why?", (4,), {"wide": "3c1fc"})
    assert ReportSettings.from_config({}) == ReportSettings()


def test_a_variant_of_a_network_that_is_not_there_is_no_ablation():
    """The claims are about networks: a VGG of an eighth of the width, or a fine-tuned network, is one if it is all that
    there is. The variant of a network that only an extra rectangle asks for is an ablation of that one."""
    variants = {"vgg-small": {"base": "vgg11"}, "tuned": {"base": "vggsnn"}, "clipped": {"base": "3c1fc"}}
    matrix = {"networks": ["vgg-small"], "extra": [{"networks": ["3c1fc", "clipped"]}, {"methods": ["sdt"]}]}
    settings = ReportSettings.from_config({"matrix": matrix, "variants": variants})
    assert settings.variants == {"clipped": "3c1fc"}


def test_published_numbers_are_those_of_the_sources():
    numbers = yaml.safe_load((TEMPLATES / "published.yaml").read_text())
    for row in numbers["rows"]:
        assert row["paper"] in numbers["papers"]
        assert row["method"] in METHODS
        assert row["source"] in ("paper", "secondary source")
        assert row["dataset"] in numbers["beside"]["datasets"]
        assert row["network"] in numbers["beside"]["networks"]
    nmnist = {(r["measured"], r["method"]): r["percent"] for r in numbers["rows"] if r["dataset"] == "N-MNIST"}
    assert nmnist["chip", "sdt"] == 92.77
    assert nmnist["chip", "mtt"] == 98.57
