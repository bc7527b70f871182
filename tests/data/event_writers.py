"""Writes event files from the descriptions of their formats, not with the code under test.

Events are arrays with fields t, x, y and p.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from . import aedat4
from .event_data import bin_bytes


def dat(file: Path, events: np.ndarray, header: str = "% Data file containing CD events\n% Version 2\n") -> None:
    words = events["x"].astype(np.uint32) | events["y"].astype(np.uint32) << 14 | events["p"].astype(np.uint32) << 28
    body = np.stack([events["t"].astype(np.uint32), words], 1).astype("<u4").tobytes()
    file.write_bytes(header.encode() + bytes([12, 8]) + body)


def evt2(file: Path, events: np.ndarray, header: str = "% evt 2.0\n% end\n") -> None:
    words, high = [], None
    for t, x, y, p in events.tolist():
        if t >> 6 != high:
            high = t >> 6
            words.append(0x8 << 28 | high & 0xFFFFFFF)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    file.write_bytes(header.encode() + np.array(words, "<u4").tobytes())


def evt3(file: Path, events: np.ndarray, header: str = "% format EVT3\n% end\n", vectors: bool = True) -> None:
    """vectors: neighbours of one time, row and polarity are written as vectors of 12 and 8."""
    words, now, row, i = [], None, None, 0
    rows = events.tolist()
    while i < len(rows):
        t, x, y, p = rows[i]
        if t != now:
            if now is None or t >> 12 != now >> 12:
                words.append(0x8000 | t >> 12 & 0xFFF)
            words.append(0x6000 | t & 0xFFF)
            now = t
        if y != row:
            words.append(y)
            row = y
        run = i + 1
        while run < len(rows) and rows[run] == (t, rows[run][1], y, p) and x < rows[run][1] < x + 20:
            if rows[run][1] <= rows[run - 1][1]:
                break
            run += 1
        if vectors and run > i + 1:
            bits = sum(1 << rows[k][1] - x for k in range(i, run))
            words += [0x3000 | p << 11 | x, 0x4000 | bits & 0xFFF, 0x5000 | bits >> 12]
            i = run
        else:
            words.append(0x2000 | p << 11 | x)
            i += 1
    file.write_bytes(header.encode() + np.array(words, "<u2").tobytes())


def aedat3(file: Path, events: np.ndarray, packet: int = 100, capacity: int = 0) -> None:
    """capacity: of each packet, at least the number of its events."""
    out = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    out += struct.pack("<hhiiiiii", 0, 1, 4, 0, 0, 1, 1, 1) + b"abcd"  # a packet of another type
    for first in range(0, len(events), packet):
        part = events[first : first + packet]
        overflow = int(part["t"][0]) >> 31
        inside = part[(part["t"] >> 31) == overflow]
        assert len(inside) == len(part), "one overflow for each packet"
        address = 1 | part["p"].astype(np.uint32) << 1 | part["y"].astype(np.uint32) << 2
        address |= part["x"].astype(np.uint32) << 17
        body = np.stack([address, (part["t"] & 0x7FFFFFFF).astype(np.uint32)], 1).astype("<u4").tobytes()
        room = max(capacity, len(part))
        out += struct.pack("<hhiiiiii", 1, 1, 8, 4, overflow, room, len(part), len(part))
        out += body + bytes(8 * (room - len(part)))
    file.write_bytes(out)


def csv(file: Path, events: np.ndarray, order: str = "txyp", names: str = "t,x,y,p", separator: str = ",") -> None:
    lines = [names.replace(",", separator)] if names else []
    lines += [separator.join(str(int(e[field])) for field in order) for e in events]
    file.write_text("\n".join(lines) + "\n")


def npy(file: Path, events: np.ndarray) -> None:
    np.save(file, events)


def npz(file: Path, events: np.ndarray) -> None:
    np.savez_compressed(file, **{field: events[field] for field in "txyp"})


def h5(file: Path, events: np.ndarray) -> None:
    import h5py

    with h5py.File(file, "w") as f:
        for field in "txyp":
            f.create_dataset(f"events/{field}", data=events[field], compression="gzip")


def atis(file: Path, events: np.ndarray) -> None:
    file.write_bytes(bin_bytes(events))


WRITERS = {".bin": atis, ".dat": dat, ".npy": npy, ".npz": npz, ".csv": csv, ".h5": h5, ".aedat": aedat3,
           ".aedat4": aedat4.write, " evt2.raw": evt2, " evt3.raw": evt3}  # fmt: skip
"""How a file's name ends -> its writer."""
