"""Phase convert: raw recordings -> the store of one data set."""

from __future__ import annotations

from pathlib import Path

from snn.config.blocks import Dataset
from snn.data import store


def convert(dataset: Dataset, out: Path) -> dict:
    return store.convert(dataset.reader, dataset.params, dataset.split, out)
