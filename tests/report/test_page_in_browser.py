"""The page in a real browser, from a file and without network: what a reader does changes what is shown, and the
address keeps it."""

import base64
import gzip
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from fake import CEILING, engine_run, make_cells

from snn.phases.collect import collect
from snn.report import TEMPLATES, render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("page")
    cells = make_cells(root / "cells", methods=(*CEILING, "tet"), samples=120, epochs=2, star=(), diverged=())
    collect("fake", "matched", cells, root / "report")
    frames = {
        "saccades/index": np.arange(120) + 4000,
        "saccades/label": np.arange(120) % 10,
        "saccades/frames": np.full((120, 2, 2, 4, 4), 2, np.uint8),
    }
    np.savez(root / "report" / "recordings.npz", **frames, **engine_run(2, (5, 2)))
    provenance = root / "report" / "provenance.json"  # as an older version wrote it: without checksums of the others
    kept = {key: value for key, value in json.loads(provenance.read_text()).items() if key not in ("files", "sha256")}
    provenance.write_text(json.dumps(kept))
    render(root / "report", {}, TEMPLATES)
    return root / "report" / "index.html"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visit:
    """A page that was opened; errors and requests to anywhere else are collected."""

    def __init__(self, browser, file: Path, view: str = "", scripts: bool = True, **more):
        self.context = browser.new_context(java_script_enabled=scripts, offline=True, accept_downloads=True, **more)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # the machine may be busy
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"file://{file}{view}")
        if scripts:
            self.page.wait_for_selector("html[data-tables=ready]")

    def __enter__(self):
        return self.page

    def __exit__(self, *exception):
        self.context.close()
        assert self.errors == []
        assert all(re.match(r"(file|blob|data):", url) for url in self.requests), "nothing is fetched from elsewhere"


def rows(page, table: str) -> list[str]:
    return page.locator(f"#table-{table} tbody tr").all_inner_texts()


def test_tables_sort_filter_hide_and_keep_it_in_the_address(browser, page_file):
    with Visit(browser, page_file) as page:
        table = page.locator("#table-accuracy")
        everything = rows(page, "accuracy")
        table.get_by_label("Method, filter").select_option("MTT")
        assert 0 < len(rows(page, "accuracy")) < len(everything)
        assert all("MTT" in row for row in rows(page, "accuracy"))
        table.get_by_role("columnheader", name="Accuracy, clock-driven").click()
        table.get_by_role("button", name="Columns").click()
        page.locator(".dt-button-collection").get_by_text("Best on test, optimistic").click()
        page.keyboard.press("Escape")
        assert table.get_by_role("columnheader", name="Best on test").count() == 0
        address = page.url
    assert "accuracy.Method=MTT" in address
    with Visit(browser, page_file, "#" + address.partition("#")[2]) as page:
        assert all("MTT" in row for row in rows(page, "accuracy"))
        assert page.locator("#table-accuracy").get_by_role("columnheader", name="Best on test").count() == 0
        values = [float(row.split("\t")[3].split()[0]) for row in rows(page, "accuracy")]
        assert values == sorted(values)


def test_uncommon_modes_are_behind_a_choice_and_the_view_is_a_file(browser, page_file):
    with Visit(browser, page_file) as page:
        table = page.locator("#table-event_driven")
        assert not any("depth-first" in row for row in rows(page, "event_driven"))
        table.get_by_label("Inference, filter").select_option("all")
        assert any("depth-first" in row for row in rows(page, "event_driven"))
        table.get_by_label("Method, filter").select_option("TET")
        with page.expect_download() as download:
            table.get_by_role("button", name="CSV").click()
        lines = Path(download.value.path()).read_text().split("\n")
        lines = [line for line in lines if line.strip()]
        assert len(lines) == 1 + len(rows(page, "event_driven"))
        assert all('"TET"' in line for line in lines[1:])


def test_the_scoreboards_switch_needs_no_script(browser, page_file):
    with Visit(browser, page_file, scripts=False) as page:
        boards = page.locator("#table-scoreboard .board")
        assert [boards.nth(i).is_visible() for i in range(2)] == [True, False]
        page.get_by_role("radio", name="depth-first").check()
        assert [boards.nth(i).is_visible() for i in range(2)] == [False, True]


def test_the_scoreboard_is_sorted_by_keyboard_the_best_first_and_networks_stay_together(browser, page_file):
    def shown(page) -> list[tuple[int, float]]:
        """Of each row its network, by its place, and its event-driven accuracy."""
        cells = page.locator("table[data-sorted=scoreboard] tbody tr").all()
        return [(int(row.locator("td").first.get_attribute("data-order")),
                 float(row.locator("td").nth(3).get_attribute("data-order"))) for row in cells]  # fmt: skip

    with Visit(browser, page_file) as page:
        before = shown(page)
        head = page.locator("table[data-sorted=scoreboard] th", has_text="Event-driven accuracy, float")
        head.get_by_role("button").focus()
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash.includes('scoreboard.order')")
        assert head.get_attribute("aria-sort") == "descending"
        best_first = shown(page)
        assert best_first == sorted(before, key=lambda at: (at[0], -at[1])) != before
        seconds = page.locator("table[data-sorted=scoreboard] th", has_text="Synaptic operations")
        seconds.get_by_role("button").press("Enter")
        page.wait_for_function("location.hash.includes('Synaptic')")
        assert seconds.get_attribute("aria-sort") == "ascending", "fewer are better"
    view = "#scoreboard.order=Event-driven+accuracy%2C+float+%28%25%29.desc"
    with Visit(browser, page_file, view) as page:
        assert shown(page) == best_first
    with Visit(browser, page_file, scripts=False) as page:
        assert shown(page) == before, "complete without scripts"


def test_what_a_method_loses_is_a_link(browser, page_file):
    with Visit(browser, page_file) as page:
        table = page.locator("#table-lost_recordings")
        everything = len(rows(page, "lost_recordings"))
        assert table.get_by_role("columnheader", name="TET").count() == 1
        select = table.get_by_label("Lost by, filter")
        select.focus()
        select.select_option("TET")
        page.wait_for_function("location.hash.includes('Lost+by=TET')")
        few = rows(page, "lost_recordings")
        assert 0 < len(few) < everything
        heads = table.locator("thead th").all_inner_texts()
        counts = [row.split("\t")[heads.index("TET")].strip().split("/") for row in few]
        assert all(2 * int(lost) >= int(of) for lost, of in counts)
        assert counts == sorted(counts, reverse=True), "those lost by most seeds first"
        address = page.url
    with Visit(browser, page_file, "#" + address.partition("#")[2]) as page:
        assert rows(page, "lost_recordings") == few
        page.evaluate("location.hash = '#lost_recordings.Network=3C1FC'")  # a link in another page, or pasted
        page.wait_for_function(
            "[...document.querySelectorAll('html[data-tables=ready] #table-lost_recordings tbody tr')]"
            ".every((row, i, all) => all.length > 0 && row.innerText.startsWith('3C1FC'))"
            " && document.querySelector('[aria-label=\"Lost by, filter\"]')?.value === 'any'"
        )


def test_time_passes_over_the_picture_of_a_recording(browser, page_file):
    with Visit(browser, page_file) as page:
        figure = page.locator("#figure-events_through_network")
        button = figure.get_by_role("button")
        button.press("Enter")
        page.wait_for_function("document.querySelector('#figure-events_through_network').dataset.at > 0.02")
        assert figure.locator("g[clip-path]").count() == 4, "events of both polarities, and two layers"
        assert "spikes so far" in figure.locator("output").inner_text()
        button.press("Enter")
        assert figure.get_attribute("data-at") == "1.000"
        assert figure.locator("g[clip-path='url(#passed)']").count() == 0, "stopped: the whole picture"
        assert "100 ms: 100 % of the events, 7 spikes so far." in figure.locator("output").inner_text()
    with Visit(browser, page_file, reduced_motion="reduce") as page:
        figure = page.locator("#figure-events_through_network")
        button = figure.get_by_role("button")
        assert "step by step" in button.inner_text()
        button.press("Enter")
        assert figure.get_attribute("data-at") == "0.125"
        page.wait_for_timeout(300)
        assert figure.get_attribute("data-at") == "0.125", "nothing moves by itself"
        button.press("Enter")
        assert figure.get_attribute("data-at") == "0.250"
    with Visit(browser, page_file, scripts=False) as page:
        figure = page.locator("#figure-events_through_network")
        assert not figure.get_by_role("button").is_visible()
        assert figure.locator("g[clip-path='url(#passed)']").count() == 0


def test_large_files_are_saved_packed_without_scripts(browser, page_file):
    with Visit(browser, page_file, scripts=False) as page:
        link = page.get_by_role("link", name="All metrics of all cells")
        assert link.get_attribute("download") == "metrics.csv.gz"
        packed = base64.b64decode(link.get_attribute("href").partition(",")[2])
        assert gzip.decompress(packed) == (page_file.parent / "metrics.csv").read_bytes()


def test_the_choice_for_a_chip_is_on_the_first_screen(browser, page_file):
    with Visit(browser, page_file, scripts=False, viewport={"width": 1300, "height": 900}) as page:
        box = page.locator("#choice").bounding_box()
        assert box["y"] + box["height"] <= 900
        assert "int8" in page.locator("#choice").inner_text()


def test_the_explorer_draws_every_seed_and_tells_its_cell(browser, page_file):
    with Visit(browser, page_file) as page:
        page.locator("#explore").scroll_into_view_if_needed()
        section = page.locator("#explore[data-drawn]")
        section.wait_for()
        drawn = int(section.get_attribute("data-drawn"))
        assert drawn == 2 * 4 * 3, "networks x methods with both numbers x seeds"
        assert page.locator("#explore .chart .mark-symbol.role-mark path").count() == drawn
        page.locator("#explore select[name=y]").select_option("train/seconds/clock/10")
        page.locator("#explore summary").last.click()
        button = page.get_by_role("button", name="Show the cell MTT, 3C1FC, seed 1")
        button.focus()
        page.keyboard.press("Enter")
        told = page.locator("#explore .told").inner_text()
        for word in ("seed 1", "commit abc1234", "logs/saccades/3c1fc/mtt/T10/seed1/train.log"):
            assert word in told
        assert "explore.y=train%2Fseconds%2Fclock%2F10" in page.url


SPOKEN = {"button", "link", "combobox", "searchbox", "radio", "image", "table", "region", "columnheader"}


def test_screen_readers_are_told_what_every_control_picture_and_table_is(browser, page_file):
    with Visit(browser, page_file) as page:
        page.locator("#explore").scroll_into_view_if_needed()
        page.locator("#explore[data-drawn]").wait_for()
        nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
        assert {role for role, _ in told} >= SPOKEN
        assert [role for role, name in told if role in SPOKEN and not name.strip()] == []
        searches = [name for role, name in told if role == "searchbox"]
        assert len(searches) == len(set(searches)), "each says in which table it searches"
        levels = [int(node.evaluate("node => node.tagName[1]")) for node in page.locator("h1, h2, h3").all()]
        assert levels[0] == 1
        assert max(b - a for a, b in itertools.pairwise(levels)) <= 1, "no level is skipped"


def test_the_keyboard_reaches_what_the_mouse_does_and_shows_where_it_is(browser, page_file):
    with Visit(browser, page_file) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the results"
        page.keyboard.press("Enter")
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            kind, outline = page.evaluate(
                "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
            )
            assert outline != "none", kind
            reached.add(kind)
        assert reached >= {"A", "BUTTON", "SELECT", "INPUT", "SUMMARY"}


def test_lost_recordings_are_shown_as_frames(browser, page_file):
    with Visit(browser, page_file) as page:
        picture = page.locator("#table-lost_recordings img.frames").first
        assert picture.get_attribute("alt").startswith("Frames of recording 4")
        assert picture.evaluate("image => image.naturalWidth") == 2 * 5 - 1
        page.locator("#table-lost_recordings").get_by_label("Network, filter").select_option("3C1FC")
        assert all(row.startswith("3C1FC") for row in rows(page, "lost_recordings"))


@pytest.mark.parametrize("width", [1300, 420])
@pytest.mark.parametrize("scripts", [True, False])
def test_nothing_is_cut_off_at_any_width(browser, page_file, width, scripts):
    with Visit(browser, page_file, scripts=scripts, viewport={"width": width, "height": 900}) as page:
        if scripts:
            page.locator("#explore").scroll_into_view_if_needed()
            page.locator("#explore[data-drawn]").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "also the explorer's chart"
        assert page.locator("#table-accuracy tbody tr").count() >= 10, "all rows are there without scripts too"
        figures = page.locator("figure svg")
        assert all(figures.nth(i).bounding_box()["height"] > 80 for i in range(figures.count()))


def test_on_paper_everything_is_there(browser, page_file, tmp_path):
    with Visit(browser, page_file) as page:
        page.emulate_media(media="print")
        assert page.locator("#table-scoreboard .board").nth(1).is_visible(), "also what is behind the switch"
        assert not page.locator("#table-accuracy .dt-buttons").first.is_visible()
        page.set_viewport_size({"width": 1031, "height": 700})  # an A4 page on its side, within its margins
        assert page.evaluate("document.documentElement.scrollWidth") <= 1031, "nothing is cut off at the right edge"
        page.pdf(path=tmp_path / "page.pdf", format="A4")
        assert (tmp_path / "page.pdf").stat().st_size > 100_000
