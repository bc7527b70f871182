"""The store gives back what went in, or says what is wrong with it."""

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from event_data import invented, made
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.data import readers, store
from snn.data.format import Entry, Recording, Sensor
from snn.data.params import SplitParams
from snn.data.store import convert, open_store, write
from snn.errors import ConfigError, DataError

SPLIT = SplitParams(test=2, validation=2)


@pytest.fixture
def small(tmp_path):
    """A store of 12 recordings, and the reader that it came from."""
    reader = invented([5 + i for i in range(12)])
    write(reader, None, SPLIT, tmp_path / "store")
    return tmp_path / "store", reader


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(1, 50), min_size=8, max_size=20))
def test_events_come_back_unchanged_and_in_order(sizes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round") / "store"
    reader = invented(sizes)
    manifest = write(reader, None, SPLIT, folder)
    opened = open_store(folder)
    assert len(opened) == len(sizes) == manifest["recordings"]
    assert manifest["events"]["total"] == sum(sizes) == len(opened.event_map)
    for i, recording in enumerate(reader.recordings(None)):
        np.testing.assert_array_equal(opened.events(i), recording.events)
        assert opened.n_events(i) == sizes[i]
        assert (opened.labels[i], opened.names[i]) == (recording.label, recording.name)
    everything = np.sort(np.concatenate([opened.indices(s) for s in ("train", "validation", "test")]))
    np.testing.assert_array_equal(everything, np.arange(len(sizes)))


def test_frames_of_chosen_recordings(small):
    opened = open_store(small[0])
    chosen = np.array([7, 0, 7])
    frames = opened.frames(chosen, 4)
    assert frames.shape == (3, 4, 2, 5, 7)
    assert frames.sum((1, 2, 3, 4)).tolist() == [opened.n_events(i) for i in chosen]
    np.testing.assert_array_equal(frames[0], frames[2])
    with pytest.raises(ValueError, match="T = 0"):
        opened.frames(chosen, 0)


def test_the_manifest_tells_what_is_in_the_store(small):
    opened = open_store(small[0])
    manifest = json.loads((small[0] / "manifest.json").read_text())
    assert opened.manifest == manifest
    assert opened.sensor == Sensor(5, 7)
    assert opened.classes == ["class 0", "class 1"]
    assert opened.n_classes == 2
    assert manifest["counts"]["test"] == {"class 0": 1, "class 1": 1}
    assert manifest["counts"]["train"] == {"class 0": 4, "class 1": 4}


def test_the_same_data_make_the_same_bytes(small, tmp_path):
    folder, reader = small
    write(reader, None, SPLIT, tmp_path / "again")
    for name in ("data.bin", "index.npz", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert open_store(folder).version == open_store(tmp_path / "again").version
    write(reader, None, SplitParams(test=2, validation=2, seed=1), tmp_path / "other")
    assert open_store(folder).version != open_store(tmp_path / "other").version


def test_limits_convert_only_what_is_used(tmp_path):
    reader = invented([5] * 40)
    read = []
    inner = reader.recordings
    reader.recordings = lambda params, positions=None: (read.append(r.name) or r for r in inner(params, positions))
    manifest = write(reader, None, SplitParams(test=4, validation=4, limit={"train": 6}), tmp_path / "s")
    assert len(read) == 14 == manifest["recordings"]
    assert manifest["left_out_by_limits"] == 26
    assert len(open_store(tmp_path / "s").indices("train")) == 6


def test_memory_does_not_grow_with_the_data(tmp_path):
    def peak(n):
        reader = invented([20_000] * n)
        tracemalloc.start()
        write(reader, None, SPLIT, tmp_path / str(n))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(8)  # imports
    assert (tmp_path / "8" / "data.bin").stat().st_size == 8 * 20_000 * 13
    assert peak(100) < peak(10) + 200_000, "90 more recordings of 260 kB each may add their index entries, no events"


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["data.bin", "index.npz"])
def test_a_changed_file_is_named_with_the_remedy(small, name):
    flipped(small[0] / name)
    with pytest.raises(DataError, match=rf"{name} does not match its checksum; delete the folder .* snakemake again"):
        open_store(small[0])


@pytest.mark.parametrize("name", ["data.bin", "index.npz"])
def test_a_shortened_file_is_seen_even_without_checksums(small, name):
    file = small[0] / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name} has .* bytes, the manifest says"):
        open_store(small[0], verify=False)


def test_missing_files_and_foreign_manifests_are_named(small, tmp_path):
    folder, _ = small
    with pytest.raises(DataError, match=r"manifest.json is missing: no .complete. store here"):
        open_store(tmp_path / "nowhere")
    manifest = (folder / "manifest.json").read_text()
    for text, message in (
        ("{", "cannot be read as a manifest"),
        ("[]", "cannot be read as a manifest"),
        (manifest.replace('"format": 2', '"format": 99'), "is of format 99, this version reads format 2"),
    ):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(DataError, match=message):
            open_store(folder)
    (folder / "manifest.json").write_text(manifest)
    (folder / "index.npz").unlink()
    with pytest.raises(DataError, match=r"index.npz is missing"):
        open_store(folder)


def test_nothing_is_unpickled(small):
    """An index with a pickled object is refused, even if somebody made the checksums fit."""
    folder, _ = small
    with open(folder / "index.npz", "wb") as f:
        np.savez(f, offsets=np.array([{}], object), labels=[0], split=[0], names=["a"])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["index.npz"]["bytes"] = (folder / "index.npz").stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="cannot be read"):
        open_store(folder, verify=False)


def test_a_failed_conversion_leaves_the_old_store_and_no_rest(small):
    folder, reader = small
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(params, positions=None):
        yield from list(invented([5 + i for i in range(12)]).recordings(params, positions))[:3]
        raise OSError(28, "No space left on device")

    reader.recordings = full
    with pytest.raises(OSError, match="No space left"):
        write(reader, None, SPLIT, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_killed_conversion_looks_incomplete_and_is_cleaned_up_by_the_next(tmp_path):
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from event_data import invented; from snn.data.store import write; from snn.data.params import SplitParams\n"
        "reader = invented([2000] * 12); inner = reader.recordings\n"
        "def dying(params, positions=None):\n"
        "    for i, recording in enumerate(inner(params, positions)):\n"
        "        if i == 6: os.kill(os.getpid(), 9)\n"
        "        yield recording\n"
        "reader.recordings = dying\n"
        "write(reader, None, SplitParams(test=2, validation=2), Path(sys.argv[2]))\n"
    )
    here = str(store.Path(__file__).parent)
    assert subprocess.run([sys.executable, "-c", script, here, str(tmp_path / "s")]).returncode == -9
    assert any(p.name.endswith(".tmp") for p in (tmp_path / "s").iterdir())
    with pytest.raises(DataError, match=r"manifest.json is missing"):
        open_store(tmp_path / "s")
    write(invented([5] * 12), None, SPLIT, tmp_path / "s")
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["data.bin", "index.npz", "manifest.json"]
    open_store(tmp_path / "s")


def test_improper_recordings_stop_the_conversion(tmp_path):
    reader = invented([5] * 12)
    for wrong, message in (
        (Recording(made([2, 1], [0, 0], [0, 0], [0, 0]), 0, "r0"), "r0: time goes backwards"),
        (Recording(made([1], [9], [0], [0]), 0, "r0"), "r0: event 0 at x=9"),
        (Recording(made([], [], [], []), 0, "r0"), "r0: holds no events"),
        (Recording(made([1], [0], [0], [0]), 1, "r0"), "out of order"),
        (Recording(np.zeros(3), 0, "r0"), "instead of EVENT"),
    ):
        reader.recordings = lambda params, positions=None, wrong=wrong: iter([wrong])
        with pytest.raises(DataError, match=message):
            write(reader, None, SPLIT, tmp_path / "s")
        assert list((tmp_path / "s").iterdir()) == []


def test_half_official_splits_are_refused(tmp_path):
    reader = invented([5] * 12, official=["train"] * 11 + [None])
    with pytest.raises(DataError, match="only train and test, or none at all"):
        write(reader, None, SPLIT, tmp_path / "s")
    assert vars(Entry(0, "r")) == {"label": 0, "name": "r", "split": None}


def test_readers_are_found_by_name():
    assert readers.names() == ["cifar10", "cifar100", "cifar10dvs", "idx", "image-folder", "nmnist", "saccades"]
    with pytest.raises(ConfigError, match=r"unknown reader 'nmnits'; did you mean 'nmnist'\?"):
        convert("nmnits", {}, {}, "unused")
    with pytest.raises(ConfigError, match=r"params.treshold.*'threshold'"):
        convert("saccades", {"treshold": 1}, {}, "unused")
