"""Phase convert: raw recordings -> the store of one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snn.config.blocks import Dataset
from snn.data import conversion


def convert(dataset: Dataset, out: Path) -> dict[str, Any]:
    """Convert the data set of this configuration block into the folder `out`; return the store's manifest."""
    return conversion.convert(dataset.reader, dataset.params, dataset.split, out)
