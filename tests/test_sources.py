"""The digest of a job's sources: the import closure, and no more."""

from __future__ import annotations

from snn import methods, sources
from snn.plan import PHASES


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
            assert not module.startswith(("snn.phases.track", "snn.phases.report", "snn.phases.collect", "snn.cli"))


def test_a_phase_does_not_depend_on_another_phase():
    for phase in PHASES.values():
        assert not [p for p in PHASES.values() if p != phase and p in sources.closure(phase)]


def test_the_closure_follows_imports_inside_functions():
    assert "snn.ttm" in sources.closure("snn.models.convnet")
    assert "snn.phases.report.page" in sources.closure("snn.phases.report")


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
