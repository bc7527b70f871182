"""Draw docs/img/report.png: the first screen of the default benchmark's report, in the system's Chromium.

python docs/make_report.py [reports/saccades/index.html]
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH = 1300


def main(page_file: Path) -> None:
    """From the top of the page to where its list of contents begins."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        height = page.locator("nav").evaluate("nav => nav.getBoundingClientRect().top")
        shot = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height}, full_page=True)
        browser.close()
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE)  # a third of the size; keeps colours that are rare
    picture.save(Path(__file__).parent / "img" / "report.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "reports/saccades/index.html"))
