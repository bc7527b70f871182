"""The functions of tonic that this project uses. No other module imports tonic.

tonic is GPL-3.0-only (this project is MIT), so it is an interchangeable helper here, limited to these functions.
Known faults of tonic 1.7.0 that the callers work around: `NMNIST` takes a folder with fewer than 10,000 `.bin` files
for absent and downloads; `read_mnist_file` decodes truncated and foreign files without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from snn.data.format import EVENT, FIELDS
from snn.errors import DataError


def read_nmnist(file: Path) -> np.ndarray:
    """The `EVENT` records of one N-MNIST `.bin` file, whose size the caller has checked."""
    from tonic.io import read_mnist_file

    raw = read_mnist_file(file, np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")]))
    events = np.empty(len(raw), EVENT)
    for name in FIELDS:
        events[name] = raw[name]
    return events


def read_aedat4(file: Path) -> np.ndarray:
    """The `EVENT` records of one `.aedat4` file. Tonic decodes it with the package aedat (MIT)."""
    from tonic.io import read_aedat4

    try:
        raw = read_aedat4(str(file))
    except ModuleNotFoundError:
        raise DataError(f"{file}: reading .aedat4 needs the package aedat; install it: pip install aedat") from None
    except Exception as error:  # tonic raises bare ones, and aedat its own
        raise DataError(
            f"{file}: no intact .aedat4 recording ({' '.join(str(error).split())}); delete it, or replace it by an "
            "intact copy"
        ) from None
    events = np.empty(len(raw), EVENT)
    for name, column in zip(FIELDS, raw.dtype.names, strict=True):  # the fourth is called `on` or `p`
        events[name] = raw[column]
    return events


def download_nmnist(folder: Path) -> None:
    """Download and unpack N-MNIST into `folder/NMNIST`; what is already there is not downloaded again."""
    from tonic.datasets import NMNIST

    _downloaded("N-MNIST", folder, lambda: [NMNIST(str(folder), train=train) for train in (True, False)])


def download_cifar10dvs(folder: Path) -> None:
    """Download and unpack CIFAR10-DVS into `folder/CIFAR10DVS`; what is already there is not downloaded again."""
    from tonic.datasets import CIFAR10DVS

    _downloaded("CIFAR10-DVS", folder, lambda: CIFAR10DVS(str(folder)))


def _downloaded(title: str, folder: Path, download: Callable[[], object]) -> None:
    try:
        download()
    except Exception as error:  # of many types: network, server, archive
        raise DataError(
            f"{folder}: downloading {title} failed ({' '.join(str(error).split())}); try again later, or unpack it "
            "there yourself and set `download: false`"
        ) from error
