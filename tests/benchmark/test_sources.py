"""The digest of a job's sources: the import closure, and no more."""

from __future__ import annotations

from snn import methods
from snn.benchmark import sources
from snn.benchmark.layout import PHASES as FILES

PHASES = {phase: f"snn.phases.{phase}" for phase in FILES}


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


def test_what_a_package_imports_on_use_belongs_to_the_closure():
    """`snn.neurons` imports its modules on use; their kernels decide the numbers of a training all the same."""
    assert {"snn.neurons.fused", "snn.kernels.neuron"} <= sources.closure("snn.phases.train")
