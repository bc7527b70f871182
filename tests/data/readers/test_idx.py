"""IDX files: read exactly with their split, or refused in one clear line."""

import os
from pathlib import Path

import numpy as np
import pytest

from snn.data.readers import idx
from snn.data.store import open_store
from snn.errors import DataError

from ..image_data import converted, write_idx


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_files_are_read_exactly_with_their_split(tmp_path, end):
    written = write_idx(tmp_path / "raw", end=end)
    manifest = converted("idx", tmp_path / "s", {"limit": {"test": 10}}, folder=tmp_path / "raw")
    opened = open_store(tmp_path / "s")
    assert manifest["picture"] == {"channels": 1, "height": 12, "width": 12}
    assert [len(opened.indices(s)) for s in ("train", "validation", "test")] == [30, 10, 10]
    for i in range(len(opened)):
        split, number = opened.names[i].split("/")
        pixels, labels = written["train" if split == "train" else "t10k"]
        np.testing.assert_array_equal(opened.images([i])[0, 0], pixels[int(number)])
        assert opened.labels[i] == labels[int(number)]


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_images_come_in_the_order_asked_for(tmp_path, end):
    written = write_idx(tmp_path, end=end)  # 40 to train on, then 20 to test
    positions = [59, 3, 40, 2, 2, 41, 0]
    images = list(idx.samples(idx.Params(folder=tmp_path), positions))
    assert [image.name for image in images] == [
        "test/00019", "train/00003", "test/00000", "train/00002", "train/00002", "test/00001", "train/00000",
    ]  # fmt: skip
    for image in images:
        split, number = image.name.split("/")
        pixels, labels = written["train" if split == "train" else "t10k"]
        np.testing.assert_array_equal(image.pixels[0], pixels[int(number)])
        assert image.label == labels[int(number)]


def test_broken_idx_files_are_named_in_one_line(tmp_path):
    raw = tmp_path / "raw"

    def refused(match, **params):
        with pytest.raises(DataError, match=match) as error:
            converted("idx", tmp_path / "s", folder=raw, **params)
        assert "\n" not in str(error.value)

    refused(r"train-images-idx3-ubyte.gz: no such file; put the four IDX files there")
    write_idx(raw)
    labels = raw / "t10k-labels-idx1-ubyte.gz"
    good = labels.read_bytes()
    refused(r"label 3 is 3, but there are 3 classes; name them all in `classes`", classes=["a", "b", "c"])
    labels.write_bytes((raw / "train-labels-idx1-ubyte.gz").read_bytes())
    refused(r"40 labels of 20 images in t10k-images-idx3-ubyte.gz; take both from one data set")
    labels.write_bytes((raw / "t10k-images-idx3-ubyte.gz").read_bytes())
    refused(r"starts with 2051 instead of 2049: no IDX file of labels")
    labels.write_bytes(good[:-12])
    refused(r"t10k-labels-idx1-ubyte.gz: (not an intact .gz file|ends early)")
    labels.write_bytes(b"no archive at all")
    refused(r"not an intact .gz file")
    labels.write_bytes(good)
    write_idx(raw, end="")
    plain = raw / "train-images-idx3-ubyte"
    plain.write_bytes(plain.read_bytes()[:-5])
    refused(
        r"train-images-idx3-ubyte: 5771 bytes do not hold the sizes .40, 12, 12. that its header says; it is truncated"
    )


def test_the_files_are_inputs_of_the_workflow_before_they_are_there():
    assert idx.inputs(idx.Params(folder="x"))[0] == Path("x/train-images-idx3-ubyte.gz")


def test_real_mnist():
    folder = os.environ.get("SNN_MNIST")
    if not folder:
        pytest.skip("real data MNIST: set SNN_MNIST to the folder of its four IDX files")
    params = idx.Params(folder=folder)
    assert [sum(e.split == s for e in idx.listing(params)) for s in ("train", "test")] == [60_000, 10_000]
    first = next(iter(idx.samples(params, [0])))
    assert (first.label, first.pixels.shape, int(first.pixels.sum())) == (5, (1, 28, 28), 27525)
