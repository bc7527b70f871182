"""Mutated raw data of every reader, among them archives: refused in one line, or converted to a store that opens."""

from __future__ import annotations

import importlib.util
import random
from functools import partial

from tests.data import mutations

from .runner import Part, Verdict

OPTIONAL = {".aedat4": "aedat", ".h5": "h5py"}


def trial(layout: str, rng: random.Random) -> Verdict:
    return Verdict(*mutations.trial(layout, rng.getrandbits(62)))


def missing(package: str) -> str:
    return "" if importlib.util.find_spec(package) else f"package {package} is not installed"


def _parts() -> list[Part]:
    parts = [
        Part(f"recordings/{name.replace(' ', '')}", partial(trial, name), share=0.35 / len(mutations.LAYOUTS))
        for name in mutations.LAYOUTS
    ]
    for ending, package in OPTIONAL.items():
        if missing(package):
            parts.append(Part(f"recordings/*{ending}", partial(trial, ""), trials=1, missing=partial(missing, package)))
    return parts


PARTS = _parts()
