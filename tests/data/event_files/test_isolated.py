"""Foreign code in a child process: its result, its errors, and its crashes as errors of the data."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from snn.data.event_files.isolated import isolated
from snn.data.format import Sensor
from snn.errors import DataError

from ..event_data import random_events

FILE = Path("some.file")


def some_events(file, n):
    return random_events(np.random.default_rng(n), n, Sensor(10, 10))


def panic(file):
    print("said", file=sys.stderr)
    os.write(2, b"said")
    raise BaseException("a panic\nof two lines")


def crash(file):
    os.kill(os.getpid(), 9)


def divide(file):
    return 1 / 0


def refuse(file):
    raise DataError(f"{file}: mend it")


def parent(file):
    raise ValueError(os.getpid())


@pytest.mark.parametrize("n", [0, 1, 200_000])
def test_the_result_comes_back_unchanged_whatever_its_size(n):
    result = isolated(some_events, FILE, "no file", n)
    np.testing.assert_array_equal(result, some_events(FILE, n))
    result["x"] = 0  # it can be written to


@pytest.mark.parametrize(
    ("decode", "reason"),
    [
        (panic, r"some.file: no file \(a panic of two lines\); delete it, or replace it"),
        (crash, r"some.file: no file \(its decoder crashed\); delete it"),
        (divide, "division by zero"),
        (refuse, "^some.file: mend it$"),
    ],
)
def test_errors_and_crashes_are_errors_of_the_data_and_the_next_file_is_read(decode, reason, capfd):
    with pytest.raises(DataError, match=reason):
        isolated(decode, FILE, "no file")
    assert len(isolated(some_events, FILE, "no file", 3)) == 3
    assert capfd.readouterr().err == ""


def test_one_child_serves_all_files():
    pids = set()
    for _ in range(3):
        with pytest.raises(DataError) as error:
            isolated(parent, FILE, "no file")
        pids.add(str(error.value))
    assert len(pids) == 1


def test_the_child_ends_with_a_process_that_is_killed():
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from data.event_files.test_isolated import FILE, parent; from snn.data.event_files.isolated import isolated\n"
        "try: isolated(parent, FILE, 'pid')\n"
        "except Exception as error: print(str(error).split('(')[1].split(')')[0], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    tests = str(Path(__file__).parents[2])
    pid = int(subprocess.run([sys.executable, "-c", script, tests], stdout=subprocess.PIPE).stdout)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}/exe").exists()
