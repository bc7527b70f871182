"""`make audit` says "none" only where every package was looked up."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
specification = importlib.util.spec_from_file_location("audit", ROOT / "tools/audit.py")
audit = importlib.util.module_from_spec(specification)
specification.loader.exec_module(audit)

CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (1)"}


@pytest.mark.parametrize(
    ("packages", "status"),
    [([CLEAN], 0), ([CLEAN, BAD], 1), ([BAD, UNKNOWN], 1), ([CLEAN, UNKNOWN], 3), ([UNKNOWN], 3), ([], 3)],
)
def test_status(packages, status):
    assert audit.verdict(packages)[0] == status


@pytest.mark.parametrize(("answer", "status"), [(json.dumps({"dependencies": [CLEAN]}), 0), ("no network", 3)])
def test_a_database_that_cannot_be_reached_is_another_status(tmp_path, answer, status, capsys):
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
    program.chmod(0o755)
    assert audit.main(str(program)) == status
    assert ("no database could be asked" in capsys.readouterr().err) == (status == 3)
