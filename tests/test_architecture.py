"""Imports point down only: interface → phases → learning → networks → parts → ground (docs/architecture.md)."""

from __future__ import annotations

import pkgutil

import pytest

import snn
from snn import sources

GROUND = "errors files seeds cell sources registry config memory neurons.spec"
LAYERS = [  # from the bottom to the top; a module belongs to the longest prefix that fits
    {"snn", *(f"snn.{name}" for name in GROUND.split())},
    {"snn.neurons", "snn.ttm", "snn.pooling", "snn.data", "snn.events", "snn.statistics"},
    {"snn.models", "snn.evaluate", "snn.export", "snn.disturb"},
    {"snn.methods", "snn.training", "snn.plan", "snn.schema"},
    {"snn.phases"},
    {"snn.cli", "snn.scaffold"},
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
    assert users == ["snn.data._tonic"], "tonic is GPL-3.0-only: its use stays in snn/data/_tonic.py"
