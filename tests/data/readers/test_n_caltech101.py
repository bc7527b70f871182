"""N-Caltech101 in its published layout, and the splits that published code makes."""

import numpy as np
import pytest

from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers._published_splits import official
from snn.data.store import open_event_store
from snn.errors import ConfigError, DataError

from ..event_data import bin_bytes, random_events


@pytest.fixture
def recorded(tmp_path):
    rng, written = np.random.default_rng(0), {}
    for name in ("BACKGROUND_Google", "Faces_easy", "yin_yang"):
        (tmp_path / "raw" / "Caltech101" / name).mkdir(parents=True)
        for i in range(1, 21):
            events = random_events(rng, 60, Sensor(180, 240))
            (tmp_path / "raw" / "Caltech101" / name / f"image_{i:04d}.bin").write_bytes(bin_bytes(events))
            written[f"{name}/image_{i:04d}.bin"] = events
    return tmp_path / "raw", written


def converted(folder, out, split, **params):
    return convert("n-caltech101", {"folder": str(folder), **params}, split, out, progress=False)


def test_recordings_are_read_exactly(recorded, tmp_path):
    folder, written = recorded
    manifest = converted(folder, tmp_path / "s", {"test": 6, "validation": 6})
    assert manifest["title"] == "N-Caltech101 (partial copy)"
    assert manifest["missing"] == {"all": {"all classes": 8709 - 60}}
    store = open_event_store(tmp_path / "s")
    assert store.shape == (2, 180, 240)
    for i, name in enumerate(store.names):
        expected = written[name].copy()
        expected["t"] -= expected["t"][0]
        np.testing.assert_array_equal(store.events(i), expected)
    with pytest.raises(ConfigError, match=r"split.test: this data set has no official test split"):
        converted(folder, tmp_path / "s", {})


def test_the_published_split_takes_the_first_names_of_each_class(recorded, tmp_path):
    converted(recorded[0], tmp_path / "s", {"validation": 6}, published_split="names-90", reduce=2)
    store = open_event_store(tmp_path / "s")
    assert store.shape == (2, 90, 120)
    test = sorted(store.names[store.indices("test")])
    assert [name.split("_")[-1] for name in test] == ["0019.bin", "0020.bin"] * 3


def test_a_damaged_recording_is_named(recorded, tmp_path):
    (recorded[0] / "Caltech101/yin_yang/image_0003.bin").write_bytes(b"\xff" * 10)
    with pytest.raises(
        DataError, match=r"yin_yang/image_0003.bin: event 0 at x=255, y=255, p=1 lies outside the 240x180"
    ):
        converted(recorded[0], tmp_path / "s", {"test": 6, "validation": 6})


def test_published_splits_by_name_and_by_number(tmp_path):
    files = [tmp_path / f"cifar10_cat_{i}.aedat4" for i in range(1000)]
    by_name, by_number, seventy = (official(files, rule) for rule in ("names-90", "numbers-90", "numbers-70"))
    assert by_number == ["train"] * 900 + ["test"] * 100
    assert seventy == ["train"] * 700 + ["test"] * 300
    test = {i for i, split in enumerate(by_name) if split == "test"}
    names = sorted(str(i) for i in range(1000))
    assert test == {int(name) for name in names[900:]}
    assert by_name != by_number
    assert official(files[:3], None) == [None] * 3
