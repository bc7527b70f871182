"""Foreign code in a child process: its result, its errors, and its crashes as errors of the data."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from snn.data.event_files.isolated import isolated
from snn.data.format import Sensor
from snn.errors import DataError

from ..event_data import random_events

FILE = Path("some.file")


def test_the_result_comes_back_unchanged_whatever_its_size():
    for n in (0, 1, 200_000):
        events = random_events(np.random.default_rng(n), n, Sensor(10, 10))
        result = isolated(lambda _, events=events: events, FILE, "no file")
        np.testing.assert_array_equal(result, events)
        result["x"] = 0  # it can be written to


def test_errors_and_crashes_are_errors_of_the_data(capfd):
    def fail(_):
        print("said", file=sys.stderr)
        raise BaseException("a panic\nof two lines")

    for decode, reason in (
        (fail, r"some.file: no file \(a panic of two lines\); delete it, or replace it"),
        (lambda _: os.kill(os.getpid(), 9), r"some.file: no file \(its decoder crashed\); delete it"),
        (lambda _: 1 / 0, "division by zero"),
        (lambda _: (_ for _ in ()).throw(DataError("some.file: mend it")), "^some.file: mend it$"),
    ):
        with pytest.raises(DataError, match=reason):
            isolated(decode, FILE, "no file")
    assert capfd.readouterr().err == ""
