"""N-MNIST: 70,000 digits recorded by an event camera in three saccades; complete or partial copies.

The reader takes folders `Train/<digit>/*.bin` and `Test/<digit>/*.bin`, directly in `folder` or in `folder/NMNIST`
(where tonic downloads to). In a partial copy the official split stays as it is, digits that have no folder in either
split are no classes, and the manifest states how many recordings are missing.

The format of a `.bin` file is that of `snn.data.event_files.atis`.

- G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor. Converting static image datasets to spiking neuromorphic datasets
  using saccades. Frontiers in Neuroscience 9:437, 2015. The data are under CC BY-SA 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from snn.data.event_files import atis
from snn.data.format import Description, Entry, Recording, Sensor, check_events
from snn.data.readers._listed import chosen
from snn.errors import DataError

KIND = "events"
SENSOR = Sensor(34, 34)
SPLITS = {"train": "Train", "test": "Test"}
DIGITS = [str(digit) for digit in range(10)]
# Recordings of each digit in the complete data set (those of MNIST).
OFFICIAL = {
    "train": dict(zip(DIGITS, (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), strict=True)),
    "test": dict(zip(DIGITS, (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009), strict=True)),
}


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds `Train` and `Test`, or `NMNIST` with both."""
    download: bool = False
    """Let tonic download the data set into `folder` where it is not there."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


def describe(params: Params) -> Description:
    files = _files(params)
    classes = _classes(files)
    missing = {
        split: {d: n - len(files[split].get(d, ())) for d, n in official.items() if len(files[split].get(d, ())) < n}
        for split, official in OFFICIAL.items()
    }
    missing = {split: numbers for split, numbers in missing.items() if numbers}
    title = "N-MNIST" if len(classes) == len(DIGITS) else f"N-MNIST digits {_span(classes)}"
    return Description(
        title=f"{title} (partial copy)" if missing else title,
        geometry=SENSOR,
        classes=classes,
        citation="Orchard, Jayawant, Cohen & Thakor 2015, CC BY-SA 4.0",
        provenance={"copy": params.provenance} if params.provenance else {},
        missing=missing,
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, entry in _pairs(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    for file, entry in chosen(_pairs(params), positions):
        yield Recording(read(file), entry.label, entry.name, entry.split)


def inputs(params: Params) -> list[Path]:
    if params.download:  # the download happens during the conversion: Snakemake has no file to watch
        return []
    root = _root(params)
    splits = [root / name for name in SPLITS.values()]
    # The folders of the digits too: adding or removing a recording changes only the folder that it lies in.
    return splits + sorted(p for split in splits if split.is_dir() for p in split.iterdir() if p.is_dir())


def read(file: Path) -> np.ndarray:
    """The `EVENT` records of one file; `DataError` where it is no intact N-MNIST recording."""
    events = atis.read(file)
    check_events(events, SENSOR, str(file))
    return events


def _root(params: Params) -> Path:
    """The folder that holds `Train` and `Test`, whether it exists or not."""
    folder = params.folder.expanduser()
    inner = folder / "NMNIST"
    return inner if inner.is_dir() or (params.download and not (folder / "Train").is_dir()) else folder


def _files(params: Params) -> dict[str, dict[str, list[Path]]]:
    """All `.bin` files, sorted: `{split: {digit: files}}`."""
    root = _root(params)
    if params.download and not all((root / name).is_dir() for name in SPLITS.values()):
        from snn.data.tonic_io import download_nmnist

        download_nmnist(params.folder.expanduser())
    files: dict[str, dict[str, list[Path]]] = {}
    for split, name in SPLITS.items():
        if not (root / name).is_dir():
            raise DataError(
                f"{root / name}: no such folder; unpack N-MNIST's {name} folder there, set `folder` to where it is, "
                "or set `download: true`"
            )
        files[split] = {}
        for folder in sorted(p for p in (root / name).iterdir() if not p.name.startswith(".")):
            if folder.name in DIGITS and folder.is_dir():
                files[split][folder.name] = sorted(p for p in folder.glob("*.bin") if not p.name.startswith("."))
            elif stray := next(folder.rglob("*.bin"), None) if folder.is_dir() else folder.suffix == ".bin" and folder:
                raise DataError(
                    f"{stray}: has no label, as it lies in no folder named after its digit (0 to 9); "
                    f"put it into {root / name}/<digit>/, or take it away"
                )
    return files


def _classes(files: dict[str, dict[str, list[Path]]]) -> list[str]:
    """The digits that there are; `DataError` for one that has recordings in one split only."""
    classes = [d for d in DIGITS if any(d in files[split] for split in SPLITS)]
    if not classes:
        raise DataError("N-MNIST: no digit folders (0 to 9) in Train and Test; unpack the recordings there")
    for digit in classes:
        for split, name in SPLITS.items():
            if not files[split].get(digit):
                raise DataError(
                    f"class without samples: {name}/{digit} holds no .bin file; put recordings there, or take the "
                    f"folder {digit} out of Train and Test to leave this class out"
                )
    return classes


def _pairs(params: Params) -> list[tuple[Path, Entry]]:
    files = _files(params)
    classes = _classes(files)
    return [
        (file, Entry(label, f"{SPLITS[split]}/{digit}/{file.name}", split))
        for split in SPLITS
        for label, digit in enumerate(classes)
        for file in files[split][digit]
    ]


def _span(digits: list[str]) -> str:
    """`0-7` for consecutive digits, `0, 3, 7` otherwise."""
    first, last = int(digits[0]), int(digits[-1])
    whole = len(digits) > 2 and last - first + 1 == len(digits)
    return f"{first}-{last}" if whole else ", ".join(digits)
