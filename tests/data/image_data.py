"""Small data sets of images, written in the formats of their publishers."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from snn.data.conversion import convert
from snn.data.format import Description, Entry, Picture
from snn.data.format import Image as Sample
from snn.data.readers import cifar10, cifar100
from snn.runtime.files import sha256


def write_idx(folder: Path, train: int = 40, test: int = 20, side: int = 12, classes: int = 10, end: str = ".gz"):
    """Four IDX files; image i of a split is of class i % classes, with a bright bar whose place tells the class."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    written = {}
    for prefix, n in (("train", train), ("t10k", test)):
        labels = np.arange(n, dtype=np.uint8) % classes
        pixels = rng.integers(0, 60, (n, side, side), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[:, label % side] = 250
        opened = gzip.open if end else open
        with opened(folder / f"{prefix}-images-idx3-ubyte{end}", "wb") as f:
            f.write(struct.pack(">4i", 2051, n, side, side) + pixels.tobytes())
        with opened(folder / f"{prefix}-labels-idx1-ubyte{end}", "wb") as f:
            f.write(struct.pack(">2i", 2049, n) + labels.tobytes())
        written[prefix] = pixels, labels
    return written


def small_cifar(monkeypatch, folder: Path, hundred: bool = False) -> tuple[Path, dict[str, bytes]]:
    """The publisher's archive with fewer records, in `folder`: (archive, its files). The reader expects just it."""
    layout = cifar100.FINE if hundred else cifar10.LAYOUT
    rng = np.random.default_rng(1)
    batches = {name: (split, 200 if hundred else 30) for name, (split, _) in layout.batches.items()}
    contents = {}
    for name, (_, n) in batches.items():
        records = rng.integers(0, 256, (n, layout.label_bytes + 3072), dtype=np.uint8)
        records[:, 0] = np.arange(n) % (20 if hundred else 10)
        if hundred:
            records[:, 1] = np.arange(n) % 100
        contents[name] = records.tobytes()
    contents[layout.names] = "".join(f"class{i}\n" for i in range(layout.classes)).encode() + b"\n"
    if hundred:
        contents["coarse_label_names.txt"] = "".join(f"super{i}\n" for i in range(20)).encode()
    archive = write_tar(folder / layout.archive, {f"{layout.root}/{name}": c for name, c in contents.items()})
    small = replace(layout, batches=batches, sha256=sha256(archive))
    if hundred:
        coarse = replace(cifar100.LAYOUTS["coarse"], batches=batches, sha256=small.sha256)
        monkeypatch.setattr(cifar100, "LAYOUTS", {"fine": small, "coarse": coarse})
    else:
        monkeypatch.setattr(cifar10, "LAYOUT", small)
    return archive, contents


def write_tar(path: Path, contents: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_folder(root: Path, splits=("train", "test"), per_class: int = 4, size=(9, 7), suffix: str = ".png"):
    """Images in class folders: {name relative to root: uint8 [H, W, 3]}."""
    rng = np.random.default_rng(2)
    written = {}
    for split in splits:
        for name in ("cat", "dog", "owl"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(per_class):
                pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}{suffix}")
                written[(folder / f"{i}{suffix}").relative_to(root).as_posix()] = pixels
    return written


def random_images(n, shape=(3, 4, 5)):
    """A reader of n random images, made one at a time."""
    entries = [Entry(i % 2, f"i{i}") for i in range(n)]

    def samples(params, positions=None):
        for i in range(n) if positions is None else positions:
            pixels = np.random.default_rng(int(i)).integers(0, 256, shape, dtype=np.uint8)
            yield Sample(pixels, entries[i].label, entries[i].name)

    return SimpleNamespace(
        describe=lambda params: Description("random", Picture(*shape), ["a", "b"], "nobody"),
        listing=lambda params: entries,
        samples=samples,
    )


def converted(reader, out, split=None, **params):
    """The manifest of a conversion with a quarter of the training images for validation; split: more of its block."""
    values = {k: str(v) if isinstance(v, Path) else v for k, v in params.items()}
    return convert(reader, values, {"validation": 0.25} | (split or {}), out, progress=False)
