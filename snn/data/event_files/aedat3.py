"""`.aedat` files of version 3.1, as those of DVS128 Gesture: polarity events in packets.

After a text header (lines that begin with `#`, the last one `#!END-HEADER`), packets of a 28-byte header and their
events, little-endian. Header: type and source (int16), event size, offset of the time stamp in an event, time stamp
overflow, capacity, number of events, number of valid events (int32). A polarity event (type 1) is 8 bytes: address
(uint32: valid 1 bit, polarity 1, y 15, x 15, from the lowest bit on) and time stamp (int32, microseconds); the overflow
counts 2^31 of them.

Format: https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError

HEADER = struct.Struct("<hhiiiiii")
POLARITY = 1
RAW = np.dtype([("address", "<u4"), ("t", "<i4")])


def read(file: Path) -> np.ndarray:
    """The valid polarity events of a file, `EVENT` records with times as recorded; `DataError` where it is damaged."""
    content = file.read_bytes()
    if not content.startswith(b"#!AER-DAT3"):
        raise _damaged(file, "does not begin with #!AER-DAT3")
    at, packets = _after_text(content), []
    while at < len(content):
        if at + HEADER.size > len(content):
            raise _damaged(file, f"ends inside the header of a packet, at byte {at}")
        kind, _, size, _, overflow, capacity, number, _ = HEADER.unpack_from(content, at)
        begin, at = at + HEADER.size, at + HEADER.size + size * capacity
        if size < 1 or capacity < 0 or overflow < 0 or not 0 <= number <= capacity or at > len(content):
            raise _damaged(file, f"says impossible sizes in the packet at byte {begin - HEADER.size}")
        if kind == POLARITY:
            if size != RAW.itemsize:
                raise _damaged(file, f"has polarity events of {size} bytes at byte {begin}")
            packets.append((np.frombuffer(content, RAW, number, begin), overflow))
    events = np.empty(sum(len(raw) for raw, _ in packets), EVENT)
    valid, end = np.empty(len(events), bool), 0
    for raw, overflow in packets:
        begin, end = end, end + len(raw)
        part, address = events[begin:end], raw["address"]
        part["t"] = raw["t"].astype(np.int64) + (overflow << 31)
        part["x"], part["y"], part["p"] = address >> 17, address >> 2 & 0x7FFF, address >> 1 & 1
        valid[begin:end] = address & 1
    return events if valid.all() else events[valid]


def _after_text(content: bytes) -> int:
    """Where the packets begin."""
    at = 0
    while content[at : at + 1] == b"#":
        end = content.find(b"\n", at)
        line, at = content[at:end], len(content) if end < 0 else end + 1
        if line.startswith(b"#!END-HEADER"):
            break
    return at


def _damaged(file: Path, what: str) -> DataError:
    return DataError(f"{file}: {what}; it is truncated or no AEDAT 3.1 recording: replace it by an intact copy")
