"""CIFAR-100: 60,000 colour images of 32x32 pixels in 100 classes (or their 20 superclasses), from the binary archive.

Split as published: 50,000 to train on, 10,000 to test on. See `_cifar.py` for the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from snn.data.format import Description, Entry, Image
from snn.data.readers import _cifar
from snn.data.readers._cifar import Layout

KIND = "images"
FINE = Layout(
    title="CIFAR-100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    # The publisher states MD5 03b5dce01913d631647c71ecec9e9cb8; this is the same file.
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    root="cifar-100-binary",
    batches={"train.bin": ("train", 50_000), "test.bin": ("test", 10_000)},
    label_bytes=2,
    label_at=1,
    names="fine_label_names.txt",
    classes=100,
)
LAYOUTS = {
    "fine": FINE,
    "coarse": replace(
        FINE, title="CIFAR-100 (20 superclasses)", label_at=0, names="coarse_label_names.txt", classes=20
    ),
}


class Params(_cifar.Params):
    """Settings of the reader."""

    labels: Literal["fine", "coarse"] = "fine"
    """100 classes, or the 20 superclasses."""


def describe(params: Params) -> Description:
    return LAYOUTS[params.labels].describe(params)


def listing(params: Params) -> list[Entry]:
    return LAYOUTS[params.labels].listing(params)


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Image]:
    return LAYOUTS[params.labels].samples(params, positions)


def inputs(params: Params) -> list[Path]:
    return LAYOUTS[params.labels].inputs(params)
