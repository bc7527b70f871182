"""A plan is made without torch, and is the plan that torch would have given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snn.benchmark.plan import Plan
from snn.config.read import read_configuration
from snn.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = [[], *([str(path.relative_to(ROOT))] for path in sorted(ROOT.glob("config/**/*.yaml")))]
FACTS = """
import json, sys
from snn.runtime.planning import without_torch

def facts(overlays):
    try:
        plan = Plan(read_configuration("config/config.yaml", *overlays))
    except ConfigError as error:
        return str(error)
    cells = {
        cell.key: [plan.phases(cell), str(plan.teacher(cell)), {p: plan.token(cell, p) for p in plan.phases(cell)}]
        for cell in plan.all_cells
    }
    ours = {cell.method for cell in plan.all_cells if not plan.is_foreign(cell)}
    return [cells, {name: plan.params(name).model_dump() for name in sorted(ours)}]
"""


def without(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which importing torch, spikingjelly or numba ends it."""
    for name in ("torch", "spikingjelly", "numba"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('{name} was imported')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment
    )  # fmt: skip


def test_every_configuration_gives_the_plan_that_it_gives_with_torch(tmp_path, monkeypatch):
    imports = """
with without_torch():
    from snn.benchmark.plan import Plan
    from snn.config.read import read_configuration
    from snn.errors import ConfigError
"""
    run = f"with without_torch(): print(json.dumps([facts(overlays) for overlays in {OVERLAYS!r}]))"
    done = without(tmp_path, FACTS + imports + run)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(ROOT)
    names = {"Plan": Plan, "read_configuration": read_configuration, "ConfigError": ConfigError}
    exec(FACTS, names)
    for overlays, plan in zip(OVERLAYS, json.loads(done.stdout), strict=True):
        assert plan == json.loads(json.dumps(names["facts"](overlays))), overlays  # type: ignore[operator]


def test_the_checks_of_a_method_say_the_same(tmp_path):
    (tmp_path / "bad.yaml").write_text("matrix: {methods: [mtt], t_train: [1], extra: []}\n")
    code = f"import sys; from snn.cli import main; sys.exit(main(['plan', '--configfile', '{tmp_path}/bad.yaml']))"
    done = without(tmp_path, code)
    assert done.returncode == 2
    with pytest.raises(ConfigError) as error:
        Plan(read_configuration(ROOT / "config/config.yaml", tmp_path / "bad.yaml"))
    assert done.stderr == f"error: {error.value}\n"


def test_nothing_can_be_computed_and_torch_can_be_imported_afterwards():
    code = """
from snn.runtime.planning import without_torch
with without_torch():
    from snn.models.stages import Network
try:
    Network()
except RuntimeError as error:
    assert "torch is not imported" in str(error)
else:
    raise SystemExit("it computed")
import sys
assert not {"torch", "spikingjelly", "numba"} & {name.partition(".")[0] for name in sys.modules}
import numba
assert numba.njit(lambda x: x + 1)(1) == 2
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_a_dry_run_of_the_default_benchmark_imports_no_torch(tmp_path):
    code = "import sys; from snakemake.cli import main; main(['-n', '--forceall', '--directory', sys.argv[-1]])"
    done = without(tmp_path, code.replace("sys.argv[-1]", repr(str(tmp_path))))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "train saccades/3c1fc/mtt" in done.stdout + done.stderr
