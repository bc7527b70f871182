"""The whole workflow on a copy of the project: it runs, it runs nothing twice, and reruns follow the code."""

from __future__ import annotations

import csv
import inspect
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]

TINY = """
benchmark: tiny
matrix: {networks: [3c1fc], methods: [chance, sdt, mtt], extra: [], t_train: [3], seeds: [0]}
datasets: {saccades: {params: {samples: 80}, split: {validation: 20, test: 20}}}
train: {epochs: 2, batch_size: 16}
sweep: {t_eval: [1, 2]}
probe: {iterations: 2, t_memory: [1, 2], draws: 1}
deploy: {recordings: 4, modes: [event-float]}
robustness: {simulated_chips: 1, recordings: 4, mismatch: [0.1], bits: [4], noise: [], dead_fraction: []}
"""
CELLS = "results/tiny/cells/saccades/3c1fc"


def run(folder: Path, *command: str, check: bool = True, **more) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SNAKEMAKE_"))}
    environment |= {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / ".cache")}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment | more.pop("env", {}), **more
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


def snakemake(folder: Path, *arguments: str, overlay: str = "tiny.yaml", **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", overlay]
    return run(folder, *command, **more)


def snn(folder: Path, *arguments: str, overlay: str = "tiny.yaml", **more) -> subprocess.CompletedProcess:
    return run(folder, sys.executable, "-m", "snn", *arguments, "--configfile", overlay, **more)


def planned(folder: Path) -> set[tuple[str, str]]:
    """(rule, method) of the jobs that a dry run names by their messages."""
    text = snakemake(folder, "-n").stdout
    jobs = re.findall(r"^Job \d+: (\w+)(?: \S+?/\S+?/([\w-]+)/T\d+/seed\d+)?", text, re.MULTILINE)
    assert jobs or "Nothing to be done" in text, text
    return set(jobs)


def copy_of_the_project(folder: Path) -> Path:
    """What a run needs, and the compiled kernels beside the sources: compiling them anew takes longer than a run."""
    for name in ("snn", "workflow", "config"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("environment.yml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the tiny benchmark has run."""
    folder = copy_of_the_project(tmp_path_factory.mktemp("project"))
    (folder / "tiny.yaml").write_text(TINY)
    snakemake(folder)
    return folder


@pytest.fixture
def edited(project):
    """edited(path, old -> new): change a file of the project, and change it back afterwards."""
    before: dict[Path, str] = {}

    def edit(path: str, change) -> None:
        file = project / path
        before.setdefault(file, file.read_text())
        file.write_text(change(before[file]))

    yield edit
    for file, text in before.items():
        file.write_text(text)


def test_it_ends_with_every_table_and_the_page(project):
    report = project / "reports/tiny"
    rows = list(csv.DictReader((report / "metrics.csv").open()))
    header = ",".join(rows[0])
    assert header == "benchmark,protocol,dataset,network,method,t_train,seed,phase,t_eval,mode,metric,value"
    assert {r["method"] for r in rows} == {"chance", "sdt", "mtt"}
    assert {r["phase"] for r in rows} == {"train", "sweep", "deploy", "probe", "robustness"}
    assert all(0 <= float(r["value"]) <= 1 for r in rows if r["metric"] == "accuracy")
    page = (report / "index.html").read_text()
    assert "sdt" in page.lower()
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?:", page), "the page must open offline"


def test_the_collected_numbers_are_those_of_the_predictions(project):
    rows = list(csv.DictReader((project / "reports/tiny/metrics.csv").open()))
    with np.load(project / CELLS / "mtt/T3/seed0/sweep/predictions.npz") as p:
        for t in (1, 2, 3):
            (value,) = [
                float(r["value"]) for r in rows
                if (r["method"], r["phase"], r["t_eval"], r["metric"]) == ("mtt", "sweep", str(t), "accuracy")
            ]  # fmt: skip
            assert value == (p[f"clock/{t}/accuracy"] == p["label"]).mean()


def test_one_core_in_another_order_gives_the_same_bits(project, tmp_path):
    other = copy_of_the_project(tmp_path / "project")
    (other / "tiny.yaml").write_text(TINY)
    first = [f"{CELLS}/{cell}/deploy/metrics.csv" for cell in ("mtt/T3/seed0", "sdt/T3/seed0")]
    snakemake(other, "--cores", "1", *first)
    for cell in ("mtt/T3/seed0", "sdt/T3/seed0"):
        a, b = (
            torch.load(folder / CELLS / cell / "train/weights.pt", weights_only=True) for folder in (project, other)
        )
        assert all(torch.equal(a["network"][name], b["network"][name]) for name in a["network"])
        for phase in ("train", "deploy"):
            paths = (folder / CELLS / cell / phase / "predictions.npz" for folder in (project, other))
            a, b = (dict(np.load(path).items()) for path in paths)
            assert a.keys() == b.keys()
            assert all(np.array_equal(a[name], b[name]) for name in a)


def test_snakemakes_own_report_has_captions_and_categories(project, tmp_path):
    snakemake(project, "--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    for words in ("Tables", "Figures", "clock_vs_event", "the whole report"):
        assert words in page, words


def test_snakemakes_rate_limit_has_the_name_by_which_the_workflow_switches_it_off():
    """Were it another one (workflow/Snakefile, onstart), nothing would fail: long runs would only be slower."""
    from snakemake.scheduling.job_scheduler import JobScheduler

    assert "if self.job_rate_limiter is None" in inspect.getsource(JobScheduler)


def test_a_second_run_does_nothing(project):
    assert "Nothing to be done" in (done := snakemake(project)).stdout + done.stderr


def test_editing_a_method_reruns_its_cells_and_nothing_else(project, edited):
    edited("snn/methods/mtt.py", lambda text: text + "\n# a change\n")
    assert planned(project) == {
        ("train", "mtt"), ("sweep", "mtt"), ("deploy", "mtt"), ("probe", "mtt"), ("robustness", "mtt"),
        ("collect", ""), ("render", ""), ("mlflow", ""),
    }  # fmt: skip


def test_editing_a_phase_reruns_that_phase(project, edited):
    edited("snn/phases/sweep.py", lambda text: text + "\n# a change\n")
    assert planned(project) == {("sweep", "sdt"), ("sweep", "mtt"), ("collect", ""), ("render", ""), ("mlflow", "")}


def test_editing_a_caption_reruns_rendering_and_nothing_else(project, edited):
    (caption,) = (project / "snn/report/templates").glob("captions*")
    edited(str(caption.relative_to(project)), lambda text: text + "\n# a change\n")
    assert planned(project) == {("render", "")}


def test_a_hyper_parameter_reruns_its_method_only(project, edited):
    edited("tiny.yaml", lambda text: text + "methods: {mtt: {draws: 2}}\n")
    assert {m for _, m in planned(project)} == {"mtt", ""}
    assert ("convert", "") not in planned(project)


def test_the_mlflow_store_can_be_deleted_and_rebuilt(project):
    store = project / "results/tiny/mlflow"

    def runs():
        with sqlite3.connect(store / "mlflow.db") as db:
            # What the UI lists: a live run that the sync replaced stays in the trash.
            query = (
                "select value from tags join runs on runs.run_uuid = tags.run_uuid "
                "where key = 'snn.cell' and value like '%/seed%' and lifecycle_stage = 'active'"
            )
            return sorted(db.execute(query).fetchall())

    before = runs()
    assert len(before) == len(set(before)) == 3
    shutil.rmtree(store)
    assert planned(project) == {("mlflow", "")}
    snakemake(project)
    assert runs() == before


@pytest.mark.parametrize("name", ["my clone ü", "my clone ü {x} $(touch pwned) 'q'"])
def test_a_clone_runs_in_a_folder_of_any_name(tmp_path, name):
    folder = copy_of_the_project(tmp_path / name)
    (folder / "tiny.yaml").write_text(TINY)
    snakemake(folder, f"{CELLS}/sdt/T3/seed0/train/record.json")
    assert (folder / CELLS / "sdt/T3/seed0/train/record.json").exists()
    assert not list(tmp_path.rglob("pwned"))


def test_jobs_may_start_cold(tmp_path):
    folder = copy_of_the_project(tmp_path / "project")
    (folder / "tiny.yaml").write_text(TINY + "resources: {warm_start: false}\n")
    (folder / "snn/warm.py").write_text((folder / "snn/warm.py").read_text() + "\nassert __name__ != '__main__'\n")
    snakemake(folder, f"{CELLS}/chance/T1/seed0/train/record.json")
    assert (folder / CELLS / "chance/T1/seed0/train/record.json").exists()


def test_a_dry_run_writes_nothing(tmp_path):
    project = copy_of_the_project(tmp_path / "project")
    (project / "tiny.yaml").write_text(TINY)

    def files():
        caches = {".snakemake", ".cache", "__pycache__"}  # Snakemake's own, and Python's
        return {path for path in project.rglob("*") if not caches & set(path.parts)}

    before = files()
    snakemake(project, "-n")
    assert files() == before


def test_plan_and_status(project):
    assert "mtt" in snn(project, "plan").stdout
    text = snn(project, "status").stdout
    assert "●●●●" in text
    assert "missing" not in text


def test_a_server_that_is_down_costs_no_result(project, edited):
    shutil.rmtree(project / "results/tiny/mlflow")
    done = snakemake(project, check=False, env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert done.returncode != 0
    assert "MLFLOW_TRACKING_URI" in done.stdout + done.stderr
    assert planned(project) == {("mlflow", "")}, "everything else stands"
    snakemake(project)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ("train: {epoch: 3}", "train.epoch"),
        ("matrix: {methods: [sdx]}", "sdx"),
        ("matrix: {t_train: [0]}", "T must be at least 1"),
    ],
)
def test_a_bad_configuration_is_one_clear_line_and_touches_nothing(project, overlay, words, tmp_path):
    (tmp_path / "bad.yaml").write_text(overlay)
    done = snakemake(project, "tiny.yaml", overlay=str(tmp_path / "bad.yaml"), check=False)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Nothing to be done" in (again := snakemake(project)).stdout + again.stderr


def test_a_store_with_a_wrong_checksum_is_refused_by_name(project):
    events = project / "results/tiny/data/saccades/data.bin"
    raw, times = events.read_bytes(), (events.stat().st_atime_ns, events.stat().st_mtime_ns)
    try:
        events.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
        done = snn(project, "sweep", "saccades/3c1fc/sdt/T3/seed0", check=False)
        assert done.returncode == 2
        assert "data.bin" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "sweep" in snn(project, "status").stdout
    finally:
        events.write_bytes(raw)
        os.utime(events, ns=times)
        snn(project, "sweep", "saccades/3c1fc/sdt/T3/seed0")


def test_kill_9_in_a_training_and_again_gives_the_same_bits(project, tmp_path, warm_process_in):
    """Undisturbed and cold, or begun warm, killed, and ended cold."""
    cell = "saccades/3c1fc/sdt/T3/seed0"
    folder = project / "results/tiny/cells" / cell
    (tmp_path / "long.yaml").write_text(TINY.replace("epochs: 2", "epochs: 12"))
    shutil.copytree(project / "results/tiny/data", project / "results/long/data")
    overlay = tmp_path / "long.yaml"
    overlay.write_text(overlay.read_text().replace("benchmark: tiny", "benchmark: long"))
    snn(project, "train", cell, overlay=str(overlay))
    folder = project / "results/long/cells" / cell
    whole = folder.rename(folder.with_name("whole"))

    command = [sys.executable, "-m", "snn.warm", "train", cell, "--configfile", str(overlay)]
    warm_process = warm_process_in(project)
    environment = os.environ | warm_process.environment
    victim = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (folder / "checkpoint.pt").exists() and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    forks = Path(f"/proc/{warm_process.process.pid}/task/{warm_process.process.pid}/children")
    assert not forks.exists() or forks.read_text(), "it began warm"
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    while forks.exists() and forks.read_text() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "train").exists(), "killed in the middle"
    snn(project, "train", cell, overlay=str(overlay))
    with np.load(whole / "train/predictions.npz") as a, np.load(folder / "train/predictions.npz") as b:
        assert all(np.array_equal(a[k], b[k]) for k in a.files)
    rows = [
        [r for r in csv.DictReader((f / "train/metrics.csv").open()) if r["metric"] != "seconds"]
        for f in (whole, folder)
    ]
    assert rows[0] == rows[1]
