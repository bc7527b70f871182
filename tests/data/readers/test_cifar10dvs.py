"""CIFAR10-DVS folders: read exactly, mapped to a coarser grid, and refused in one clear line."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers import cifar10dvs as reader
from snn.data.store import open_store
from snn.errors import DataError

from .. import aedat4
from ..event_data import random_events

decoding = pytest.mark.skipif(not find_spec("aedat"), reason="decoding .aedat4: the package aedat is not installed")


@pytest.fixture
def recorded(tmp_path):
    """A folder in the layout of CIFAR10-DVS, three recordings a class: (folder, {name: events})."""
    rng, written = np.random.default_rng(0), {}
    for name in reader.CLASSES:
        (tmp_path / "raw" / name).mkdir(parents=True)
        for i in range(3):
            events = random_events(rng, 250, Sensor(128, 128))
            events["t"] += 10**15  # as the camera's clock gives it
            aedat4.write(tmp_path / "raw" / name / f"{i}.aedat4", events)
            written[f"{name}/{i}.aedat4"] = events
    return tmp_path / "raw", written


def converted(folder, out, **params):
    split = {"validation": 10, "test": 10}
    return convert("cifar10dvs", {"folder": str(folder), **params}, split, out, progress=False)


@decoding
def test_recordings_are_read_exactly_from_their_first_event_on(recorded, tmp_path):
    folder, written = recorded
    manifest = converted(folder, tmp_path / "s")
    assert manifest["title"] == "CIFAR10-DVS (partial copy)"
    assert manifest["missing"]["all"]["cat"] == 997
    opened = open_store(tmp_path / "s")
    for i, name in enumerate(opened.names):
        expected = written[name].copy()
        expected["t"] -= expected["t"][0]
        np.testing.assert_array_equal(opened.events(i), expected)
        assert reader.CLASSES[opened.labels[i]] == name.split("/")[0]


@decoding
def test_a_coarser_grid_keeps_every_event(recorded):
    folder, written = recorded
    events, raw = reader.read(folder / "cat/0.aedat4", 48), written["cat/0.aedat4"]
    assert len(events) == len(raw)
    np.testing.assert_array_equal(events["x"], [x * 48 // 128 for x in raw["x"].tolist()])
    np.testing.assert_array_equal(events["y"], [y * 48 // 128 for y in raw["y"].tolist()])
    assert events["x"].max() == 47


@decoding
@pytest.mark.parametrize("compression", aedat4.COMPRESSIONS)
def test_every_compression_is_read(tmp_path, compression):
    events = random_events(np.random.default_rng(0), 250, Sensor(128, 128))
    events["t"] -= events["t"][0]
    aedat4.write(tmp_path / "a.aedat4", events, compression=compression)
    np.testing.assert_array_equal(reader.read(tmp_path / "a.aedat4"), events)


@decoding
def test_what_the_decoder_prints_of_damage_is_dropped(tmp_path, capfd):
    aedat4.write(tmp_path / "a.aedat4", random_events(np.random.default_rng(0), 50, Sensor(128, 128)))
    content = bytearray((tmp_path / "a.aedat4").read_bytes())
    at = content.index(b"EVTS") - 12
    content[at : at + 4] = (4).to_bytes(4, "little")  # a packet too short for its own header: the decoder panics
    (tmp_path / "a.aedat4").write_bytes(content)
    with pytest.raises(DataError, match=r"no intact .aedat4 recording") as error:
        reader.read(tmp_path / "a.aedat4")
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


@decoding
def test_a_damaged_file_is_named(recorded, tmp_path):
    folder, _ = recorded
    file = folder / "dog/1.aedat4"
    for content in (b"", b"hello", file.read_bytes()[:-30]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"dog/1.aedat4: no intact .aedat4 recording .*delete it, or replace it"):
            converted(folder, tmp_path / "s")


def test_without_the_decoder_the_remedy_is_named(recorded, monkeypatch):
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(DataError, match=r"reading .aedat4 needs the package aedat; install it: pip install aedat"):
        reader.read(recorded[0] / "cat/0.aedat4")


def test_missing_folders_and_empty_classes_are_named(recorded, tmp_path):
    folder, _ = recorded
    with pytest.raises(DataError, match=r"nowhere/airplane: no such folder; unpack CIFAR10-DVS .*download: true"):
        reader.listing(reader.Params(folder=tmp_path / "nowhere"))
    for file in (folder / "ship").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"class without samples: .*ship holds no .aedat4 file"):
        reader.listing(reader.Params(folder=folder))


def test_a_download_that_fails_is_one_line(monkeypatch, tmp_path):
    from tonic.datasets import CIFAR10DVS

    def offline(*_):
        raise OSError("no route\nto host")

    monkeypatch.setattr(CIFAR10DVS, "__init__", offline)
    with pytest.raises(DataError, match=r"downloading CIFAR10-DVS failed .no route to host.; try again later"):
        reader.listing(reader.Params(folder=tmp_path, download=True))
    assert reader.inputs(reader.Params(folder=tmp_path, download=True)) == []
