"""Small data sets for the tests of `snn.data`, and the way to real ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snn.data.conversion import write
from snn.data.format import Sensor
from snn.data.params import SplitParams

from .event_data import bin_bytes, random_events, random_reader

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def nmnist(tmp_path) -> Path:
    """A folder in N-MNIST's layout: digits 0, 1 and 2 with 6 training and 3 test recordings each."""
    rng = np.random.default_rng(0)
    for split, number in (("Train", 6), ("Test", 3)):
        for digit in range(3):
            folder = tmp_path / "raw" / split / str(digit)
            folder.mkdir(parents=True)
            for i in range(number):
                events = random_events(rng, 40, Sensor(34, 34))
                (folder / f"{10 * digit + i:05d}.bin").write_bytes(bin_bytes(events))
    return tmp_path / "raw"


@pytest.fixture(scope="session")
def nmnist_small(tmp_path_factory) -> Path:
    """Real N-MNIST recordings: below $SNN_DATA, or unpacked from the shared folder; skipped by name without them."""
    if parent := os.environ.get("SNN_DATA"):
        folder = Path(parent) / "nmnist_small"
        if not folder.is_dir():
            pytest.skip(f"real data nmnist_small: {folder} (from $SNN_DATA) is not there")
        return folder
    if not (SHARED / "unpack.py").is_file():
        pytest.skip("real data nmnist_small: set SNN_DATA to the folder that holds it")
    target = tmp_path_factory.mktemp("real")
    subprocess.run(
        [sys.executable, SHARED / "unpack.py", target, "nmnist_small"], check=True, stdout=subprocess.DEVNULL
    )
    return target / "nmnist_small"


@pytest.fixture
def small_store(tmp_path):
    """(folder of a store of 12 recordings, the reader that it came from)."""
    reader = random_reader([5 + i for i in range(12)])
    write(reader, None, SplitParams(test=2, validation=2), tmp_path / "store")
    return tmp_path / "store", reader
