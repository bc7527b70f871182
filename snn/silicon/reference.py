"""The published network, what the chip counted, and the published numbers.

From the repository of the NIR paper (J. E. Pedersen, S. Abreu, M. Jobst et al. Neuromorphic intermediate
representation: a unified instruction set for interoperable brain-inspired computing. Nature Communications 15:8122,
2024), folder `paper/02_cnn` at `COMMIT`, BSD-3. The files are not part of this project: they are read from a folder, or
fetched and checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from snn.events import EventNetwork, from_nir
from snn.runtime.fetch import checked_file

COMMIT = "7232ada6d30e1beea78b180a5135b1a3bb3d3bc0"
URL = f"https://raw.githubusercontent.com/neuromorphs/NIR/{COMMIT}/paper/02_cnn/"
FOLDER = "nir_nmnist"
NETWORK, ACTIVITY = "cnn_sinabs.nir", "speck_activity.npy"
SHA256 = {
    NETWORK: "e2fa55bda7aab5a772485e1b690358bcb825b303eca7dc426e3973937fcb5bcb",
    ACTIVITY: "1a4a05e81857df6031c418990c0fbe82563b9e06aeda65617c124d7a1e4af2af",
}
FIRST = ("00004", "00003", "00002", "00019", "00005", "00009", "00012", "00001", "00062", "00008")
RECORDINGS = tuple(f"Test/{digit}/{number}.bin" for digit, number in enumerate(FIRST))
"""The ten recordings that the chip was given: the first of each digit in N-MNIST's test split."""

BOUND = -1.0
"""The chip's lower bound, in units of the network's weights: sinabs gives IF nodes of NIR `min_v_mem = -v_threshold`
(sinabs/nir.py), and the authors' script hands that to the chip (`paper/02_cnn/speck_activity.py`)."""


class Platform(NamedTuple):
    """What the authors published of one platform."""

    accuracy: float
    """On the 10,000 recordings of N-MNIST's test split (`<platform>_accuracy.npy`)."""
    cosine: float | None
    """Of the first layer's activity, averaged over time, with the chip's (`cnn_plots.ipynb`)."""


CHIP = Platform(0.9540, None)
SIMULATORS = {
    "Lava": Platform(0.981507, 0.830536),
    "Nengo": Platform(0.9811, 0.830536),
    "Norse": Platform(0.9811, 0.830536),
    "SpiNNaker 2": Platform(0.9820, 0.829756),
    "Sinabs": Platform(0.9847, 0.761078),
    "snnTorch": Platform(0.978540, 0.971020),
    "Spyx": Platform(0.971222, 0.838839),
}


class Reference(NamedTuple):
    """network: with the soft reset of the tool that wrote it and no lower bound; counts: the chip's spikes of the first
    layer, int64 [10 recordings, 16 channels, 16 rows, 16 columns]."""

    network: EventNetwork
    counts: np.ndarray


def files(folder: Path) -> dict[str, Path]:
    """The two files by name: from `folder`, or fetched into it. DataError where they are not the published ones."""
    return {name: checked_file(folder / name, sha256, URL + name) for name, sha256 in SHA256.items()}


def read(folder: Path) -> Reference:
    """The reference from the files in `folder`, which are fetched where they are not there."""
    paths = files(folder)
    network = from_nir(paths[NETWORK], reset="soft")
    counts = np.load(paths[ACTIVITY], allow_pickle=False)[0]
    return Reference(network, counts.astype(np.int64))
