"""DVS128 Gesture: 11 hand and arm gestures of 29 people under three lights, 128x128 pixels, several seconds each.

The reader takes the publisher's files, directly in `folder` or in `folder/DvsGesture`: recordings `user01_led.aedat`
(AEDAT 3.1), their `user01_led_labels.csv`, and the official split in `trials_to_train.txt` and `trials_to_test.txt`,
the names of recordings. A recording holds many gestures, one after the other; each row of its labels (class, start and
end in microseconds) is one sample, with the events from its start on, before its end. A partial copy is accepted, and
the manifest states how many samples it lacks.

- A. Amir et al. A Low Power, Fully Event-Based Gesture Recognition System. CVPR 2017. The data are under CC BY 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from snn.data.event_files import aedat3
from snn.data.format import Description, Entry, Recording, Sensor
from snn.data.normal_form import normal, reduced
from snn.data.readers._listed import chosen, lacking
from snn.errors import DataError

KIND = "events"
SENSOR = Sensor(128, 128)
SPLITS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
OFFICIAL = {"train": 1176, "test": 288}
CLASSES = [
    "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter clockwise",
    "left arm clockwise", "left arm counter clockwise", "arm roll", "air drums", "air guitar", "other gestures",
]  # fmt: skip


class Params(BaseModel):
    """Settings of the reader."""

    model_config = ConfigDict(extra="forbid")

    folder: Path
    """Holds the recordings, or `DvsGesture` with them."""
    reduce: int = Field(1, ge=1, le=64)
    """Pixels are taken together in squares of this side; every event stays one."""
    provenance: str = Field("", max_length=1000)
    """Where this copy came from, if it is not the official one; goes into the manifest."""


def describe(params: Params) -> Description:
    missing = lacking(listing(params), OFFICIAL)
    return Description(
        title="DVS128 Gesture (partial copy)" if missing else "DVS128 Gesture",
        geometry=reduced(SENSOR, params.reduce),
        classes=CLASSES,
        citation="Amir et al. 2017, CC BY 4.0",
        provenance={"copy": params.provenance} if params.provenance else {},
        missing=missing,
    )


def listing(params: Params) -> list[Entry]:
    return [entry for _, _, entry in _gestures(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    recording = lru_cache(maxsize=1)(aedat3.read)  # its gestures follow one another
    for file, (begin, end), entry in chosen(_gestures(params), positions):
        events = recording(file)
        inside = events[(events["t"] >= begin) & (events["t"] < end)]
        yield Recording(
            normal(inside, SENSOR, f"{file} from {begin} to {end}", params.reduce), entry.label, entry.name, entry.split
        )


def inputs(params: Params) -> list[Path]:
    return [_root(params)]


def _root(params: Params) -> Path:
    """The folder that holds the recordings, whether it exists or not."""
    folder = params.folder.expanduser()
    return folder / "DvsGesture" if (folder / "DvsGesture").is_dir() else folder


def _gestures(params: Params) -> list[tuple[Path, tuple[int, int], Entry]]:
    """(recording, (begin, end) in microseconds, entry) of every gesture, by split, recording and time."""
    root, gestures = _root(params), []
    for split, listed in SPLITS.items():
        for name in _trials(root / listed):
            file = root / name
            if not file.is_file():  # of a partial copy
                continue
            for i, (label, begin, end) in enumerate(_labels(file.with_name(f"{file.stem}_labels.csv"))):
                gestures.append((file, (begin, end), Entry(label, f"{file.stem}/{i:02d}", split)))
    if not gestures:
        raise DataError(f"{root}: none of the recordings that are listed there; unpack DvsGesture.tar.gz there again")
    return gestures


def _trials(file: Path) -> list[str]:
    """The names of recordings in one of the two lists."""
    if not file.is_file():
        raise DataError(
            f"{file}: no such file; unpack DvsGesture.tar.gz there, or set `folder` to where its recordings are"
        )
    names = file.read_text(encoding="utf-8", errors="replace").split()
    for name in names:
        if not re.fullmatch(r"[\w-]+\.aedat", name) or names.count(name) > 1:
            raise DataError(f"{file}: lists {name[:80]!r}; it is damaged: unpack DvsGesture.tar.gz again")
    return names


def _labels(file: Path) -> list[tuple[int, int, int]]:
    """(label, begin, end) of the gestures in a recording, label from 0 on, times in microseconds."""
    if not file.is_file():
        raise DataError(f"{file}: no such file; unpack DvsGesture.tar.gz there again")
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines()[1:], 2):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\d{1,2})\s*,\s*(\d{1,15})\s*,\s*(\d{1,15})\s*", line, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= len(CLASSES) or int(match[2]) >= int(match[3]):
            raise DataError(
                f"{file}: line {number} is no class from 1 to 11 with its start and end: unpack DvsGesture.tar.gz again"
            )
        rows.append((int(match[1]) - 1, int(match[2]), int(match[3])))
    return rows
