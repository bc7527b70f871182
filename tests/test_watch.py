"""`snn watch`: a living line on a terminal, plain lines elsewhere, failures with their logs, the exit status."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from snn import watch
from snn.benchmark.layout import Layout
from snn.benchmark.plan import Plan
from snn.benchmark.progress import Progress, Running
from snn.config.read import read_configuration
from snn.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
LOG = """\
Building DAG of jobs...
[Sat Nov 21 22:07:30 2026]
Job 5: train saccades/3c1fc/mtt/T3/seed0
RuleException:
CalledProcessError in file "workflow/rules/cells.smk", line 26:
[Sat Nov 21 22:07:32 2026]
Error in rule train:
    message: None
    jobid: 5
    input: results/tiny/data/saccades/converted.json
    log: {log} (check log file(s) for error details)
    shell:
        snn train saccades/3c1fc/mtt/T3/seed0
Logfile {log}:
================================================================================
"""


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan(read_configuration(ROOT / "config/config.yaml"), Layout("saccades", tmp_path / "results"))


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """What runs on this machine is not these tests' business."""
    monkeypatch.setattr("snn.benchmark.progress.running_jobs", lambda configuration: [])


def run(plan: Plan, script: str, terminal: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, _environ={"TERM": "xterm-256color"})
    return watch.watch(plan, [sys.executable, "-c", script], console, every=0.05), out.getvalue()


def test_plain_lines_where_there_is_no_terminal(plan):
    status, text = run(plan, "print('Building DAG of jobs...')")
    lines = text.splitlines()
    assert status == 0
    assert lines[0] == f"Snakemake's log: {plan.layout.log('snakemake')}"
    assert lines[1].startswith(f"0/{len(plan.all_cells)} cells · 0/")
    assert re.fullmatch(r"0/\d+ cells \(0/\d+ jobs\) after \d+ s", lines[-1])
    assert "\x1b" not in text, "no control characters in a file"
    assert plan.layout.log("snakemake").read_text() == "Building DAG of jobs...\n"


def test_a_plain_line_is_printed_when_something_changed_and_not_too_often():
    out = io.StringIO()
    look = Progress(4, 0, 12, 0, {"missing": 12}, (), None, False)
    always, seldom = watch.Plain(out, every=0), watch.Plain(out, every=3600)
    for shown in (look, look, look._replace(jobs_done=1)):
        always.show(shown)
    assert [line.split(" · ")[1] for line in out.getvalue().splitlines()] == ["0/12 jobs", "1/12 jobs"]
    seldom.show(look)
    seldom.show(look._replace(jobs_done=5))
    assert len(out.getvalue().splitlines()) == 3


def test_a_line_that_lives_on_a_terminal(plan):
    status, text = run(plan, "import time; time.sleep(0.3)", terminal=True)
    assert status == 0
    assert f"0/{len(plan.all_cells)} cells" in text
    assert "\x1b[2K" in text, "the line is written over"
    assert text.rstrip("\x1b[?25h").count("Snakemake's log") == 1


def test_the_line_is_one_line_at_any_width():
    jobs = tuple(Running("train", f"saccades/3c1fc/mtt/T6/seed{i}", 9.0, 2, 3, 0.81234) for i in range(5))
    look = Progress(54, 12, 230, 61, {"done": 61, "running": 5, "failed": 1}, jobs, 250.0, True, "saccades")
    for width in (60, 100, 160):
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=width, _environ={"TERM": "xterm-256color"})
        with watch.display(console) as line:
            line.show(look)
            line._bar.refresh()
        frames = [re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", part) for part in re.split(r"[\r\n]", out.getvalue())]
        (shown,) = {frame.rstrip() for frame in frames if "12/54" in frame}
        assert len(shown) <= width
        assert "12/54 cells, 1 failed" in shown
        assert "about 4 min left" in shown
        if width == 160:
            assert "train 3c1fc/mtt/T6/seed0 (epoch 2/3, validation 81.2 %), train" in shown


@pytest.mark.parametrize("terminal", [False, True])
def test_a_failed_job_is_shown_with_the_end_of_its_log(plan, tmp_path, terminal):
    log = tmp_path / "train.log"
    log.write_text("".join(f"line {i}\n" for i in range(100)) + "\r 0%|   | 0/2\r 50%|#  | 1/2\nValueError: [/bold]\n")
    status, text = run(plan, f"print({LOG.format(log=log)!r}); raise SystemExit(1)", terminal)
    assert status == 1
    assert text.count("failed: train saccades/3c1fc/mtt/T3/seed0; the end of") == 1
    assert "    ValueError: [/bold]" in text
    assert "     50%|#  | 1/2" in text
    assert "0/2" not in text, "of a bar its last state"
    assert "line 89" not in text, "the end of the log, not all of it"
    assert f"after 0 s; {plan.layout.log('snakemake')}" in text or "after 1 s" in text


def test_a_failure_without_a_job_shows_the_end_of_snakemakes_log(plan):
    status, text = run(
        plan, "import sys; print('WorkflowError:\\ntrain.epoch: unknown key', file=sys.stderr); sys.exit(7)"
    )
    assert status == 7
    assert "ended with status 7; the end of" in text
    assert "    train.epoch: unknown key" in text


def test_the_status_of_a_command_that_was_killed_is_that_of_a_shell(plan):
    assert run(plan, "import os; os.kill(os.getpid(), 9)")[0] == 128 + 9


def test_a_command_that_is_not_there_is_one_clear_line(plan):
    with pytest.raises(UserError, match="no-such-program: cannot be started"):
        watch.watch(plan, ["no-such-program"], Console(file=io.StringIO()))


def test_a_log_is_read_as_it_grows(tmp_path):
    path, text = tmp_path / "snakemake.log", LOG.format(log="a.log")
    path.touch()
    log, found = watch.SnakemakeLog(path), []
    for i in range(len(text)):
        with path.open("a") as f:
            f.write(text[i])
        found += log.failures()
    assert [*found, *log.failures(ended=True)] == [watch.Failure("train saccades/3c1fc/mtt/T3/seed0", "a.log")]


def test_a_log_may_end_within_a_failure(tmp_path):
    path = tmp_path / "snakemake.log"
    path.write_text("Error in rule mlflow:\n    jobid: 9")
    assert list(watch.SnakemakeLog(path).failures(ended=True)) == [watch.Failure("mlflow", "")]


CHILD = """if True:
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    try:
        print("up", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(5)
"""


@pytest.fixture
def watched(tmp_path):
    """`snn watch` as a process of a group of its own, as a shell starts it; its command waits, and ends with 5 when it
    is interrupted."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "snn", "watch", "--", sys.executable, "-c", CHILD]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    log, deadline = tmp_path / "results/saccades/logs/snakemake.log", time.monotonic() + 60
    while not (log.exists() and "up" in log.read_text()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def test_ctrl_c_ends_the_command_and_then_the_line(watched):
    os.killpg(watched.pid, signal.SIGINT)
    text, _ = watched.communicate(timeout=60)
    assert watched.returncode == 5
    assert "stopping: Snakemake ends its jobs" in text
    assert re.search(r"^stopped: 0/\d+ cells", text, re.MULTILINE)
    assert "Traceback" not in text


def test_a_request_to_end_is_passed_on(watched):
    watched.send_signal(signal.SIGTERM)
    watched.communicate(timeout=60)
    assert watched.returncode == 128 + signal.SIGTERM


def test_a_real_terminal_sees_one_line_and_a_clean_end(tmp_path):
    pty = pytest.importorskip("pty")
    main, other = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"}
    script = "import time; time.sleep(1.5)"
    command = [sys.executable, "-m", "snn", "watch", "--", sys.executable, "-c", script]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=other, stderr=other, env=environment)
    os.close(other)
    seen = b""
    while select.select([main], [], [], 60)[0]:
        try:
            data = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        seen += data
    os.close(main)
    assert process.wait(60) == 0
    text = seen.decode()
    assert "time left: known after the first jobs" in text
    assert "\x1b[?25h" in text, "the cursor is shown again"
    assert re.search(r"\s0/\d+ cells \(0/\d+ jobs\) after \d+ s\s*$", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text))
