"""Imports point down only: interface → phases → learning → networks → parts → ground (docs/architecture.md)."""

from __future__ import annotations

import ast
import pkgutil

import pytest

import snn
from snn.benchmark import sources

GROUND = "errors files seeds cell sources registry config memory neurons.spec"
LAYERS = [  # from the bottom to the top; a module belongs to the longest prefix that fits
    {"snn", *(f"snn.{name}" for name in GROUND.split())},
    {"snn.neurons", "snn.models.ttm", "snn.kernels.pooling", "snn.kernels.channels", "snn.data", "snn.events", "snn.statistics"},
    {"snn.models", "snn.training.evaluate", "snn.models.export", "snn.models.perturb"},
    {"snn.methods", "snn.training.loop", "snn.benchmark.plan", "snn.benchmark.schema"},
    {"snn.phases"},
    {"snn.cli", "snn.scaffold", "snn.runtime.warm", "snn.__main__"},
]  # fmt: skip


def layer(module: str) -> int:
    fits = [
        (len(prefix), i)
        for i, layer in enumerate(LAYERS)
        for prefix in layer
        if (module + ".").startswith(prefix + ".")
    ]
    return max(fits)[1]


MODULES = sorted(m.name for m in pkgutil.walk_packages(snn.__path__, "snn."))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_upwards(module):
    above = {m for m in sources.imports_of(module) if layer(m) > layer(module)}
    assert not above, f"{module} (layer {layer(module)}) imports from above: {sorted(above)}"


def private_names(source: str) -> list[str]:
    """`module._name` for what a source takes from a module of the project that is private there: an underscored name
    that is no module, imported, or read as an attribute of an imported module."""
    tree, modules, found = ast.parse(source), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "snn":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if sources.path_of(name):
                    modules[alias.asname or alias.name] = name
                elif alias.name.startswith("_"):
                    found.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            name = f"{modules[node.value.id]}.{node.attr}"
            if node.attr.startswith("_") and not node.attr.startswith("__") and not sources.path_of(name):
                found.append(name)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_no_module_takes_a_private_name_of_another(module):
    """Module files such as `_stages` may be imported by those beside them, with their public names."""
    found = private_names(sources.path_of(module).read_text(encoding="utf-8"))
    assert not found, f"{module} takes {found}: give them public names, in a module that both may import"


def test_private_names_are_seen():
    assert private_names("from snn.report.figures import draw, _each") == ["snn.report.figures._each"]
    assert private_names("from snn.report import text as t\nt._digits(1)") == ["snn.report.text._digits"]
    assert private_names("from snn.models.stages import norms\nfrom snn.events import _file\n_file.load(1)") == []


def test_every_module_has_a_layer():
    named = {prefix for layer in LAYERS for prefix in layer} - {"snn"}
    homeless = [m for m in MODULES if not any((m + ".").startswith(prefix + ".") for prefix in named)]
    assert not homeless, f"say in LAYERS where {homeless} belong"


def test_the_engine_stands_alone():
    inside = [m for m in MODULES if m == "snn.events" or m.startswith("snn.events.")]
    outside = {i for m in inside for i in sources.imports_of(m)} - set(inside) - {"snn", "snn.errors"}
    assert not outside, f"snn.events must stay liftable, but imports {sorted(outside)}"


def test_only_one_module_uses_tonic():
    users = [
        m
        for m in MODULES
        if "import tonic" in sources.path_of(m).read_text() or "from tonic" in sources.path_of(m).read_text()
    ]
    assert users == ["snn.data.tonic_io"], "tonic is GPL-3.0-only: its use stays in snn/data/tonic_io.py"
