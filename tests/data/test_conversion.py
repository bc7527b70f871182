"""A conversion is exact, streams, and leaves either a complete store or the one that was there before."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from snn.data.conversion import write
from snn.data.format import Description, Entry, Picture, Recording
from snn.data.params import SplitParams
from snn.data.store import open_store
from snn.errors import DataError

from .event_data import event_array, random_reader
from .image_data import random_images

SPLIT = SplitParams(test=2, validation=2)


def test_the_same_data_make_the_same_bytes(small_store, tmp_path):
    folder, reader = small_store
    write(reader, None, SPLIT, tmp_path / "again")
    for name in ("data.bin", "index.npz", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert open_store(folder).version == open_store(tmp_path / "again").version
    write(reader, None, SplitParams(test=2, validation=2, seed=1), tmp_path / "other")
    assert open_store(folder).version != open_store(tmp_path / "other").version


def test_limits_convert_only_what_is_used(tmp_path):
    reader = random_reader([5] * 40)
    read = []
    inner = reader.samples
    reader.samples = lambda params, positions=None: (read.append(r.name) or r for r in inner(params, positions))
    manifest = write(reader, None, SplitParams(test=4, validation=4, limit={"train": 6}), tmp_path / "s")
    assert len(read) == 14 == manifest["recordings"]
    assert manifest["left_out_by_limits"] == 26
    assert len(open_store(tmp_path / "s").indices("train")) == 6


def test_memory_does_not_grow_with_the_data(tmp_path):
    def peak(n):
        reader = random_reader([20_000] * n)
        tracemalloc.start()
        write(reader, None, SPLIT, tmp_path / str(n))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(8)  # imports
    assert (tmp_path / "8" / "data.bin").stat().st_size == 8 * 20_000 * 13
    assert peak(100) < peak(10) + 200_000, "90 more recordings of 260 kB each may add their index entries, no events"


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_failed_conversion_leaves_the_old_store_and_no_rest(small_store):
    folder, reader = small_store
    before = contents(folder)

    def full(params, positions=None):
        yield from list(random_reader([5 + i for i in range(12)]).samples(params, positions))[:3]
        raise OSError(28, "No space left on device")

    reader.samples = full
    with pytest.raises(OSError, match="No space left"):
        write(reader, None, SPLIT, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("flush", [1, 2, 3])
def test_a_disk_that_fills_up_costs_no_old_store(small_store, monkeypatch, flush):
    """As the data, the index or the manifest is flushed to the disk."""
    folder, _ = small_store
    before, calls = contents(folder), []

    def fsync(number):
        calls.append(number)
        if len(calls) == flush:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        write(random_reader([9] * 12), None, SPLIT, folder)
    assert contents(folder) == before


def test_a_killed_conversion_leaves_the_old_store_and_is_cleaned_up_by_the_next(small_store, tmp_path):
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from data.event_data import random_reader; from snn.data.conversion import write\n"
        "from snn.data.params import SplitParams\n"
        "reader = random_reader([2000] * 12); inner = reader.samples\n"
        "def dying(params, positions=None):\n"
        "    for i, recording in enumerate(inner(params, positions)):\n"
        "        if i == 6: os.kill(os.getpid(), 9)\n"
        "        yield recording\n"
        "reader.samples = dying\n"
        "write(reader, None, SplitParams(test=2, validation=2), Path(sys.argv[2]))\n"
    )
    tests, old = str(Path(__file__).parents[1]), small_store[0]
    version = open_store(old).version
    for folder in (old, tmp_path / "new"):
        assert subprocess.run([sys.executable, "-c", script, tests, str(folder)]).returncode == -9
        assert any(p.name.endswith(".tmp") for p in folder.iterdir())
    assert open_store(old).version == version
    with pytest.raises(DataError, match=r"manifest.json is missing"):
        open_store(tmp_path / "new")
    for folder in (old, tmp_path / "new"):
        write(random_reader([5] * 12), None, SPLIT, folder)
        assert sorted(contents(folder)) == ["data.bin", "index.npz", "manifest.json"]
        open_store(folder)


def test_a_complete_new_store_replaces_the_old_one(small_store):
    folder, _ = small_store
    write(random_reader([9] * 12), None, SPLIT, folder)
    assert open_store(folder).manifest["events"]["total"] == 9 * 12


def test_improper_recordings_stop_the_conversion(tmp_path):
    reader = random_reader([5] * 12)
    for wrong, message in (
        (Recording(event_array([2, 1], [0, 0], [0, 0], [0, 0]), 0, "r0"), "r0: time goes backwards"),
        (Recording(event_array([1], [9], [0], [0]), 0, "r0"), "r0: event 0 at x=9"),
        (Recording(event_array([], [], [], []), 0, "r0"), "r0: holds no events"),
        (Recording(event_array([1], [0], [0], [0]), 1, "r0"), "out of order"),
        (Recording(np.zeros(3), 0, "r0"), "instead of EVENT"),
    ):
        reader.samples = lambda params, positions=None, wrong=wrong: iter([wrong])
        with pytest.raises(DataError, match=message):
            write(reader, None, SPLIT, tmp_path / "s")
        assert list((tmp_path / "s").iterdir()) == []


def test_half_official_splits_are_refused(tmp_path):
    reader = random_reader([5] * 12, official=["train"] * 11 + [None])
    with pytest.raises(DataError, match="only train and test, or none at all"):
        write(reader, None, SPLIT, tmp_path / "s")
    assert vars(Entry(0, "r")) == {"label": 0, "name": "r", "split": None}


def test_memory_does_not_grow_with_the_images(tmp_path):
    def peak(n):
        tracemalloc.start()
        write(random_images(n, (3, 64, 64)), None, SplitParams(test=2, validation=2), tmp_path / str(n))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(8)  # imports
    assert peak(208) < peak(8) + 400_000, "200 more images of 12 kB each may add their index entries, no pixels"


def test_an_image_of_another_size_stops_the_conversion(tmp_path):
    reader = random_images(12)
    reader.describe = lambda params: Description("random", Picture(3, 5, 4), ["a", "b"], "nobody")
    with pytest.raises(DataError, match=r"i0: uint8 3x4x5 instead of uint8 3x5x4 .*one size"):
        write(reader, None, SplitParams(test=2, validation=2), tmp_path / "s")
    assert list((tmp_path / "s").iterdir()) == []
