"""Imports point one way, and docs/architecture.md says which."""

from __future__ import annotations

import ast
import pkgutil
import re

import pytest

import snn
from snn.benchmark import sources

PAGE = (sources.ROOT / "docs/architecture.md").read_text(encoding="utf-8")
MODULES = sorted(m.name for m in pkgutil.walk_packages(snn.__path__, "snn."))


def layers() -> list[set[str]]:
    """The layers of the table in docs/architecture.md, from the bottom to the top: sets of packages and modules."""
    rows = re.findall(r"^\| (\d+) [^|]*\| ([^|]*) \|", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(len(rows) - 1, -1, -1)), "numbered, the highest first"
    names = [re.findall(r"`snn/([\w/]+?)(?:/|\.py)`", cell) for _, cell in reversed(rows)]
    return [{f"snn.{name.replace('/', '.')}" for name in row} for row in names]


LAYERS = layers()


def layer(module: str) -> int:
    """A module belongs to the longest entry that it lies in; `snn` itself is empty."""
    entries = [(len(entry), i) for i, row in enumerate(LAYERS) for entry in row if f"{module}.".startswith(f"{entry}.")]
    return 0 if module == "snn" else max(entries)[1]


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_upwards(module):
    above = {m for m in sources.imports_of(module) if layer(m) > layer(module)}
    assert not above, f"{module} (layer {layer(module)}) imports from above: {sorted(above)}"


def test_every_module_has_a_layer_and_every_entry_is_there():
    entries = {entry for row in LAYERS for entry in row}
    homeless = [m for m in MODULES if not any(f"{m}.".startswith(f"{entry}.") for entry in entries)]
    assert not homeless, f"say in the table of docs/architecture.md where {homeless} belong"
    gone = sorted(entry for entry in entries if not sources.path_of(entry))
    assert not gone, f"docs/architecture.md names {gone}, which are not there"


def test_packages_import_one_another_in_one_direction():
    """Inside a layer too: two packages of one layer are not entangled."""
    arrows = {
        (package(module), package(imported))
        for module in MODULES
        for imported in sources.imports_of(module)
        if package(module) != package(imported)
    }
    both = sorted(pair for pair in arrows if pair[::-1] in arrows and pair[0] < pair[1])
    assert not both, f"these packages import each other: {both}"


def package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_imported_across_packages_by_a_private_name(module):
    home = module if sources.file_of(module).name == "__init__.py" else module.rpartition(".")[0]
    private = [
        name
        for name in sources.imports_of(module)
        if is_private(name.rpartition(".")[2]) and name.rpartition(".")[0] != home
    ]
    assert not private, f"{module} imports {private}, which are private to their packages"


def private_names(source: str) -> list[str]:
    """`module._name` for what a source takes from a module of the project that is private there: an underscored name
    that is no module, imported, or read as an attribute of an imported module."""
    tree, modules, names = ast.parse(source), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "snn":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if sources.path_of(name):
                    modules[alias.asname or alias.name] = name
                elif alias.name.startswith("_"):
                    names.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            name = f"{modules[node.value.id]}.{node.attr}"
            if is_private(node.attr) and not sources.path_of(name):
                names.append(name)
    return names


@pytest.mark.parametrize("module", MODULES)
def test_no_module_takes_a_private_name_of_another(module):
    names = private_names(sources.file_of(module).read_text(encoding="utf-8"))
    assert not names, f"{module} takes {names}: give them public names, in a module that both may import"


def test_private_names_are_seen():
    assert private_names("from snn.report.figures import draw, _each") == ["snn.report.figures._each"]
    assert private_names("from snn.report import text as t\nt._digits(1)") == ["snn.report.text._digits"]
    assert private_names("from snn.models.stages import norms\nnorms(1)") == []


def test_the_engine_stands_alone():
    inside = [m for m in MODULES if m == "snn.events" or m.startswith("snn.events.")]
    outside = {i for m in inside for i in sources.imports_of(m)} - set(inside) - {"snn", "snn.errors"}
    assert not outside, f"snn.events must stay liftable, but imports {sorted(outside)}"


def test_only_one_module_uses_tonic():
    users = [m for m in MODULES if re.search(r"\b(import|from) tonic\b", sources.file_of(m).read_text())]
    assert users == ["snn.data.tonic_io"], "tonic is GPL-3.0-only: its use stays in snn/data/tonic_io.py"
