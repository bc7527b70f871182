"""What the documentation site makes from the code and from other files: `make docs` builds it and checks its links."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from snn.benchmark.schema import full_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"


def module(path: str) -> ModuleType:
    """A file of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, DOCS / path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(autouse=True)
def path_as_before():
    """conf.py adds folders to it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def test_the_reference_of_the_configuration_has_every_key_of_every_block():
    reference, schema = module("_extensions/configuration_reference.py"), full_schema()
    sections = {part.partition("\n")[0]: part for part in reference.markdown(schema).split("\n## ")[1:]}
    assert [f"`{key}`" in sections["Top level"] for key in schema["properties"]].count(False) == 0
    for name, block in schema["$defs"].items():
        group = reference.GROUPS.get(name.partition(".")[0])
        section = sections[group[0] if group else reference.blocks(schema, schema["$defs"])[name]]
        assert not group or name.partition(".")[2] in section
        missing = [key for key in block.get("properties", {}) if f"| `{key}` |" not in section]
        assert not missing, f"{name}: {missing}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 10_000}, "integer (at least 1, at most 10,000)"),
        ({"type": "number", "exclusiveMinimum": 0}, "number (above 0)"),
        ({"enum": ["soft", "hard"]}, "`soft`, `hard`"),
        ({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, "list of string or `null`"),
        ({"$ref": "#/$defs/Augment"}, "the block [train.augment](#trainaugment)"),
        ({"type": "boolean"}, "`true` or `false`"),
    ],
)
def test_types_in_words(value, words):
    reference = module("_extensions/configuration_reference.py")
    assert reference.takes(value, {"Augment": "train.augment"}) == words


def test_docstrings_become_restructured_text():
    plain = module("_extensions/plain_docstrings.py")
    assert plain.escaped("`x` is |v| * 2, see `a_b`s and c_.") == r"``x`` is \|v\| \* 2, see ``a_b``\ s and c\_."
    text = ["Run it.", "mode: one.", "order: two.", "", "    u = v + x", "", "- first", "- second"]
    head = ["Run it.", "", "mode: one.", "", "order: two.", ""]
    assert plain.restructured(text) == [*head, "", "::", "", "        u = v + x", "", "", "- first", "- second"]


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("docs/nir.md", "../config/README.md#variants", "configuration.md#variants"),
        ("docs/api/events.md", "../../config/README.md", "../configuration.md"),
        ("docs/api/events.md", "../../reports/silicon/index.html", "site:../reports/silicon/index.html"),
        ("config/README.md", "../docs/nir.md", "nir.md"),
        ("docs/silicon.md", "../reports/silicon/index.html", "site:reports/silicon/index.html"),
        ("docs/nir.md", "events.md#semantics", "events.md#semantics"),
        ("docs/nir.md", "https://neuroir.org", "https://neuroir.org"),
    ],
)
def test_links_out_of_the_folder_lead_to_pages_of_the_site(page, link, on_the_site):
    conf = module("conf.py")
    assert conf.links_of_the_site(f"[text]({link})", DOCS.parent / page) == f"[text]({on_the_site})"


def test_every_page_of_another_folder_is_included():
    for source, page in module("conf.py").ELSEWHERE.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        assert page == "index.md" or text == f"```{{include}} ../{source}\n```\n"
