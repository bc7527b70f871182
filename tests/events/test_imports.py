"""What the engine imports: its own modules without a circle, nothing else of the project, nothing slow."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import snn
from snn.events import save

ROOT = Path(snn.__file__).resolve().parent.parent
ENGINE = "snn.events"


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted((ROOT / "snn").rglob("*.py"))}


def imports_of(source):
    """Names of modules (or of things in them) that a source imports, at any depth of its code."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "the project imports by absolute names"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(name):
    """The module that holds an imported name."""
    return name if name in FILES else name.rpartition(".")[0]


def engine_imports():
    modules = [name for name in FILES if (name + ".").startswith(ENGINE + ".")]
    return {m: {module_of(name) for name in imports_of(FILES[m].read_text("utf-8"))} & set(modules) for m in modules}


def test_there_is_no_circle_of_imports():
    graph = engine_imports()
    assert len(graph) >= 9
    order = list(TopologicalSorter(graph).static_order())
    assert order[-1] == ENGINE, "the package's own file imports the others and is imported by none of them"


def test_a_circle_would_be_seen():
    graph = engine_imports()
    graph["snn.events.network"] = graph["snn.events.network"] | {"snn.events.engine"}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
    lazy = "def f():\n    from snn.events import _file, load\n    import snn.events.nir"
    assert {module_of(n) for n in imports_of(lazy)} == {"snn.events._file", "snn.events", "snn.events.nir"}


def test_private_modules_stay_inside():
    for name, path in FILES.items():
        if not (name + ".").startswith(ENGINE + "."):
            private = {n for n in imports_of(path.read_text("utf-8")) if n.startswith(f"{ENGINE}._")}
            assert not private, f"{name} imports {private}"


def test_importing_is_cheap_and_reading_needs_no_compiler(residual, tmp_path):
    save(residual, tmp_path / "network.npz")
    code = (
        "import sys, snn.events; snn.events.load(sys.argv[1]);"
        "print([m for m in ('numba', 'torch', 'nir', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "network.npz")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_library_stands_alone():
    """snn.events imports nothing of the project but snn.errors."""
    code = (
        "import sys, snn.events, snn.events.engine, snn.events._kernel, snn.events.nir;"
        "print(sorted(m for m in sys.modules if m.startswith('snn') and not m.startswith('snn.events')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['snn', 'snn.errors']"
