"""Phase convert: raw recordings -> the store of one data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snn.config.blocks import Dataset
from snn.data import conversion
from snn.data.manifest import CONVERTED
from snn.runtime import files


def convert(dataset: Dataset, out: Path) -> dict[str, Any]:
    """Convert the data set of this configuration block into the folder `out`; return the store's manifest.

    The last file written is `converted.json`, with the checksum of the manifest. It is what Snakemake watches: it
    deletes the declared outputs of a rule before it runs it, and a store must outlive a conversion that fails.
    """
    manifest = conversion.convert(dataset.reader, dataset.params, dataset.split, out)
    files.write_json(out / CONVERTED, {"manifest_sha256": manifest["sha256"]})
    return manifest
