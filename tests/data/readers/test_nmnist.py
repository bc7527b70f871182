"""N-MNIST folders: complete or partial ones are read exactly, damaged ones refused in one clear line."""

import shutil

import numpy as np
import pytest

from snn.data import tonic_io as _tonic
from snn.data.conversion import convert
from snn.data.format import Sensor
from snn.data.readers import nmnist as reader
from snn.data.store import open_store
from snn.errors import DataError

from ..event_data import bin_bytes, event_array, random_events


def converted(folder, tmp_path, **params):
    return convert("nmnist", {"folder": str(folder), **params}, {"validation": 0.25}, tmp_path / "s", progress=False)


def test_events_are_decoded_bit_by_bit(tmp_path):
    events = random_events(np.random.default_rng(1), 500, Sensor(34, 34), duration=2**23 - 1)
    (tmp_path / "a.bin").write_bytes(bin_bytes(events))
    np.testing.assert_array_equal(reader.read(tmp_path / "a.bin"), events)


def test_overflow_marks_lengthen_the_time(tmp_path):
    """y = 240 marks an overflow: 2**13 microseconds are added from there on, and the mark is no event."""
    (tmp_path / "a.bin").write_bytes(bin_bytes(event_array([5, 9, 3, 4], [1, 0, 2, 3], [1, 240, 2, 3], [1, 0, 0, 1])))
    np.testing.assert_array_equal(
        reader.read(tmp_path / "a.bin"), event_array([5, 3 + 8192, 4 + 8192], [1, 2, 3], [1, 2, 3], [1, 0, 1])
    )


@pytest.mark.parametrize("inside", [False, True])
def test_a_partial_copy_keeps_its_split_and_names_what_is_missing(nmnist, tmp_path, inside):
    if inside:
        (tmp_path / "above").mkdir()
        nmnist = nmnist.rename(tmp_path / "above" / "NMNIST").parent
    manifest = converted(nmnist, tmp_path, provenance="made for a test")
    assert manifest["title"] == "N-MNIST digits 0-2 (partial copy)"
    assert manifest["classes"] == ["0", "1", "2"]
    assert manifest["missing"]["train"]["0"] == 5923 - 6
    assert manifest["missing"]["test"]["9"] == 1009
    assert manifest["provenance"]["copy"] == "made for a test"
    opened = open_store(tmp_path / "s")
    assert all(opened.names[i].startswith("Test/") for i in opened.indices("test"))
    assert [len(opened.indices(s)) for s in ("train", "validation", "test")] == [14, 4, 9]


def test_the_official_numbers_are_those_of_mnist():
    assert sum(reader.OFFICIAL["train"].values()) == 60_000
    assert sum(reader.OFFICIAL["test"].values()) == 10_000


def test_classes_left_out_shift_the_labels(nmnist, tmp_path):
    for split in ("Train", "Test"):
        shutil.rmtree(nmnist / split / "1")
    manifest = converted(nmnist, tmp_path)
    assert manifest["title"].startswith("N-MNIST digits 0, 2")
    opened = open_store(tmp_path / "s")
    assert {n.split("/")[1]: int(label) for n, label in zip(opened.names, opened.labels, strict=True)} == {
        "0": 0,
        "2": 1,
    }


def truncated(folder):
    file = folder / "Train/0/00000.bin"
    file.write_bytes(file.read_bytes()[:-2])


def emptied(folder):
    (folder / "Train/0/00000.bin").write_bytes(b"")


def foreign(folder):
    (folder / "Train/0/00000.bin").write_bytes(b"this is a text, not a recording!!!!")


def only_overflows(folder):
    (folder / "Train/0/00000.bin").write_bytes(bin_bytes(event_array([1], [0], [240], [0])))


def outside(folder):
    (folder / "Train/0/00000.bin").write_bytes(bin_bytes(event_array([1, 2], [3, 34], [0, 0], [0, 0])))


def backwards(folder):
    (folder / "Train/0/00000.bin").write_bytes(bin_bytes(event_array([9, 2], [3, 3], [0, 0], [0, 0])))


def unlabelled(folder):
    (folder / "Train/0/00000.bin").rename(folder / "Train/00000.bin")


def mislabelled(folder):
    (folder / "Train/0").rename(folder / "Train/zero")


def no_test(folder):
    shutil.rmtree(folder / "Test")


def no_class_in_test(folder):
    shutil.rmtree(folder / "Test/1")


def empty_class(folder):
    shutil.rmtree(folder / "Train/1")
    (folder / "Train/1").mkdir()


def no_digits(folder):
    for split in ("Train", "Test"):
        shutil.rmtree(folder / split)
        (folder / split).mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, r"Train/0/00000.bin: 198 bytes are no whole number of 5-byte events; .*replace it"),
        (emptied, r"Train/0/00000.bin: is empty; delete it"),
        (foreign, r"Train/0/00000.bin: event 0 at x=116, .* outside the 34x34 sensor .* replace it"),
        (only_overflows, r"Train/0/00000.bin: holds no events; delete"),
        (outside, r"Train/0/00000.bin: event 1 at x=34, .* replace it"),
        (backwards, r"Train/0/00000.bin: time goes backwards at event 1 .* replace it"),
        (unlabelled, r"Train/00000.bin: has no label, .* put it into .*Train/<digit>/"),
        (mislabelled, r"Train/zero/.*bin: has no label"),
        (no_test, r"Test: no such folder; unpack .* or set `download: true`"),
        (no_class_in_test, r"class without samples: Test/1 holds no .bin file; put recordings there"),
        (empty_class, r"class without samples: Train/1 holds no .bin file"),
        (no_digits, r"no digit folders"),
        (shutil.rmtree, r"Train: no such folder; unpack"),
    ],
)
def test_damage_is_named_and_nothing_stays_behind(nmnist, tmp_path, damage, message):
    damage(nmnist)
    with pytest.raises(DataError, match=message) as error:
        converted(nmnist, tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s").exists() or not list((tmp_path / "s").iterdir())


def test_other_files_beside_the_recordings_are_ignored(nmnist, tmp_path):
    (nmnist / "Train/README.txt").write_text("words")
    (nmnist / "Train/0/notes.txt").write_text("words")
    (nmnist / "Train/.hidden.bin").write_text("words")
    assert converted(nmnist, tmp_path)["recordings"] == 27


def test_download_is_asked_for_only_where_nothing_is_there(nmnist, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(_tonic, "download_nmnist", lambda folder: calls.append(folder))
    converted(nmnist, tmp_path, download=True)
    assert calls == []
    target = tmp_path / "new"
    monkeypatch.setattr(_tonic, "download_nmnist", lambda folder: nmnist.rename(folder / "NMNIST"))
    target.mkdir()
    assert converted(target, tmp_path, download=True)["recordings"] == 27
    inputs = reader.inputs(reader.Params(folder=target))
    assert inputs[:2] == [target / "NMNIST" / "Train", target / "NMNIST" / "Test"]
    assert target / "NMNIST" / "Test" / "0" in inputs  # where a recording that is added leaves its trace


def test_a_failing_download_is_one_clear_line(tmp_path, monkeypatch):
    import tonic.datasets

    def unreachable(*args, **kwargs):
        raise OSError("no route\nto host")

    monkeypatch.setattr(tonic.datasets, "NMNIST", unreachable)
    with pytest.raises(DataError, match=r"downloading N-MNIST failed .no route to host.; try again later, or unpack"):
        converted(tmp_path / "new", tmp_path, download=True)


def test_real_recordings_convert(nmnist_small, tmp_path):
    manifest = converted(nmnist_small, tmp_path)
    assert manifest["title"] == "N-MNIST (partial copy)"
    assert manifest["recordings"] == 1100
    assert manifest["events"]["total"] == 4_518_827
    opened = open_store(tmp_path / "s")
    test = opened.indices("test")
    assert len(test) == 100
    assert opened.frames(test, 10).sum() == sum(opened.n_events(i) for i in test)
