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

COMPRESSIONS = {"NONE": 0, "LZ4": 1, "ZSTD": 3}

INFO = """<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">
<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="compression" type="string">{compression}</attr>
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


def xxh32(content: bytes) -> int:
    """The hash of at most 15 bytes, for an LZ4 frame's header (specification: https://github.com/Cyan4973/xxHash)."""
    prime1, prime2, prime3, prime4, prime5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    mask = (1 << 32) - 1
    h, at = (prime5 + len(content)) & mask, 0

    def turned(value: int, bits: int) -> int:
        return (value << bits | value >> (32 - bits)) & mask

    while at + 4 <= len(content):
        h = (h + int.from_bytes(content[at : at + 4], "little") * prime3) & mask
        h, at = turned(h, 17) * prime4 & mask, at + 4
    for byte in content[at:]:
        h = (h + byte * prime5) & mask
        h = turned(h, 11) * prime1 & mask
    h = (h ^ h >> 15) * prime2 & mask
    h = (h ^ h >> 13) * prime3 & mask
    return h ^ h >> 16


def lz4_frame(content: bytes) -> bytes:
    """An LZ4 frame of one block that is stored as it is."""
    header = bytes([0x60, 0x40])  # version 1, independent blocks of at most 64 KiB
    block = struct.pack("<I", len(content) | 1 << 31) + content
    return struct.pack("<I", 0x184D2204) + header + bytes([xxh32(header) >> 8 & 255]) + block + struct.pack("<I", 0)


def zstd_frame(content: bytes) -> bytes:
    """A ZSTD frame (RFC 8878) of one block that is stored as it is, with the size of its content in four bytes."""
    return struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content)) + struct.pack("<I", len(content) << 3 | 1)[:3] + content


def write(file: Path, events: np.ndarray, packet: int = 100, compression: str = "NONE") -> None:
    """events: an array with fields t, x, y, p."""
    raw = np.zeros(len(events), EVENT)
    for column, field in zip(("t", "x", "y", "on"), "txyp", strict=True):
        raw[column] = events[field]
    text = INFO.format(compression=compression).encode()
    squeeze = {"NONE": bytes, "LZ4": lz4_frame, "ZSTD": zstd_frame}[compression]
    out = b"#!AER-DAT4.0\r\n" + header(text, compression)
    for first in range(0, len(raw), packet):
        part = raw[first : first + packet]
        content = squeeze(flatbuffer(b"EVTS", 0, len(part), part.tobytes(), 8))
        out += struct.pack("<ii", 0, len(content)) + content
    file.write_bytes(out)


def header(text: bytes, compression: str) -> bytes:
    """The size-prefixed buffer `IOHE`: field 0 the compression, field 1 the data table (none), field 2 a text."""
    vtable = struct.pack("<5H", 10, 12, 8, 0, 4)
    table = 8 + len(vtable) + 2
    fields = struct.pack("<i", table - 8) + struct.pack("<I", 8) + struct.pack("<i", COMPRESSIONS[compression])
    body = struct.pack("<I4s", table, b"IOHE") + vtable + b"\0\0" + fields + struct.pack("<I", len(text)) + text + b"\0"
    return struct.pack("<I", len(body)) + body
