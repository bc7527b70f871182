"""Prophesee's `.dat`, and `.raw` in the encodings EVT 2.0 and EVT 3.0.

All begin with text lines `% keyword value`, in which the sensor's size may stand. Then, little-endian:

- `.dat`: one byte event type (0 or 12: change detection), one byte event size (8), then events of two uint32: time in
  microseconds, and x (14 bits), y (14), polarity (4) from the lowest bit on.
- EVT 2.0: words of 32 bits, the type in the highest 4: events 0 (OFF) and 1 (ON) with the lowest 6 bits of the time, x
  (11), y (11); 8: the higher 28 bits of the time.
- EVT 3.0: words of 16 bits, the type in the highest 4: 0 sets y (11 bits); 2 is an event at x (11), polarity in bit 11;
  3 sets x and polarity of the vectors 4 (12 events) and 5 (8), a bit each, which move x on; 6 and 8 are the lower and
  the higher 12 bits of the time.

The counters of time go round (every 4.8 hours, 16.8 seconds); it goes on here. Events before the first higher bits of
the time have no time and are left out, as in the manufacturer's software. Triggers and vendor's words are skipped.

Formats: https://docs.prophesee.ai/stable/data/file_formats/dat.html, …/encoding_formats/evt2.html and evt3.html
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from snn.data.format import EVENT, Sensor
from snn.errors import DataError
from snn.kernels.jit import compiled

CHANGE_DETECTION = (0, 12)
EVT2_TYPES = np.isin(np.arange(16), [0x0, 0x1, 0x8, 0xA, 0xE, 0xF])
EVT3_TYPES = np.isin(np.arange(16), [0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0xA, 0xE, 0xF])


def read_dat(file: Path, sensor: Sensor) -> np.ndarray:
    """The `EVENT` records of a `.dat` file; `DataError` where it is damaged or of another sensor."""
    header, content = _parts(file, sensor)
    if not header or len(content) < 2 or content[0] not in CHANGE_DETECTION or content[1] != 8:
        raise _damaged(file, "is no .dat file of change detection events")
    if (len(content) - 2) % 8:
        raise _damaged(file, "holds no whole number of 8-byte events")
    raw = np.frombuffer(content, "<u4", offset=2).reshape(-1, 2)
    events = np.empty(len(raw), EVENT)
    events["t"], events["x"], events["y"] = raw[:, 0], raw[:, 1] & 0x3FFF, raw[:, 1] >> 14 & 0x3FFF
    events["p"] = raw[:, 1] >> 28
    return events


def read_raw(file: Path, sensor: Sensor) -> np.ndarray:
    """The `EVENT` records of a `.raw` file; `DataError` where it is damaged or of another sensor or encoding."""
    header, content = _parts(file, sensor)
    if stated := re.search(r"(?im)^% *evt +([\d.]+)|^% *format +EVT([\d.]+)", header):
        version = (stated[1] or stated[2]).replace(".", "")
    else:
        raise _damaged(file, "does not say in its header which encoding it has (`% evt 3.0`)")
    if version not in ("2", "20", "3", "30"):
        raise DataError(f"{file}: of encoding EVT {version}; only EVT 2.0 and 3.0 are read: save it as one of them")
    decode, types, width = (_evt2, EVT2_TYPES, 4) if version[0] == "2" else (_evt3, EVT3_TYPES, 2)
    if len(content) % width:
        raise _damaged(file, f"holds no whole number of {8 * width}-bit words")
    words = np.frombuffer(content, f"<u{width}")
    kinds = words >> (8 * width - 4)
    if not types[kinds].all():
        k = int(np.argmin(types[kinds]))
        raise _damaged(file, f"holds a word of unknown type {kinds[k]} at position {k}")
    if width == 4:
        room = int(np.count_nonzero(kinds <= 1))
    else:
        vectors = np.where(kinds == 4, words & 0xFFF, np.where(kinds == 5, words & 0xFF, 0)).astype(np.uint16)
        room = int(np.count_nonzero(kinds == 2)) + int(np.bitwise_count(vectors).sum())
    events = np.empty(room, EVENT)
    return events[: decode(words, events)]


@compiled
def _evt2(words: np.ndarray, events: np.ndarray) -> int:
    """Decode into `events`, which has room for all; return their number."""
    n, high, turns = 0, np.int64(-1), np.int64(0)
    for word in words:
        kind = word >> 28
        if kind == 8:
            new = np.int64(word & 0xFFFFFFF)
            if new < high - (1 << 27):
                turns += 1
            high = new
        elif kind <= 1 and high >= 0:
            events[n].t = (turns << 34) + (high << 6) + np.int64(word >> 22 & 0x3F)
            events[n].x, events[n].y, events[n].p = word >> 11 & 0x7FF, word & 0x7FF, kind
            n += 1
    return n


@compiled
def _evt3(words: np.ndarray, events: np.ndarray) -> int:
    """Decode into `events`, which has room for all; return their number."""
    n, high, low, turns = 0, np.int64(-1), np.int64(0), np.int64(0)
    y, base, polarity = np.int64(0), np.int64(0), np.int64(0)
    for word in words:
        kind, value = word >> 12, np.int64(word & 0xFFF)
        if kind == 8:
            if value < high - (1 << 11):
                turns += 1
            high, low = value, np.int64(0)
        elif kind == 6:
            low = value
        elif kind == 0:
            y = value & 0x7FF
        elif kind == 3:
            base, polarity = value & 0x7FF, value >> 11
        elif kind == 2 or kind == 4 or kind == 5:
            first, bits, size = base, value, 12
            if kind == 2:
                first, bits, size = value & 0x7FF, np.int64(1), 1
            elif kind == 5:
                bits, size = value & 0xFF, 8
            for i in range(size):
                if bits >> i & 1 and high >= 0:
                    events[n].t = (turns << 24) + (high << 12) + low
                    events[n].x, events[n].y = first + i, y
                    events[n].p = value >> 11 if kind == 2 else polarity
                    n += 1
            if kind != 2:
                base += size
    return n


def _parts(file: Path, sensor: Sensor) -> tuple[str, bytes]:
    """(the text lines, the content after them); `DataError` where they state another sensor than the one expected."""
    content, at = file.read_bytes(), 0
    while content[at : at + 2] == b"% ":
        end = content.find(b"\n", at)
        if end < 0:
            raise _damaged(file, "ends inside its header")
        last, at = content[at:end], end + 1
        if last.strip() == b"% end":
            break
    header = content[:at].decode("ascii", errors="replace")
    size = re.search(r"(?im)^% *geometry +(?P<w>\d+) *x *(?P<h>\d+)", header)
    for pattern in (r"(?im)^% *{} +(\d+)", r"(?im)^% *format.*\b{} *= *(\d+)"):
        width, height = (re.search(pattern.format(name), header) for name in ("width", "height"))
        if size is None and width and height:
            _expect(file, sensor, width[1], height[1])
    if size is not None:
        _expect(file, sensor, size["w"], size["h"])
    return header, content[at:]


def _expect(file: Path, sensor: Sensor, width: str, height: str) -> None:
    if (width, height) != (str(sensor.width), str(sensor.height)):
        raise DataError(
            f"{file}: recorded with a sensor of {width[:9]}x{height[:9]} pixels, not {sensor.width}x{sensor.height}; "
            "set `width` and `height` to the sensor's, or take the file away"
        )


def _damaged(file: Path, what: str) -> DataError:
    return DataError(f"{file}: {what}; it is truncated, damaged or of another format: replace it by an intact copy")
