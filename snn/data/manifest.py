"""The files of a store, and the checks that they are complete and unchanged.

    data.bin        the EVENT records of all recordings, one recording after the other (raw, little-endian, 13 bytes);
                    or the pixels of all images, uint8 [n, C, H, W]
    index.npz       labels int64 [n], split uint8 [n] (0 train, 1 validation, 2 test), names; of events also
                    offsets int64 [n + 1]
    manifest.json   kind (events or images), sensor or picture, classes, counts, checksums, split version, provenance;
                    written last, so a store that has one is complete

Nothing here is pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snn.errors import DataError
from snn.runtime import files

FORMAT = 2
DATA, INDEX, MANIFEST = "data.bin", "index.npz", "manifest.json"


def read_manifest(folder: Path, verify: bool = True) -> dict[str, Any]:
    """The manifest of the store in `folder`, after checking the sizes of its files; with `verify` their checksums too.

    Raises `DataError` naming the file and the remedy when one is missing, incomplete, changed, or of another version.
    """
    if not (folder / MANIFEST).is_file():
        raise DataError(
            f"{folder / MANIFEST} is missing: no (complete) store here; run snakemake to convert the data set"
        )
    try:
        manifest = files.read_json(folder / MANIFEST)
        version = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise damaged(folder / MANIFEST, "cannot be read as a manifest") from None
    if version != FORMAT:
        raise damaged(folder / MANIFEST, f"is of format {version}, this version reads format {FORMAT}")
    try:
        expected = {
            name: (manifest["files"][name]["bytes"], manifest["files"][name]["sha256"]) for name in (DATA, INDEX)
        }
    except (KeyError, TypeError):
        raise damaged(folder / MANIFEST, "cannot be read as a manifest") from None
    for name, (size, checksum) in expected.items():
        file = folder / name
        if not file.is_file():
            raise damaged(file, "is missing")
        if file.stat().st_size != size:
            raise damaged(file, f"has {file.stat().st_size} bytes, the manifest says {size}")
        if verify and files.sha256(file) != checksum:
            raise damaged(file, "does not match its checksum")
    return manifest


def damaged(file: Path, what: str) -> DataError:
    """The error for a file of a store, with the remedy."""
    return DataError(f"{file} {what}; delete the folder {file.parent} and run snakemake again to convert")
