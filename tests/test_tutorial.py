"""The tutorial docs/new_baseline.md, in a copy of the project: its files are written and its commands run as they are.

Only the data are smaller: config/smoke.yaml of the copy is a tiny benchmark.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from test_workflow import ROOT, copy_of_the_project, run

PAGE = (ROOT / "docs/new_baseline.md").read_text()
BLOCKS = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
FILES = {title: text for _, title, text in BLOCKS if title}
SMOKE = """
benchmark: smoke
matrix: {networks: [3c1fc], methods: [chance, sdt], extra: [], t_train: [3], seeds: [0]}
datasets: {saccades: {params: {samples: 80}, split: {validation: 20, test: 20}}}
train: {epochs: 2, batch_size: 16}
sweep: {t_eval: [1, 2]}
deploy: {recordings: 4, modes: [event-float]}
probe: {seeds: 0}
robustness: {seeds: 0}
"""


def test_the_whole_method_is_under_40_lines():
    assert {Path(name).suffix for name in FILES} == {".py", ".yaml"}
    assert sum(bool(line.strip()) for text in FILES.values() for line in text.splitlines()) < 40


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_followed_to_the_letter_it_ends_with_the_method_in_the_tables(tmp_path):
    project = copy_of_the_project(tmp_path / "project")
    shutil.copytree(ROOT / "tests", project / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    (project / "config/smoke.yaml").write_text(SMOKE)
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for kind, title, text in BLOCKS:
        if title:
            (project / title).write_text(text)
        elif kind == "console":
            command, *shown = text.removeprefix("$ ").splitlines()
            output = run(project, "bash", "-c", command, env=path).stdout.splitlines()
            assert output[: len(shown)] == shown, command
    report = project / "reports/smoke"
    rows = [row for row in csv.DictReader((report / "metrics.csv").open()) if row["method"] == "distillation"]
    assert "| SDT |" in (report / "tables/accuracy.md").read_text(), "beside the benchmark's own methods"
    assert {row["phase"] for row in rows} >= {"train", "sweep", "deploy"}
    assert "| distillation |" in (report / "tables/accuracy.md").read_text()
    assert '"methods.distillation"' in (project / "workflow/schemas/config.schema.json").read_text()
