"""CIFAR-10: 60,000 colour images of 32x32 pixels in ten classes, from the publisher's binary archive.

Split as published: 50,000 to train on, 10,000 to test on. See `_cifar.py` for the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from snn.data.format import Description, Entry, Image
from snn.data.readers._cifar import Layout, Params

__all__ = ["KIND", "Params", "describe", "inputs", "listing", "samples"]

KIND = "images"
LAYOUT = Layout(
    title="CIFAR-10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    # The publisher states MD5 c32a1d4ab5d03f1284b67883e8d87530; this is the same file.
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    root="cifar-10-batches-bin",
    batches={f"data_batch_{i}.bin": ("train", 10_000) for i in range(1, 6)} | {"test_batch.bin": ("test", 10_000)},
    label_bytes=1,
    label_at=0,
    names="batches.meta.txt",
    classes=10,
)


def describe(params: Params) -> Description:
    return LAYOUT.describe(params)


def listing(params: Params) -> list[Entry]:
    return LAYOUT.listing(params)


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    return LAYOUT.samples(params, positions)


def inputs(params: Params) -> list[Path]:
    return LAYOUT.inputs(params)
