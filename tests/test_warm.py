"""A job that starts as a fork of the warm process is the job that starts cold."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from snn import cli, warm

ROOT = Path(__file__).resolve().parent.parent
SMOKE = ["--configfile", "config/smoke.yaml"]


def snn(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snn.warm", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["plan", *SMOKE], 0), (["train", "saccades/3c1fc/nothing/T4/seed0", *SMOKE], 2), (["no-such-command"], 2)],
)
def test_says_and_answers_what_a_cold_one_does(warm_process, arguments, status):
    hot, cold = snn(*arguments, **warm_process.environment), snn(*arguments)
    assert hot.returncode == cold.returncode == status
    assert (hot.stdout, hot.stderr) == (cold.stdout, cold.stderr)


def test_commands_are_handed_over(warm_process, monkeypatch, capfd):
    for name, value in warm_process.environment.items():
        monkeypatch.setenv(name, value)
    assert warm.hand_over(["--help"]) == 0
    assert capfd.readouterr().out.startswith("usage: snn")


def test_forks_import_our_modules_as_they_lie_there():
    code = "import sys; from snn import warm; warm._import(); print([m for m in sys.modules if m.startswith('snn.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['snn.warm']"


def test_starts_cold_where_there_is_no_warm_process(monkeypatch, tmp_path):
    monkeypatch.delenv(warm.VARIABLE, raising=False)
    assert warm.hand_over(["--help"]) is None
    monkeypatch.setenv(warm.VARIABLE, str(tmp_path / "gone"))
    assert warm.hand_over(["--help"]) is None


def another_environment(patch):
    patch.setattr(sys, "prefix", "/another/environment")


def another_checkout(patch):
    patch.setattr(warm, "__file__", "/another/checkout/snn/warm.py")


def other_libraries(patch):
    patch.setenv("PYTHONPATH", "/other/libraries")


def other_threads(patch):
    patch.setenv("OMP_NUM_THREADS", "97")


@pytest.mark.parametrize("other", [another_environment, another_checkout, other_libraries, other_threads])
def test_starts_cold_where_a_fork_would_be_another_job(warm_process, monkeypatch, other):
    for name, value in warm_process.environment.items():
        monkeypatch.setenv(name, value)
    other(monkeypatch)
    assert warm.hand_over(["--help"]) is None


@pytest.fixture
def stand_in(monkeypatch):
    """stand_in(main): a fork that takes the next command, with `main` for the command line."""

    def fork(main) -> int:
        with socket.socket(socket.AF_UNIX) as listening:
            address = f"snn-test-{os.getpid()}-{secrets.token_hex(4)}"
            listening.bind("\0" + address)
            listening.listen()
            monkeypatch.setenv(warm.VARIABLE, address)
            if (pid := os.fork()) == 0:
                cli.main = main
                warm._do(listening.accept()[0], os.pipe()[0])
        return pid

    return fork


@pytest.mark.parametrize(("code", "status", "said"), [(None, 0, ""), (ord("?"), ord("?"), ""), ("why", 1, "why\n")])
def test_the_end_of_a_job_means_what_it_means_to_python(stand_in, capfd, code, status, said):
    stand_in(lambda arguments: sys.exit(code))
    assert warm.hand_over([]) == status
    assert capfd.readouterr().err == said


def test_a_job_draws_on_no_screen(stand_in, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    stand_in(lambda arguments: 3 if os.environ.get("MPLBACKEND") == "agg" else 4)
    assert snn().returncode == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_after_its_job(stand_in, tmp_path, number):
    half = tmp_path / "half"

    def slow_to_tidy_up(arguments):
        half.touch()
        try:
            time.sleep(60)
        finally:
            time.sleep(0.5)
            half.unlink()

    job = stand_in(slow_to_tidy_up)
    code = """if True:
        import signal, sys
        from snn.warm import main
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
        sys.exit(main([]))
    """
    command = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not half.exists() and command.poll() is None:
        time.sleep(0.01)
    for _ in range(2):  # an impatient hand
        command.send_signal(number)
        time.sleep(0.1)
    assert command.wait(30) == warm.INTERRUPTED
    assert not half.exists(), "the last thing that the job does"
    assert os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]) == warm.INTERRUPTED


def test_a_job_that_dies_is_an_error(monkeypatch, capsys):
    with socket.socket(socket.AF_UNIX) as listening:
        address = f"snn-test-{os.getpid()}-{secrets.token_hex(4)}"
        listening.bind("\0" + address)
        listening.listen()
        if os.fork() == 0:
            listening.accept()[0].makefile().readline()
            os._exit(0)  # without an answer
        monkeypatch.setenv(warm.VARIABLE, address)
        assert warm.hand_over(["--help"]) == warm.KILLED
    assert "killed" in capsys.readouterr().err


def test_a_job_that_does_not_heed_the_interrupt_ends_all_the_same():
    code = """if True:
        import os, signal, socket, threading, time
        from snn import warm
        warm.GRACE = 0.2
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        here, there = socket.socketpair()
        run, _ = os.pipe()
        threading.Thread(target=warm._end_with, args=(there, run, threading.Event())).start()
        here.close()
        time.sleep(60)
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30).returncode == warm.KILLED


def test_it_ends_with_the_run_that_started_it(monkeypatch):
    monkeypatch.delenv(warm.VARIABLE, raising=False)
    server = warm.Server()
    server.start(ROOT)
    assert os.environ[warm.VARIABLE] == server.address
    server.process.stdin.close()
    assert server.process.wait(60) == 0


def test_its_jobs_end_with_the_run_that_started_it(monkeypatch, tmp_path):
    """Where Snakemake is killed, nobody else ends its jobs; the next run would meet them."""
    code = """if True:
        import sys, time
        from snn import warm
        server = warm.Server()
        server.start()
        print(server.address, flush=True)
        time.sleep(60)
    """
    run = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    environment = dict.fromkeys(warm.THREADS, "1") | {warm.VARIABLE: run.stdout.readline().strip()}
    # A command that waits: a fifo that nobody writes to is its configuration.
    os.mkfifo(tmp_path / "slow.yaml")
    command = [sys.executable, "-m", "snn.warm", "plan", "--configfile", str(tmp_path / "slow.yaml")]
    job = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE)
    deadline, fifo = time.monotonic() + 60, None
    while fifo is None and time.monotonic() < deadline:  # until the job has opened the fifo to read it
        try:
            fifo = os.open(tmp_path / "slow.yaml", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    assert job.poll() is None
    run.kill()
    assert job.wait(30) == warm.INTERRUPTED
    os.close(fifo)


def test_it_can_be_switched_off():
    server = warm.Server(enabled=False)
    assert server.command == "python -m snn"
    server.start()
    assert server.process is None


def test_jobs_of_other_users_are_refused(monkeypatch):
    here, there = socket.socketpair()
    assert warm._user_of(there) == os.getuid()
    here.close()


def test_an_interrupted_job_tidies_up(tmp_path):
    code = """if True:
        import os, signal, socket, sys, threading, time
        from pathlib import Path
        from snn import warm
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as the fork does; background jobs ignore it
        here, there = socket.socketpair()
        run, _ = os.pipe()
        threading.Thread(target=warm._end_with, args=(there, run, threading.Event()), daemon=True).start()
        Path(sys.argv[1]).touch()
        try:
            here.close()  # from now on the interrupt may come
            time.sleep(60)
        finally:
            Path(sys.argv[1]).unlink()
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "half"], cwd=ROOT, timeout=30, capture_output=True)
    assert b"KeyboardInterrupt" in done.stderr
    assert not (tmp_path / "half").exists()


def test_output_that_cannot_be_written_is_said(warm_process):
    environment = os.environ | warm_process.environment
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "snn.warm", "plan", *SMOKE]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.returncode not in (0, warm.KILLED)
    assert "no space left" in done.stderr.lower()


def test_with_an_output_closed_a_job_runs_once_and_cold(warm_process, monkeypatch):
    for name, value in warm_process.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", None)
    assert warm.hand_over(["--help"]) is None
