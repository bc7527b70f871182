"""Downloads by tonic. No other module imports tonic.

tonic is GPL-3.0-only (this project is MIT), so it is an interchangeable helper here, limited to these functions.
Known faults of tonic 1.7.0 that the callers work around: `NMNIST` takes a folder with fewer than 10,000 `.bin` files
for absent and downloads; `read_mnist_file` decodes truncated and foreign files without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from snn.errors import DataError


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
