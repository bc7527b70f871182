"""The store gives back what went in, or says what is wrong with it."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.data.conversion import write
from snn.data.format import EVENT, Sensor
from snn.data.manifest import sealed
from snn.data.params import SplitParams
from snn.data.store import open_event_store, open_store
from snn.errors import DataError
from snn.runtime.files import sha256

from .event_data import random_reader
from .image_data import random_images

SPLIT = SplitParams(test=2, validation=2)


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(1, 50), min_size=8, max_size=20))
def test_events_come_back_unchanged_and_in_order(sizes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round") / "store"
    reader = random_reader(sizes)
    manifest = write(reader, None, SPLIT, folder)
    opened = open_store(folder)
    assert len(opened) == len(sizes) == manifest["recordings"]
    assert manifest["events"]["total"] == sum(sizes) == len(opened.event_map)
    for i, recording in enumerate(reader.samples(None)):
        np.testing.assert_array_equal(opened.events(i), recording.events)
        assert opened.n_events(i) == sizes[i]
        assert (opened.labels[i], opened.names[i]) == (recording.label, recording.name)
    everything = np.sort(np.concatenate([opened.indices(s) for s in ("train", "validation", "test")]))
    np.testing.assert_array_equal(everything, np.arange(len(sizes)))


def test_frames_of_chosen_recordings(small_store):
    opened = open_store(small_store[0])
    chosen = np.array([7, 0, 7])
    frames = opened.frames(chosen, 4)
    assert frames.shape == (3, 4, 2, 5, 7)
    assert frames.sum((1, 2, 3, 4)).tolist() == [opened.n_events(i) for i in chosen]
    np.testing.assert_array_equal(frames[0], frames[2])
    with pytest.raises(ValueError, match="T = 0"):
        opened.frames(chosen, 0)


def test_the_manifest_tells_what_is_in_the_store(small_store):
    opened = open_store(small_store[0])
    manifest = json.loads((small_store[0] / "manifest.json").read_text())
    assert opened.manifest == manifest
    assert set(manifest["files"]) == {"data.bin", "index.npz"}
    assert opened.sensor == Sensor(5, 7)
    assert opened.classes == ["class 0", "class 1"]
    assert opened.n_classes == 2
    assert manifest["counts"]["test"] == {"class 0": 1, "class 1": 1}
    assert manifest["counts"]["train"] == {"class 0": 4, "class 1": 4}


def flipped(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["data.bin", "index.npz"])
def test_a_changed_file_is_named_with_the_remedy(small_store, name):
    flipped(small_store[0] / name)
    with pytest.raises(DataError, match=rf"{name} does not match its checksum; delete the folder .* snakemake again"):
        open_store(small_store[0])


@pytest.mark.parametrize("name", ["data.bin", "index.npz"])
def test_a_shortened_file_is_seen_even_without_checksums(small_store, name):
    file = small_store[0] / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name} has .* bytes, the manifest says"):
        open_store(small_store[0], verify=False)


def test_missing_files_and_foreign_manifests_are_named(small_store, tmp_path):
    folder, _ = small_store
    with pytest.raises(DataError, match=r"manifest.json is missing: no .complete. store here"):
        open_store(tmp_path / "nowhere")
    manifest = (folder / "manifest.json").read_text()
    for text, message in (
        ("{", "cannot be read as a manifest"),
        ("[]", "cannot be read as a manifest"),
        ("[" * 100_000, "cannot be read as a manifest"),
        (manifest.replace('"format": 3', '"format": 99'), "is of format 99, this version reads format 3"),
        (manifest.replace('"format": 3', '"format": "a\\nb"'), r"is of format 'a\\nb', this version reads"),
    ):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(DataError, match=message):
            open_store(folder)
    (folder / "manifest.json").write_text(manifest)
    (folder / "index.npz").unlink()
    with pytest.raises(DataError, match=r"index.npz is missing"):
        open_store(folder)


def test_no_byte_of_a_manifest_changes_unnoticed(small_store):
    file = small_store[0] / "manifest.json"
    content = file.read_bytes()
    for position in range(len(content)):
        for bit in (1, 32):
            file.write_bytes(content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :])
            with pytest.raises(DataError, match=r"manifest\.json .*run snakemake") as error:
                open_store(small_store[0])
            assert "\n" not in str(error.value)
    file.write_bytes(content + b" ")
    with pytest.raises(DataError, match="does not match its checksum"):
        open_store(small_store[0])


def refit(folder, change=lambda manifest: None):
    """Change the manifest of a store, and make all checksums fit again."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    for name in ("data.bin", "index.npz"):
        file = folder / name
        manifest["files"][name] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
    change(manifest)
    (folder / "manifest.json").write_text(sealed(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(kind="films"),
        lambda m: m.update(kind="images"),
        lambda m: m.update(recordings=11),
        lambda m: m.update(recordings="12"),
        lambda m: m.update(classes=["one"]),
        lambda m: m.update(classes=[]),
        lambda m: m.update(classes={}),
        lambda m: m.update(sensor=None),
        lambda m: m["sensor"].update(height=-5),
        lambda m: m["sensor"].update(width=10**12),
        lambda m: m["sensor"].update(polarities=True),
        lambda m: m["sensor"].pop("width"),
        lambda m: m.update(files=[]),
        lambda m: m["files"].pop("index.npz"),
        lambda m: m["files"].update({"../other": {"bytes": 1, "sha256": "0" * 64}}),
    ],
)
def test_a_wrong_field_of_a_manifest_is_refused_even_where_all_checksums_fit(small_store, change):
    refit(small_store[0])
    open_store(small_store[0])
    refit(small_store[0], change)
    with pytest.raises(DataError, match=r"(manifest\.json|index\.npz) .*run snakemake"):
        open_store(small_store[0])


def index_of(folder):
    with np.load(folder / "index.npz") as index:
        return dict(index)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda i: i | {"labels": i["labels"] + 1}, "labels or splits that do not exist"),
        (lambda i: i | {"labels": i["labels"] - 1}, "labels or splits that do not exist"),
        (lambda i: i | {"split": i["split"] + 3}, "labels or splits that do not exist"),
        (lambda i: i | {"labels": i["labels"].astype(float)}, "arrays of other types"),
        (lambda i: i | {"labels": i["labels"][:-1]}, "does not hold the 12 samples"),
        (lambda i: i | {"names": i["names"].reshape(3, 4)}, "does not hold the 12 samples"),
        (lambda i: i | {"offsets": i["offsets"] + 1}, "does not fit data.bin"),
        (lambda i: i | {"offsets": i["offsets"] * 2}, "does not fit data.bin"),
        (lambda i: i | {"offsets": np.sort(i["offsets"])[::-1].copy()}, "does not fit data.bin"),
        (lambda i: {k: v for k, v in i.items() if k != "offsets"}, "lacks 'offsets'"),
        (lambda i: i | {"names": np.array([{}] * 12, object)}, "cannot be read"),
    ],
)
def test_an_index_that_does_not_fit_is_refused_even_where_all_checksums_fit(small_store, change, fault):
    """Nothing is unpickled either."""
    index = change(index_of(small_store[0]))
    with open(small_store[0] / "index.npz", "wb") as f:
        np.savez(f, **index)
    refit(small_store[0])
    with pytest.raises(DataError, match=rf"index\.npz .*{fault}.*; delete the folder .* run snakemake"):
        open_store(small_store[0])


def test_an_index_cannot_ask_for_more_memory_than_its_file(small_store):
    folder = small_store[0]
    index = index_of(folder) | {"labels": np.zeros(10**7, np.int64)}
    with open(folder / "index.npz", "wb") as f:
        np.savez_compressed(f, **index)
    refit(folder)
    with pytest.raises(DataError, match=r"index\.npz cannot be read"):
        open_store(folder)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(folder / "index.npz", "w") as archive:
        archive.writestr("labels.npy", header.getvalue())
    refit(folder)
    with pytest.raises(DataError, match=r"index\.npz cannot be read"):
        open_store(folder)


def test_events_outside_the_sensor_are_refused_even_where_all_checksums_fit(small_store):
    folder = small_store[0]
    events = np.fromfile(folder / "data.bin", EVENT)
    events["x"][3] = 40_000
    events.tofile(folder / "data.bin")
    refit(folder)
    with pytest.raises(DataError, match=r"data\.bin holds events outside the sensor.*run snakemake"):
        open_store(folder).frames(np.arange(12), 4)


def test_images_come_back_unchanged_with_the_statistics_of_the_training_split(tmp_path):
    reader = random_images(20)
    manifest = write(reader, None, SplitParams(test=4, validation=4), tmp_path / "s")
    opened = open_store(tmp_path / "s")
    assert (opened.kind, opened.shape, len(opened)) == ("images", (3, 4, 5), 20)
    everything = np.stack([image.pixels for image in reader.samples(None)])
    np.testing.assert_array_equal(opened.images(np.arange(20)), everything)
    trained = everything[opened.indices("train")] / 255
    np.testing.assert_allclose(manifest["images"]["mean"], trained.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(manifest["images"]["sd"], trained.std((0, 2, 3)), atol=1e-6)
    assert manifest["picture"] == {"channels": 3, "height": 4, "width": 5}
    assert (tmp_path / "s" / "data.bin").stat().st_size == 20 * 60


def test_a_store_of_images_is_refused_where_events_are_needed(small_store, tmp_path):
    assert open_event_store(small_store[0]).kind == "events"
    write(random_images(12), None, SPLIT, tmp_path / "images")
    with pytest.raises(DataError, match="a store of static images, which have no events; choose a data set of rec"):
        open_event_store(tmp_path / "images")
