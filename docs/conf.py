"""How `make docs` builds the site from the pages of this folder: Sphinx, MyST for Markdown, the theme furo.

Pages are read on the forge as well, so they hold plain Markdown and link files of the repository by relative paths.
What lies outside of this folder is brought in here: the guide to the configuration, CONTRIBUTING and CHANGELOG as pages
(`ELSEWHERE`), the reports that the repository keeps as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(DOCS / "_extensions")]
os.environ.setdefault("NO_COLOR", "1")  # in the usage lines of the command line

import snn  # noqa: E402

project = "snn-bench"
author = "The snn-bench authors"
copyright = f"2026, {author}, MIT licence"
version = release = snn.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxarg.ext"]
extensions += ["claims_table", "configuration_reference", "plain_docstrings"]  # docs/_extensions
exclude_patterns = ["_extensions"]

# --- Markdown
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
# `site:` is what lies beside the pages, in the folder of the site
myst_url_schemes = {"http": None, "https": None, "mailto": None, "site": "{{path}}"}

# --- docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"exclude-members": "model_config, model_post_init"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
maximum_signature_line_length = 80

# --- the site
html_theme = "furo"
html_title = f"snn-bench {version}"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}

# --- external links, by `make docs-links` alone: the site builds without a network
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_workers = 4
linkcheck_ignore = [r"(?!https?:)", r"https?://(127\.0\.0\.1|localhost|mlflow\.example\.org)"]

ELSEWHERE = {
    "config/README.md": "configuration.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
}
"""Files of the repository that are pages of the site, under these names."""
REPORTS = ("reports/nmnist_0to7", "reports/silicon")
"""Folders that the site holds as they are: links to them are links of the site."""


def links_of_the_site(text: str, page: Path) -> str:
    """`text` of a Markdown file `page` with its links to files outside of docs/ replaced by those of the site.

    A page of another folder stands at the top of the site.
    """
    here = page.parent if page.is_relative_to(DOCS) else DOCS

    def replaced(match: re.Match[str]) -> str:
        target, _, anchor = match[1].partition("#")
        path = Path(os.path.normpath(page.parent / target))
        if not path.is_relative_to(ROOT):
            return match[0]
        name, scheme = path.relative_to(ROOT).as_posix(), ""
        if name in ELSEWHERE:
            path = DOCS / ELSEWHERE[name]
        elif name.startswith(REPORTS) and path.suffix not in (".svg", ".png"):  # Sphinx copies a page's pictures itself
            path, scheme = DOCS / name, "site:"
        elif not path.is_relative_to(DOCS):
            return match[0]
        return f"]({scheme}{Path(os.path.relpath(path, here)).as_posix()}{anchor and f'#{anchor}'})"

    return re.sub(r"\]\((?!\w+:|#|<)([^)\s]+)\)", replaced, text)


def on_source_read(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = links_of_the_site(source[0], DOCS / f"{docname}.md")


def on_include_read(app: Sphinx, path: Path, docname: str, source: list[str]) -> None:
    source[0] = links_of_the_site(source[0], (DOCS / path).resolve())


def on_build_finished(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        for name in REPORTS:
            shutil.copytree(ROOT / name, Path(app.outdir) / name, dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    app.connect("source-read", on_source_read)
    app.connect("include-read", on_include_read)
    app.connect("build-finished", on_build_finished)
