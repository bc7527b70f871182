"""The files around the code agree with each other, and pin everything without naming where it comes from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import snn

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
PINS = {canonicalize_name(Requirement(line).name): Requirement(line) for line in LOCK}


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_every_line_of_the_lock_is_an_exact_public_version():
    form = re.compile(r'[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*(; python_version >= "3\.\d+")?')
    assert [line for line in LOCK if not form.fullmatch(line)] == []
    assert len(PINS) == len(LOCK)
    assert sorted(PINS) == [canonicalize_name(Requirement(line).name) for line in LOCK]


def test_the_lock_has_what_the_project_asks_for():
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        asked = Requirement(line)
        pin = PINS[canonicalize_name(asked.name)]
        assert asked.specifier.contains(str(pin.specifier).removeprefix("==")), line


def test_the_three_torch_packages_are_pinned_together():
    versions = [str(PINS[name].specifier) for name in ("torch", "torchvision", "torchaudio")]
    assert versions == ["==2.13.0", "==0.28.0", "==2.11.0"]


def test_this_environment_is_the_locked_one():
    """Where it is not, other tests may pass or fail for reasons of their own."""
    done = subprocess.run([sys.executable, "tools/lock.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the lock is written with Python 3.11")
    assert done.returncode == 0, done.stderr


def test_the_conda_environment_is_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == PROJECT["name"]
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert {entry.split()[0] for entry in conda} == {"python", "pip", "make"}
    assert PROJECT["requires-python"] in next(entry for entry in conda if entry.startswith("python"))
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e ."]


def test_no_file_says_where_packages_come_from():
    option = re.compile(r"--(extra-)?index-url|--find-links|--trusted-host|PIP_INDEX|PIP_EXTRA|\bextra-index-url\s*=")
    host = re.compile(r"https?://[^\s\"']*(pypi|pythonhosted|wheel|/simple\b|anaconda|repo\.)")
    found = []
    for path in tracked():
        if path == Path(__file__) or path.stat().st_size > 1 << 20:
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in (option.search(text), host.search(text)) if hit]
    assert found == []


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`make` as typed into a fresh shell, also where these tests are run by `make test` with settings of its own."""
    own = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "BENCHMARK", "CONFIG", "CORES", "PYTHON"}
    environment = {key: value for key, value in os.environ.items() if key not in own}
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=environment)


def test_the_makefile_has_its_targets_and_help_lists_them():
    wanted = ["help", "env", "reproduce", "test", "lint", "bench", "ui", "plan", "status", "clean", "distclean"]
    shown = make("help").stdout
    assert set(wanted) <= {line.split()[0] for line in shown.splitlines()[1:]}


@pytest.mark.parametrize(
    ("settings", "command"),
    [
        ([], "snakemake --cores all"),
        (["BENCHMARK=smoke", "CORES=3"], "snakemake --cores 3 --configfile config/smoke.yaml"),
        (
            ["BENCHMARK=smoke", "CONFIG=a.yaml b.yaml"],
            "snakemake --cores all --configfile config/smoke.yaml a.yaml b.yaml",
        ),
    ],
)
def test_reproduce_passes_the_settings_on(settings, command):
    done = make("-n", "reproduce", *settings)
    assert any(line.split("/bin/")[-1].strip() == command for line in done.stdout.splitlines())
    assert f"reports/{'smoke' if settings else 'saccades'}/index.html" in done.stdout


def test_an_old_python_is_one_clear_line(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.8.1\nexit 1\n')
    old.chmod(0o755)
    done = make("env", f"PYTHON={old}")
    assert done.returncode != 0
    assert done.stderr.startswith("error: Python 3.11 or newer is needed")
    assert "Python 3.8.1" in done.stderr


@pytest.mark.parametrize("name", ["default", "slurm", "kubernetes"])
def test_profiles_are_ones_that_snakemake_reads(name):
    path = ROOT / "workflow" / "profiles" / name / "config.yaml"
    profile = yaml.safe_load(path.read_text())
    assert profile["keep-going"] is True
    assert profile["rerun-incomplete"] is True
    if name != "default":
        assert profile["executor"] == name
        assert {"mem_mb", "runtime"} <= set(profile["default-resources"])
        assert "gpu" not in profile["default-resources"], "a job on a processor asks for no GPU, not even for none"
        assert f"make {name}-test" in path.read_text()


def test_the_versions_and_the_licence_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == snn.__version__
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == "bash .ci/run"


@pytest.mark.parametrize("page", ["README.md", "docs/findings.md", "docs/nmnist.md", "docs/cifar10.md"])
def test_the_numbers_of_a_page_are_those_of_the_reports_in_the_repository(page):
    """`python tools/readme_tables.py PAGE` fills them; other reports are of the machine that the tests run on."""
    sys.path.insert(0, str(ROOT / "tools"))
    import readme_tables

    text = (ROOT / page).read_text(encoding="utf-8")
    kept = {path.relative_to(ROOT / "reports").parts[0] for path in tracked() if path.match("reports/*/metrics.csv")}
    marks = [match for match in re.finditer(r"<!-- \w+ (\S+).*? -->\n(?:.+\n)*\n", text) if match[1] in kept]
    assert marks
    for match in marks:
        assert readme_tables.filled(match[0], ROOT / "reports") == match[0]


def test_links_between_the_texts_lead_somewhere():
    texts = [p for p in tracked() if p.suffix == ".md" and p.is_relative_to(ROOT)]
    broken = [
        f"{text.relative_to(ROOT)}: {target}"
        for text in texts
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text.read_text(encoding="utf-8"))
        if not (text.parent / target).exists()
    ]
    assert broken == []
