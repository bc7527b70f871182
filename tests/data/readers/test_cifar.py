"""CIFAR-10 and CIFAR-100: the binary archive is read exactly, and damage is refused in one clear line."""

import numpy as np
import pytest

from snn.data.readers import cifar10
from snn.data.store import open_store
from snn.errors import DataError

from ..image_data import converted, small_cifar, write_tar


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


def test_the_archive_is_the_publishers():
    assert cifar10.LAYOUT.url.startswith("https://www.cs.toronto.edu/~kriz/")
