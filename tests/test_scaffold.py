"""`snn new-baseline`: what it writes, and the names that it refuses. tests/test_tutorial.py runs what it writes."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
import yaml

from snn import cli, scaffold
from snn.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path):
    """A folder with the workflow and one method."""
    shutil.copytree(ROOT / "workflow/rules", tmp_path / "workflow/rules")
    (tmp_path / "snn/methods").mkdir(parents=True)
    shutil.copy(ROOT / "snn/methods/sdt.py", tmp_path / "snn/methods")
    return tmp_path


def test_it_writes_the_four_files_with_the_name_in_them(project):
    written = scaffold.new_baseline("my-method", project)
    assert [str(path.relative_to(project)) for path in written] == [
        "snn/methods/my_method.py",
        "config/baselines/my-method.yaml",
        "workflow/rules/baselines/my-method.smk",
        "tests/methods/test_my_method.py",
    ]
    method, overlay, rule, test = (path.read_text() for path in written)
    assert [node.name for node in ast.parse(method).body if isinstance(node, ast.ClassDef)] == ["MyMethod"]
    assert yaml.safe_load(overlay)["matrix"]["baselines"]["my-method"]["methods"] == ["my-method"]
    assert "rule my_method:" in rule
    assert 'method("my-method"' in test
    assert not any("$" in text for text in (method, overlay, rule, test))


@pytest.mark.parametrize("name", ["", "My", "my_method", "3c", "-a", "a-", "a--b", "a/b", "../a", "class", "a b", "ä"])
def test_a_name_that_cannot_be_one_is_refused(project, name):
    with pytest.raises(UserError, match=r"cannot name a baseline.*my-method"):
        scaffold.new_baseline(name, project)


@pytest.mark.parametrize(("name", "words"), [("sdt", "sdt.py exists"), ("collect", "a rule 'collect' already")])
def test_a_name_that_is_taken_is_refused_and_nothing_is_written(project, name, words):
    before = sorted(project.rglob("*"))
    with pytest.raises(UserError, match=words):
        scaffold.new_baseline(name, project)
    assert sorted(project.rglob("*")) == before


def test_elsewhere_than_in_the_project_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new-baseline", "my-method"]) == 2
    assert capsys.readouterr().err.startswith("error: new-baseline writes into the project")
    assert not list(tmp_path.iterdir())
