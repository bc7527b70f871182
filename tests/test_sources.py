"""The digest of a job's sources: the import closure, and no more."""

from __future__ import annotations

import ast

from snn import methods
from snn.benchmark import sources
from snn.benchmark.plan import PHASES


def test_editing_one_method_touches_its_own_closure_only():
    for name in methods.names():
        module = methods.module_name(name)
        for other in methods.names():
            closure = sources.closure(PHASES["train"], methods.module_name(other))
            if module in closure and other != name:
                # only where the other one builds on it by an import of its own
                assert module in sources.closure(methods.module_name(other))


def test_no_phase_of_a_cell_depends_on_tracking_reports_or_the_command_line():
    for phase in PHASES.values():
        for module in sources.closure(phase):
            assert not module.startswith(("snn.tracking", "snn.report", "snn.phases.collect", "snn.cli"))


def test_a_phase_does_not_depend_on_another_phase():
    for phase in PHASES.values():
        assert not [p for p in PHASES.values() if p != phase and p in sources.closure(phase)]


def by_syntax_tree(module: str) -> set[str]:
    path = sources.path_of(module)
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return {m for m in found if m.split(".")[0] == "snn" and sources.path_of(m)}


def test_imports_read_from_the_text_are_those_of_the_syntax_tree():
    modules = [".".join(p.relative_to(sources.ROOT).with_suffix("").parts) for p in sources.ROOT.glob("snn/**/*.py")]
    modules = [m.removesuffix(".__init__") for m in modules]
    assert len(modules) > 100
    for module in modules:
        assert sources.imports_of(module) >= by_syntax_tree(module), module
    assert sum(sources.imports_of(m) != by_syntax_tree(m) for m in modules) <= 2, "examples in docstrings"


def test_a_statement_in_parentheses_with_comments_and_other_names_is_read(tmp_path, monkeypatch):
    package = tmp_path / "snn"
    package.mkdir()
    for name in ("__init__", "a", "b", "c", "d"):
        (package / f"{name}.py").write_text("")
    (package / "e.py").write_text(
        "from snn import (\n    a,  # (one\n    b as x,\n)\n\nif True:\n    import snn.c as y, os\n"
    )
    (package / "f.py").write_text("from . import d\nfrom .a import z\n")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    sources.imports_of.cache_clear()
    assert sources.imports_of("snn.e") == {"snn", "snn.a", "snn.b", "snn.c"}
    assert sources.imports_of("snn.f") == {"snn", "snn.d", "snn.a"}
    sources.imports_of.cache_clear()


def test_the_closure_follows_imports_inside_functions():
    assert "snn.models.ttm" in sources.closure("snn.models.convnet")
    assert "snn.report.page" in sources.closure("snn.report")


def test_the_digest_changes_with_a_byte(tmp_path, monkeypatch):
    package = tmp_path / "snn"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from snn import b\n")
    (package / "b.py").write_text("x = 1\n")
    (package / "c.py").write_text("x = 1\n")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    sources.imports_of.cache_clear()
    before, other = sources.digest("snn.a"), sources.digest("snn.c")
    (package / "b.py").write_text("x = 2\n")
    assert sources.digest("snn.a") != before
    assert sources.digest("snn.c") == other
    sources.imports_of.cache_clear()
