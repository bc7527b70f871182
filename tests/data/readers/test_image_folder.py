"""Images in class folders: read exactly, upright and with their split, or refused in one clear line."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from snn.data.format import Picture
from snn.data.readers import image_folder
from snn.data.store import open_store
from snn.errors import DataError

from ..image_data import converted, write_folder


def test_a_folder_of_images_by_class_is_read_exactly_with_its_split(tmp_path):
    written = write_folder(tmp_path / "raw")
    manifest = converted("image-folder", tmp_path / "s", folder=tmp_path / "raw")
    opened = open_store(tmp_path / "s")
    assert manifest["classes"] == ["cat", "dog", "owl"]
    assert manifest["title"] == "raw"
    assert all(opened.names[i].startswith("test/") for i in opened.indices("test"))
    for i, name in enumerate(opened.names):
        np.testing.assert_array_equal(opened.images([i])[0], written[name].transpose(2, 0, 1))
        assert name.split("/")[1] == opened.classes[opened.labels[i]]


def test_a_folder_without_a_split_in_grey_and_lossy(tmp_path):
    write_folder(tmp_path / "raw", splits=("",), suffix=".jpg")
    manifest = converted(
        "image-folder", tmp_path / "s", {"test": 3, "validation": 3}, folder=tmp_path / "raw", mode="grey", title="pets"
    )
    assert manifest["title"] == "pets (JPEG: lossy)"
    assert open_store(tmp_path / "s").shape == (1, 7, 9)
    assert [sum(manifest["counts"][s].values()) for s in ("train", "validation", "test")] == [6, 3, 3]


def test_faults_of_an_image_folder_are_named_in_one_line(tmp_path):
    raw = tmp_path / "raw"

    def refused(match):
        with pytest.raises(DataError, match=match):
            converted("image-folder", tmp_path / "s", folder=raw)

    refused("raw: no such folder; set `folder`")
    raw.mkdir()
    refused("0 class folders; it needs a folder for each of two or more classes")
    write_folder(raw)
    file = raw / "train/dog/1.png"
    good = file.read_bytes()
    Pillow.new("RGB", (7, 9)).save(file)
    refused(r"dog/1.png: 7x9 pixels, but .*cat/.*png has 9x7; all images must be of one size")
    file.write_bytes(good[: len(good) // 2])
    refused(r"dog/1.png: cannot be decoded")
    file.write_bytes(b"GIF89a")
    refused(r"dog/1.png: no readable PNG or JPEG")
    file.write_bytes(good)
    for image in (raw / "test/owl").iterdir():
        image.unlink()
    refused(r"class without samples: .*test/owl holds no .jpeg, .jpg or .png")
    (raw / "test/owl").rmdir()
    refused(r"class without samples: .*test/owl holds no")


def saved(file, pixels, **how):
    """A PNG; 16 bits of colour, which Pillow does not write, by hand."""
    if pixels.dtype != np.uint16 or pixels.ndim == 2:
        return Pillow.fromarray(pixels).save(file, **how)
    h, w, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = ((b"IHDR", struct.pack(">2I5B", w, h, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


@pytest.mark.parametrize("mode", ["rgb", "grey"])
def test_what_eight_bits_do_not_hold_is_refused_by_name(tmp_path, mode):
    raw = tmp_path / "raw"
    write_folder(raw)
    file, params = raw / "train/dog/1.png", image_folder.Params(folder=raw, mode=mode)
    half, clear = np.full((7, 9, 4), 128, np.uint8), np.zeros((7, 9), np.uint8)
    for pixels, how, words in (
        (np.full((7, 9), 300, np.uint16), {}, r"16 bits a channel; save it with 8"),
        (np.full((7, 9, 3), 300, np.uint16), {}, r"16 bits a channel; save it with 8"),
        (half, {}, r"transparent pixels; save it without alpha"),
        (half[..., :2], {}, r"transparent pixels; save it without alpha"),
        (clear, {"transparency": 0}, r"transparent pixels; save it without alpha"),
    ):
        saved(file, pixels, **how)
        with pytest.raises(DataError, match=rf"train/dog/1\.png: .*{words}") as error:
            list(image_folder.samples(params))
        assert "\n" not in str(error.value)
    half[..., 3] = 255
    saved(file, half)
    (image,) = (i for i in image_folder.samples(params) if i.name == "train/dog/1.png")
    assert (image.pixels == 128).all(), "an opaque alpha channel says nothing"


def test_an_image_is_turned_upright(tmp_path):
    raw = tmp_path / "raw"
    written = write_folder(raw)
    turned = Pillow.Exif()
    turned[0x0112] = 6  # stored lying on its left side
    for name, pixels in written.items():
        saved(raw / name, np.ascontiguousarray(np.rot90(pixels)), exif=turned)
    params = image_folder.Params(folder=raw)
    assert image_folder.describe(params).geometry == Picture(3, 7, 9)
    for image in image_folder.samples(params):
        np.testing.assert_array_equal(image.pixels, written[image.name].transpose(2, 0, 1))


def test_the_folder_is_an_input_of_the_workflow_before_it_is_there():
    assert image_folder.inputs(image_folder.Params(folder="x")) == [Path("x")]


def test_real_images_by_class(tmp_path):
    folder = os.environ.get("SNN_CIFAR10_JPEG")
    if not folder:
        pytest.skip("real data CIFAR-10 as JPEG: set SNN_CIFAR10_JPEG to the folder with train/ and test/")
    split = {"validation": 100, "limit": {"train": 1000, "test": 200}}
    manifest = converted("image-folder", tmp_path / "s", split, folder=Path(folder))
    assert len(manifest["classes"]) == 10
    assert manifest["title"].endswith("(JPEG: lossy)")
    np.testing.assert_allclose(manifest["images"]["mean"], [0.4914, 0.4822, 0.4465], atol=0.03)
