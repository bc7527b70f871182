"""A training that is asked to stop ends with its checkpoint, and the next run gives the bits of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from snn.runtime.stopping import requests

ROOT = Path(__file__).resolve().parents[2]
CELL = "saccades/3c1fc/sdt/T2/seed0"
LONG = """
benchmark: long
matrix: {networks: [3c1fc], methods: [sdt], t_train: [2], seeds: [0], extra: []}
datasets: {saccades: {params: {samples: 60}, split: {validation: 20, test: 20}}}
train: {epochs: 40, batch_size: 16}
"""


def test_the_signal_is_noted_inside_the_block_alone():
    before = signal.getsignal(signal.SIGUSR1)
    with requests() as request:
        assert not request.received
        os.kill(os.getpid(), signal.SIGUSR1)
        assert request.received
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_signal_that_came_while_the_job_was_starting_is_received():
    """In a process of its own: here, a thread that does not block the signal would get it."""
    code = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
os.kill(os.getpid(), signal.SIGUSR1)
from snn.runtime.stopping import requests
with requests() as request:
    assert request.received
assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, set())
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells which signals wait at a process")
def test_a_signal_that_came_before_the_job_was_there_is_received():
    """It went to the process that starts the jobs, here with a shell between, and waits there. A thread that
    this process had before does not end it."""
    job = "from snn.runtime.stopping import requests\nwith requests() as request: print(request.received)"
    code = f"""
import os, signal, subprocess, sys, threading
older = threading.Event()
threading.Thread(target=older.wait).start()
from snn.runtime import stopping
stopping.hold()
start = ["sh", "-c", '"$0" "$@"; true', sys.executable, "-c", {job!r}]
print(subprocess.check_output(start, text=True).strip())
os.kill(os.getpid(), signal.SIGUSR1)
print(subprocess.check_output(start, text=True).strip())
older.set()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_another_thread_is_never_asked():
    received = []

    def work():
        with requests() as request:
            received.append(request.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert received == [False]


def test_a_training_stops_with_its_checkpoint_and_resumes(tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": ""}

    def snn(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "snn", *arguments, "--configfile", "long.yaml"]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)

    folder = tmp_path / "results/long/cells" / CELL
    assert snn("convert", "saccades").wait() == 0
    assert snn("train", CELL).wait() == 0
    whole = folder.rename(folder.with_name("whole"))

    asked = snn("train", CELL)
    deadline = time.monotonic() + 300
    while not (folder / "checkpoint.pt").exists() and asked.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    asked.send_signal(signal.SIGUSR1)
    _, message = asked.communicate()
    assert asked.returncode == 2, message
    assert "as the batch system asked" in message.strip().splitlines()[-1]
    assert (folder / "checkpoint.pt").exists()
    assert not (folder / "train").exists()

    assert snn("train", CELL).wait() == 0
    with np.load(whole / "train/predictions.npz") as a, np.load(folder / "train/predictions.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)
