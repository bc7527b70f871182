"""Static images: read exactly or refused in one clear line, stored, and shown to a network at every step."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from image_data import small_cifar, write_folder, write_idx, write_tar
from PIL import Image as Pillow

from snn.data import readers
from snn.data.format import Description, Entry, Image, Picture
from snn.data.frames import Frames
from snn.data.params import SplitParams
from snn.data.readers import cifar10, idx, image_folder
from snn.data.store import convert, open_store, write
from snn.errors import DataError


def converted(reader, out, split=None, **params):
    return convert(reader, {k: str(v) if isinstance(v, Path) else v for k, v in params.items()},
                   {"validation": 0.25} | (split or {}), out, progress=False)  # fmt: skip


def invented(n, shape=(3, 4, 5)):
    """A reader of n random images, made one at a time."""
    entries = [Entry(i % 2, f"i{i}") for i in range(n)]

    def recordings(params, positions=None):
        for i in range(n) if positions is None else positions:
            pixels = np.random.default_rng(int(i)).integers(0, 256, shape, dtype=np.uint8)
            yield Image(pixels, entries[i].label, entries[i].name)

    return SimpleNamespace(
        describe=lambda params: Description("invented", Picture(*shape), ["a", "b"], "nobody"),
        listing=lambda params: entries,
        recordings=recordings,
    )


# --- the store


def test_images_come_back_unchanged_with_the_statistics_of_the_training_split(tmp_path):
    reader = invented(20)
    manifest = write(reader, None, SplitParams(test=4, validation=4), tmp_path / "s")
    opened = open_store(tmp_path / "s")
    assert (opened.kind, opened.shape, len(opened)) == ("images", (3, 4, 5), 20)
    everything = np.stack([image.pixels for image in reader.recordings(None)])
    np.testing.assert_array_equal(opened.images(np.arange(20)), everything)
    trained = everything[opened.indices("train")] / 255
    np.testing.assert_allclose(manifest["images"]["mean"], trained.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(manifest["images"]["sd"], trained.std((0, 2, 3)), atol=1e-6)
    assert manifest["picture"] == {"channels": 3, "height": 4, "width": 5}
    assert (tmp_path / "s" / "data.bin").stat().st_size == 20 * 60


def test_memory_does_not_grow_with_the_images(tmp_path):
    def peak(n):
        tracemalloc.start()
        write(invented(n, (3, 64, 64)), None, SplitParams(test=2, validation=2), tmp_path / str(n))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(8)  # imports
    assert peak(208) < peak(8) + 400_000, "200 more images of 12 kB each may add their index entries, no pixels"


def test_an_image_of_another_size_stops_the_conversion(tmp_path):
    reader = invented(12)
    reader.describe = lambda params: Description("invented", Picture(3, 5, 4), ["a", "b"], "nobody")
    with pytest.raises(DataError, match=r"i0: uint8 3x4x5 instead of uint8 3x5x4 .*one size"):
        write(reader, None, SplitParams(test=2, validation=2), tmp_path / "s")
    assert list((tmp_path / "s").iterdir()) == []


# --- what a network sees


@pytest.fixture
def images(tmp_path):
    write(invented(20), None, SplitParams(test=4, validation=4), tmp_path / "s")
    return open_store(tmp_path / "s")


@pytest.mark.parametrize("in_memory_mb", [100, 0])
def test_an_image_is_normalised_and_the_same_at_every_step_without_a_copy(images, in_memory_mb):
    frames = Frames(images, "train", 6, in_memory_mb)
    x, y = frames.batch(torch.arange(len(frames)))
    assert x.shape == (6, 12, 3, 4, 5)
    assert x.stride(0) == 0, "repeated, not copied"
    np.testing.assert_allclose(x[0].mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x[0].std((0, 2, 3), unbiased=False), 1, atol=1e-5)
    assert y.tolist() == images.labels[images.indices("train")].tolist()
    one = Frames(images, "train", 1, in_memory_mb).batch(torch.arange(12))[0]
    assert torch.equal(one[0], x[5])


def test_an_augmentation_sees_pixels_before_they_are_normalised_and_repeated(images):
    frames = Frames(images, "train", 3, 100)
    seen = []
    x, _ = frames.batch(torch.tensor([2, 0]), lambda x: seen.append(x.clone()) or x * 0)
    expected = images.images(images.indices("train")[[2, 0]])
    np.testing.assert_array_equal(seen[0][0].numpy(), expected)
    assert seen[0].shape[0] == 1
    black = torch.from_numpy(-images.mean / images.sd).view(3, 1, 1).expand(3, 2, 3, 4, 5)
    torch.testing.assert_close(x, black)
    again, _ = frames.batch(torch.tensor([2, 0]), lambda x: x.zero_())
    assert not torch.equal(frames.batch(torch.tensor([2, 0]))[0], again), "the kept pixels are not touched"


def test_a_channel_without_contrast_only_loses_its_mean(tmp_path):
    reader = invented(12)
    inner = reader.recordings

    def flat(params, positions=None):
        for image in inner(params, positions):
            image.pixels[1] = 51
            yield image

    reader.recordings = flat
    write(reader, None, SplitParams(test=2, validation=2), tmp_path / "s")
    x, _ = Frames(open_store(tmp_path / "s"), "test", 1, 100).batch(torch.arange(2))
    assert torch.isfinite(x).all()
    assert x[0, :, 1].abs().max() < 1e-6


# --- IDX


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
    found = list(idx.recordings(idx.Params(folder=tmp_path), positions))
    assert [image.name for image in found] == [
        "test/00019", "train/00003", "test/00000", "train/00002", "train/00002", "test/00001", "train/00000",
    ]  # fmt: skip
    for image in found:
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
    refused(r"train-images-idx3-ubyte: ends early; it is truncated")


# --- a folder for each class


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
    refused(r"class without samples: .*test/owl holds no .png, .jpg or .jpeg")
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
            list(image_folder.recordings(params))
        assert "\n" not in str(error.value)
    half[..., 3] = 255
    saved(file, half)
    (image,) = (i for i in image_folder.recordings(params) if i.name == "train/dog/1.png")
    assert (image.pixels == 128).all(), "an opaque alpha channel says nothing"


def test_an_image_is_turned_upright(tmp_path):
    raw = tmp_path / "raw"
    written = write_folder(raw)
    turned = Pillow.Exif()
    turned[0x0112] = 6  # stored lying on its left side
    for name, pixels in written.items():
        saved(raw / name, np.ascontiguousarray(np.rot90(pixels)), exif=turned)
    params = image_folder.Params(folder=raw)
    assert image_folder.describe(params).sensor == Picture(3, 7, 9)
    for image in image_folder.recordings(params):
        np.testing.assert_array_equal(image.pixels, written[image.name].transpose(2, 0, 1))


# --- CIFAR


@pytest.mark.parametrize(("hundred", "labels"), [(False, None), (True, "fine"), (True, "coarse")])
def test_the_binary_archive_is_read_exactly_with_its_split(monkeypatch, tmp_path, hundred, labels):
    _, contents = small_cifar(monkeypatch, tmp_path / "raw", hundred)
    more = {"labels": labels} if labels else {}
    name = "cifar100" if hundred else "cifar10"
    manifest = converted(name, tmp_path / "s", {"validation": 0.5}, folder=tmp_path / "raw", **more)
    opened = open_store(tmp_path / "s")
    assert manifest["classes"][:2] == (["super0", "super1"] if labels == "coarse" else ["class0", "class1"])
    width, at = (3074, int(labels == "fine")) if hundred else (3073, 0)
    test = {opened.names[i].split("/")[0] for i in opened.indices("test")}
    assert test == {"test.bin" if hundred else "test_batch.bin"}
    for i in range(0, len(opened), 7):
        name, number = opened.names[i].split("/")
        record = np.frombuffer(contents[name], np.uint8).reshape(-1, width)[int(number)]
        np.testing.assert_array_equal(opened.images([i])[0].ravel(), record[width - 3072 :])
        assert opened.labels[i] == record[at]


def test_an_unpacked_archive_is_enough_and_its_faults_are_named(monkeypatch, tmp_path):
    archive, contents = small_cifar(monkeypatch, tmp_path)
    root = tmp_path / "cifar-10-batches-bin"
    params = cifar10.Params(folder=tmp_path)
    assert cifar10.inputs(params) == [archive]
    cifar10.describe(params)
    archive.unlink()
    assert cifar10.inputs(params) == [root]
    assert len(cifar10.listing(params)) == 180
    batch = root / "data_batch_3.bin"
    wrong = bytearray(contents[batch.name])
    wrong[5 * 3073] = 10
    for content, message in (
        (bytes(wrong), r"data_batch_3.bin: record 5 has label 10, but there are 10 classes; the file is damaged"),
        (bytes(wrong[:-1]), r"data_batch_3.bin: 92189 bytes instead of 92190; it is truncated"),
    ):
        batch.write_bytes(content)
        with pytest.raises(DataError, match=message):
            converted("cifar10", tmp_path / "s", folder=tmp_path)
    batch.unlink()
    with pytest.raises(DataError, match=r"data_batch_3.bin: missing; unpack cifar-10-binary.tar.gz in .* again"):
        cifar10.listing(params)
    with pytest.raises(DataError, match=r"no such folder, and no cifar-10-binary.tar.gz beside it; .*download: true"):
        cifar10.listing(cifar10.Params(folder=tmp_path / "elsewhere"))


def test_an_archive_is_checked_before_it_is_unpacked(monkeypatch, tmp_path):
    archive, _ = small_cifar(monkeypatch, tmp_path)
    good = archive.read_bytes()
    archive.write_bytes(good[:-100])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: does not match its checksum; it is truncated"):
        cifar10.listing(cifar10.Params(folder=tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == [archive.name]
    write_tar(archive, {"other/file": b"x"})
    monkeypatch.setattr("snn.runtime.files.sha256", lambda path: cifar10.LAYOUT.sha256)
    with pytest.raises(DataError, match=r"holds no cifar-10-batches-bin/data_batch_1.bin; delete it"):
        cifar10.listing(cifar10.Params(folder=tmp_path))


def test_the_readers_of_images_are_known_without_data():
    kinds = {name: readers.kind(name) for name in readers.names()}
    assert {name for name, kind in kinds.items() if kind == "images"} == {"cifar10", "cifar100", "idx", "image-folder"}
    assert cifar10.LAYOUT.url.startswith("https://www.cs.toronto.edu/~kriz/")
    assert idx.inputs(idx.Params(folder="x"))[0] == Path("x/train-images-idx3-ubyte.gz")
    assert image_folder.inputs(image_folder.Params(folder="x")) == [Path("x")]


# --- real data


def test_real_mnist():
    folder = os.environ.get("SNN_MNIST")
    if not folder:
        pytest.skip("real data MNIST: set SNN_MNIST to the folder of its four IDX files")
    params = idx.Params(folder=folder)
    assert [sum(e.split == s for e in idx.listing(params)) for s in ("train", "test")] == [60_000, 10_000]
    first = next(iter(idx.recordings(params, [0])))
    assert (first.label, first.pixels.shape, int(first.pixels.sum())) == (5, (1, 28, 28), 27525)


def test_real_images_by_class(tmp_path):
    folder = os.environ.get("SNN_CIFAR10_JPEG")
    if not folder:
        pytest.skip("real data CIFAR-10 as JPEG: set SNN_CIFAR10_JPEG to the folder with train/ and test/")
    split = {"validation": 100, "limit": {"train": 1000, "test": 200}}
    manifest = converted("image-folder", tmp_path / "s", split, folder=Path(folder))
    assert len(manifest["classes"]) == 10
    assert manifest["title"].endswith("(JPEG: lossy)")
    np.testing.assert_allclose(manifest["images"]["mean"], [0.4914, 0.4822, 0.4465], atol=0.03)
