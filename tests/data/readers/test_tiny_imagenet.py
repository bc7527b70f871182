"""Tiny ImageNet in its published layout: pixels exact, grey images in three equal channels, val is the test split."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from snn.data.conversion import convert
from snn.data.readers import tiny_imagenet as reader
from snn.data.store import ImageStore, open_store
from snn.errors import DataError

CLASSES = ["n02124075", "n01443537", "n04067472"]  # as in wnids.txt: in no order


@pytest.fixture
def published(tmp_path):
    root, rng = tmp_path / "raw" / "tiny-imagenet-200", np.random.default_rng(0)
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("".join(f"{name}\n" for name in CLASSES))

    def save(file, grey=False):
        Pillow.fromarray(rng.integers(0, 256, (64, 64) if grey else (64, 64, 3), dtype=np.uint8)).save(file, "JPEG")

    for name in CLASSES:
        (root / "train" / name / "images").mkdir(parents=True)
        (root / "train" / name / f"{name}_boxes.txt").write_text("")
        for i in range(4):
            save(root / "train" / name / "images" / f"{name}_{i}.JPEG", grey=i == 1)
    lines = []
    for i in range(6):
        save(root / "val" / "images" / f"val_{i}.JPEG", grey=i == 3)
        lines.append(f"val_{i}.JPEG\t{CLASSES[i % 3]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    return tmp_path / "raw"


def converted(folder, out):
    return convert("tiny-imagenet", {"folder": str(folder)}, {"validation": 3}, out, progress=False)


@pytest.mark.parametrize("inside", [False, True])
def test_images_are_read_exactly_with_their_labels(published, tmp_path, inside):
    root = published / "tiny-imagenet-200"
    manifest = converted(root if inside else published, tmp_path / "s")
    assert manifest["classes"] == CLASSES
    assert manifest["missing"] == {"train": {"all classes": 99_988}, "test": {"all classes": 9_994}}
    store = open_store(tmp_path / "s")
    assert isinstance(store, ImageStore)
    assert [len(store.indices(s)) for s in ("train", "validation", "test")] == [9, 3, 6]
    for i, name in enumerate(store.names):
        split, *_, file = name.split("/")
        path = root / name.replace(file, f"images/{file}")
        expected = np.asarray(Pillow.open(path).convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(store.images([i])[0], expected)
        expected_class = CLASSES[int(file[4:-5]) % 3] if split == "val" else file.split("_")[0]
        assert store.classes[store.labels[i]] == expected_class


def replaced(file, old, new):
    file.write_text(file.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: (r / "wnids.txt").unlink(), r"wnids.txt: no such file; unpack tiny-imagenet-200.zip there"),
        (lambda r: replaced(r / "wnids.txt", CLASSES[0], "cat"), r"wnids.txt: is no list of WordNet numbers"),
        (lambda r: replaced(r / "wnids.txt", CLASSES[0], CLASSES[1]), r"wnids.txt: is no list of WordNet numbers"),
        (
            lambda r: replaced(r / "val/val_annotations.txt", "val_2", "../2"),
            r"val_annotations.txt: line 3 names no image",
        ),
        (lambda r: replaced(r / "val/val_annotations.txt", "val_2", "val_1"), r"val_annotations.txt: line 3 names no"),
        (lambda r: (r / "val/images/val_0.JPEG").write_bytes(b"GIF"), r"val_0.JPEG: no readable PNG or JPEG"),
        (
            lambda r: Pillow.new("RGB", (64, 63)).save(r / "val/images/val_0.JPEG"),
            r"val_0.JPEG: 64x63 pixels instead of",
        ),
        (lambda r: [f.unlink() for f in (r / "train" / CLASSES[2] / "images").iterdir()], r"class without samples: "),
    ],
)
def test_damage_is_named(published, tmp_path, damage, message):
    damage(published / "tiny-imagenet-200")
    with pytest.raises(DataError, match=message) as error:
        converted(published, tmp_path / "s")
    assert "\n" not in str(error.value)


def test_the_real_data_set(tmp_path):
    folder = os.environ.get("SNN_TINY_IMAGENET")
    if not folder:
        pytest.skip("real data Tiny ImageNet: set SNN_TINY_IMAGENET to the folder that holds it")
    params = reader.Params(folder=Path(folder))
    description = reader.describe(params)
    assert (description.title, len(description.classes)) == ("Tiny ImageNet", 200)
    entries = reader.listing(params)
    assert [sum(e.split == s for e in entries) for s in ("train", "test")] == [100_000, 10_000]
    assert next(reader.samples(params, [0])).pixels.shape == (3, 64, 64)
