"""All that this project uses of tonic: the one module that imports it.

tonic is GPL-3.0-only (this project is MIT), so it is an interchangeable helper here, kept to these two functions.
Known faults of tonic 1.7.0 that the callers work around: `NMNIST` takes a folder with fewer than 10,000 `.bin` files
for absent and downloads; `read_mnist_file` decodes a truncated or foreign file without a word.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError


def read_nmnist(file: Path) -> np.ndarray:
    """The `EVENT` records of one N-MNIST `.bin` file, whose size the caller has checked."""
    from tonic.io import read_mnist_file

    raw = read_mnist_file(file, np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")]))
    events = np.empty(len(raw), EVENT)
    for name in EVENT.names:
        events[name] = raw[name]
    return events


def download_nmnist(folder: Path) -> None:
    """Download and unpack N-MNIST into `folder/NMNIST`; what is already there is not downloaded again."""
    from tonic.datasets import NMNIST

    try:
        for train in (True, False):
            NMNIST(str(folder), train=train)
    except Exception as error:  # whatever network, server and archive can do wrong
        raise DataError(
            f"{folder}: downloading N-MNIST failed ({' '.join(str(error).split())}); try again later, or unpack "
            "Train and Test there yourself and set `download: false`"
        ) from error
