"""A folder of recordings in any format: every event is stored, and what cannot be read is one clear line."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from snn.data import readers
from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers import event_folder
from snn.data.store import open_event_store
from snn.errors import ConfigError, DataError

from ..event_data import random_events
from ..event_writers import WRITERS, npy

SENSOR = Sensor(30, 40)
OPTIONAL = {".aedat4": "aedat", ".h5": "h5py"}


def recorded(root, suffix, splits=("train", "test"), per_class=4, nested=""):
    """{name: events} of recordings of three classes, written in one format."""
    rng, written = np.random.default_rng(0), {}
    for split in splits:
        for name in ("left", "right", "up"):
            folder = root / split / name / nested
            folder.mkdir(parents=True)
            for i in range(per_class):
                events = random_events(rng, 80, SENSOR)
                events["t"] += 1000
                file = folder / f"{i}{suffix}"
                WRITERS[suffix](file, events)
                written[file.relative_to(root).as_posix()] = events
    return written


def converted(root, out, split=None, **params):
    params = {"folder": str(root), "width": 40, "height": 30} | params
    return convert("event-folder", params, {"validation": 3} | (split or {}), out, progress=False)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_is_read_exactly(tmp_path, suffix):
    if suffix in OPTIONAL and not find_spec(OPTIONAL[suffix]):
        pytest.skip(f"the package {OPTIONAL[suffix]} is not installed")
    written = recorded(tmp_path / "raw", suffix)
    manifest = converted(tmp_path / "raw", tmp_path / "s")
    assert manifest["classes"] == ["left", "right", "up"]
    assert manifest["split"]["official_test"]
    store = open_event_store(tmp_path / "s")
    assert store.shape == (2, 30, 40)
    assert len(store) == len(written)
    for i, name in enumerate(store.names):
        expected = written[name].copy()
        expected["t"] -= expected["t"][0]
        np.testing.assert_array_equal(store.events(i), expected)
        assert store.classes[store.labels[i]] == name.split("/")[1]
        assert (i in store.indices("test")) == name.startswith("test/")


def test_pixels_are_taken_together_and_counts_are_kept(tmp_path):
    recorded(tmp_path / "raw", ".npy")
    converted(tmp_path / "raw", tmp_path / "fine")
    converted(tmp_path / "raw", tmp_path / "coarse", reduce=10)
    fine, coarse = (open_event_store(tmp_path / name) for name in ("fine", "coarse"))
    assert coarse.shape == (2, 3, 4)
    everything = np.arange(len(fine))
    blocks = fine.frames(everything, 4).reshape(len(fine), 4, 2, 3, 10, 4, 10).sum((4, 6))
    np.testing.assert_array_equal(coarse.frames(everything, 4), blocks)


def test_without_an_official_split_and_in_deeper_folders(tmp_path):
    recorded(tmp_path / "raw", ".npz", splits=("",), per_class=6, nested="person 1/take ü")
    manifest = converted(tmp_path / "raw", tmp_path / "s", {"test": 3}, title="gestures")
    assert manifest["title"] == "gestures"
    assert {s: sum(n.values()) for s, n in manifest["counts"].items()} == {"train": 12, "validation": 3, "test": 3}


def test_several_formats_may_lie_side_by_side_and_other_files_are_left_out(tmp_path):
    recorded(tmp_path / "raw", ".npy")
    events = random_events(np.random.default_rng(1), 50, SENSOR)
    WRITERS[".dat"](tmp_path / "raw/train/up/more.dat", events)
    (tmp_path / "raw/train/up/notes.md").write_text("words")
    (tmp_path / "raw/train/up/.hidden.npy").write_text("words")
    assert converted(tmp_path / "raw", tmp_path / "s")["recordings"] == 25


def test_the_sensor_must_be_stated_and_must_hold_all_events(tmp_path):
    recorded(tmp_path / "raw", ".npy")
    with pytest.raises(ConfigError, match=r"params.height' is missing"):
        convert("event-folder", {"folder": str(tmp_path / "raw"), "width": 40}, {}, tmp_path / "s")
    with pytest.raises(DataError, match=r"left/0.npy: event .* lies outside the 20x30 sensor"):
        converted(tmp_path / "raw", tmp_path / "s", width=20)


def test_columns_name_each_field_once():
    for wrong in (["t", "x", "y"], ["t", "x", "y", "p", "p"], ["t", "x", "y", "q"]):
        with pytest.raises(ConfigError, match=r"params.columns"):
            convert("event-folder", {"folder": "x", "width": 1, "height": 1, "columns": wrong}, {}, "unused")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: (raw / "train/up/2.npy").write_bytes(b""), r"train/up/2.npy: no intact .npy file of numbers"),
        (lambda raw: npy(raw / "train/up/2.npy", np.zeros(0, [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])),
         r"train/up/2.npy: holds no events; delete this file"),
        (lambda raw: [p.unlink() for p in (raw / "test/up").iterdir()], r"class without samples: .*test/up holds no "),
        (lambda raw: os.rename(raw / "train", raw / "other"), r"raw/test: holds folders, like a split of its own, but"),
    ],
)  # fmt: skip
def test_faults_are_named_in_one_line(tmp_path, damage, message):
    recorded(tmp_path / "raw", ".npy")
    damage(tmp_path / "raw")
    with pytest.raises(DataError, match=message) as error:
        converted(tmp_path / "raw", tmp_path / "s")
    assert "\n" not in str(error.value)


def test_the_workflow_watches_the_folders_of_the_classes(tmp_path):
    recorded(tmp_path / "raw", ".npy")
    reader = readers.find("event-folder")
    inputs = reader.inputs(event_folder.Params(folder=tmp_path / "raw", width=40, height=30))
    assert tmp_path / "raw/train" in inputs
    assert tmp_path / "raw/test/up" in inputs
    assert reader.inputs(event_folder.Params(folder="nowhere", width=1, height=1)) == [event_folder.Path("nowhere")]
