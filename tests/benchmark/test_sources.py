"""The digest of a job's sources: the import closure, and no more."""

from __future__ import annotations

from snn import methods
from snn.benchmark import sources
from snn.benchmark.layout import PHASES as FILES

PHASES = {phase: f"snn.phases.{phase}" for phase in FILES}


BUILT_ON = {  # the other methods that each imports
    "ann": {"sdt"},
    "ann-ltl": {"ann", "sdt"},
    "ann-qcfs": {"ann", "sdt"},
    "dspike": {"dspike-fixed", "sdt"},
    "dspike-fixed": {"sdt"},
    "dspike-frequent": {"dspike", "dspike-fixed", "sdt"},
    "ltl-online": {"ltl-offline"},
    "nmt": {"mtt"},
    "ottt": {"sltt"},
    "qcfs": {"conversion", "ann-qcfs", "ann", "sdt"},
    "sdt-matched": {"sdt"},
    "shortcut-evolutionary": {"shortcut"},
    "shortcut-per-head": {"shortcut"},
    "sltt-k": {"sltt"},
    "srp": {"qcfs", "conversion", "ann-qcfs", "ann", "sdt"},
    "tkd": {"kd"},
}


def test_a_method_depends_on_the_methods_it_builds_on_and_no_others():
    """So editing or adding one changes the cells of no other: a phase's code holds no method by itself."""
    modules = {methods.module_name(name): name for name in methods.names()}
    for phase in PHASES.values():
        assert not [m for m in sources.closure(phase) if m in modules]
    for module, name in modules.items():
        others = {modules[m] for m in sources.closure(module) if m in modules} - {name}
        assert others == BUILT_ON.get(name, set()), name


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
