"""Mutated network files, checksums refitted or not, and NIR files: refused, or run as the reference does."""

from __future__ import annotations

import random
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from snn.events import _hdf5
from tests.events import mutations

from .runner import Part, Verdict

KINDS = {
    "network": (mutations.network_files, mutations.network_content, ".npz"),
    "nir": (mutations.nir_files, mutations.nir_content, ".nir"),
}


def trial(kind: str, rng: random.Random) -> Verdict:
    files, content, suffix = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        mutation = next(files(content(), rng.getrandbits(62)))
        try:
            return Verdict(mutations.verdict(Path(folder) / f"mutated{suffix}", mutation), mutation.name[:80])
        except Exception as error:
            error.args = (f"{mutation.name[:120]}: {' '.join(map(str, error.args))}",)
            raise


def prepare(kind: str) -> None:
    _hdf5.SECONDS = 5  # some files send the HDF5 library into an endless loop, from which its process is stopped
    KINDS[kind][1]()


PARTS = [
    Part("networks/npz", partial(trial, "network"), share=0.08, prepare=partial(prepare, "network")),
    Part(
        "networks/nir",
        partial(trial, "nir"),
        share=0.01,
        prepare=partial(prepare, "nir"),
        missing=lambda: "" if find_spec("nir") else "package nir is not installed",
    ),
]
