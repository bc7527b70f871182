"""Writes `.aedat4` files from the format's description, not with the code under test.

`#!AER-DAT4.0`, a header (size-prefixed FlatBuffer `IOHE`: compression, position of the data table, an XML text that
names the streams), then packets: stream (int32), size (int32), and a size-prefixed FlatBuffer `EVTS` with one vector of
16-byte events: time int64 in microseconds, x and y int16, polarity, three bytes of padding.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

EVENT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "u1"), ("rest", "V3")])

INFO = """<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">
<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="compression" type="string">NONE</attr>
<attr key="typeIdentifier" type="string">EVTS</attr>
<node name="info" path="/mainloop/Recorder/outInfo/0/info/"><attr key="sizeX" type="int">128</attr>
<attr key="sizeY" type="int">128</attr></node></node></node></dv>"""


def flatbuffer(identifier: bytes, field: int, count: int, content: bytes, align: int) -> bytes:
    """A size-prefixed buffer whose root table holds one vector (or text) as its field number `field`."""
    slots = [0] * field + [4]
    vtable = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), 8, *slots)
    vtable += b"\0" * (-len(vtable) % 4)
    table = 8 + len(vtable)
    # The vector's elements are aligned as counted from after the size prefix.
    start = table + 8
    start += -(start + 4) % align
    head = struct.pack("<I4s", table, identifier) + vtable + struct.pack("<iI", table - 8, start - (table + 4))
    body = head + b"\0" * (start - len(head)) + struct.pack("<I", count) + content
    return struct.pack("<I", len(body)) + body


def write(file: Path, events: np.ndarray, packet: int = 100) -> None:
    """events: an array with fields t, x, y, p."""
    raw = np.zeros(len(events), EVENT)
    for column, field in zip(("t", "x", "y", "on"), "txyp", strict=True):
        raw[column] = events[field]
    text = INFO.encode()
    out = b"#!AER-DAT4.0\r\n" + flatbuffer(b"IOHE", 2, len(text), text + b"\0", 4)
    for first in range(0, len(raw), packet):
        part = raw[first : first + packet]
        content = flatbuffer(b"EVTS", 0, len(part), part.tobytes(), 8)
        out += struct.pack("<ii", 0, len(content)) + content
    file.write_bytes(out)
