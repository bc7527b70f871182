"""DVS128 Gesture in its published layout: gestures are cut out of recordings exactly, with the official split."""

import numpy as np
import pytest

from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers import dvs_gesture as reader
from snn.data.store import open_event_store
from snn.errors import DataError

from ..event_data import random_events
from ..event_writers import aedat3


@pytest.fixture
def recorded(tmp_path):
    """(folder, {name: events}): two recordings for training and one for testing, each with 12 gestures."""
    rng, written, root = np.random.default_rng(0), {}, tmp_path / "raw" / "DvsGesture"
    root.mkdir(parents=True)
    trials = {"trials_to_train.txt": ["user01_led", "user02_lab"], "trials_to_test.txt": ["user24_natural"]}
    for listed, names in trials.items():
        (root / listed).write_text("".join(f"{name}.aedat\n" for name in names) + "\n")
        for name in names:
            events = random_events(rng, 4000, Sensor(128, 128), 13_000_000)
            events["t"] += 80_000_000
            aedat3(root / f"{name}.aedat", events)
            lines = ["class,startTime_usec,endTime_usec"]
            for i, label in enumerate([1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 10, 11]):
                begin = 80_000_000 + 1_000_000 * i
                end = begin + 900_000
                lines.append(f"{label},{begin},{end}")
                inside = events[(events["t"] >= begin) & (events["t"] < end)].copy()
                inside["t"] -= inside["t"][0]
                written[f"{name}/{i:02d}"] = (inside, label - 1)
            (root / f"{name}_labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "raw", written


def converted(folder, out, **params):
    return convert("dvs-gesture", {"folder": str(folder), **params}, {"validation": 11}, out, progress=False)


@pytest.mark.parametrize("inside", [False, True])
def test_gestures_are_cut_out_exactly(recorded, tmp_path, inside):
    folder, written = recorded
    manifest = converted(folder / "DvsGesture" if inside else folder, tmp_path / "s")
    assert manifest["title"] == "DVS128 Gesture (partial copy)"
    assert manifest["missing"] == {"train": {"all classes": 1176 - 24}, "test": {"all classes": 288 - 12}}
    store = open_event_store(tmp_path / "s")
    assert len(store) == 36
    for i, name in enumerate(store.names):
        events, label = written[name]
        np.testing.assert_array_equal(store.events(i), events)
        assert store.labels[i] == label
        assert (i in store.indices("test")) == name.startswith("user24")


def test_pixels_are_taken_together(recorded, tmp_path):
    converted(recorded[0], tmp_path / "s", reduce=4)
    store = open_event_store(tmp_path / "s")
    assert store.shape == (2, 32, 32)
    assert store.n_events(0) == len(recorded[1][str(store.names[0])][0])


def test_each_recording_is_read_once(recorded, monkeypatch):
    files, read = [], reader.aedat3.read
    monkeypatch.setattr(reader.aedat3, "read", lambda file: files.append(file.name) or read(file))
    assert len(list(reader.samples(reader.Params(folder=recorded[0])))) == 36
    assert files == ["user01_led.aedat", "user02_lab.aedat", "user24_natural.aedat"]


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda r: change(r / "user02_lab_labels.csv", "11,", "12,"),
            r"user02_lab_labels.csv: line 13 is no class from 1",
        ),
        (lambda r: change(r / "user02_lab_labels.csv", "1,80", "1,99"), r"user02_lab_labels.csv: line 2 is no class"),
        (lambda r: change(r / "user02_lab_labels.csv", "900000", "9e5"), r"user02_lab_labels.csv: line 2 is no class"),
        (lambda r: (r / "user01_led_labels.csv").unlink(), r"user01_led_labels.csv: no such file"),
        (lambda r: (r / "trials_to_test.txt").unlink(), r"trials_to_test.txt: no such file; unpack DvsGesture.tar.gz"),
        (lambda r: change(r / "trials_to_test.txt", "user24", "../user24"), r"trials_to_test.txt: lists '../user24"),
        (
            lambda r: (r / "user24_natural.aedat").write_bytes(b"#!AER-DAT3.1\r\n"),
            r"user24_natural.aedat from .* holds no",
        ),
        (lambda r: [f.unlink() for f in r.glob("*.aedat")], r"none of the recordings that are listed there"),
    ],
)
def test_damage_is_named(recorded, tmp_path, damage, message):
    damage(recorded[0] / "DvsGesture")
    with pytest.raises(DataError, match=message) as error:
        converted(recorded[0], tmp_path / "s")
    assert "\n" not in str(error.value)
