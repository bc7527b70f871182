"""`.aedat4` files of iniVation's DV software: packets of events, plain or compressed (LZ4, ZSTD).

Decoded by the package aedat (MIT), an optional dependency. Format:
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from snn.data.event_files.isolated import isolated
from snn.data.format import EVENT, FIELDS
from snn.errors import DataError


def read(file: Path) -> np.ndarray:
    """The `EVENT` records of the file's first stream of events, times as recorded.

    Raises `DataError` where the package is not installed, or the file is no intact recording.
    """
    if find_spec("aedat") is None:
        raise DataError(f"{file}: reading .aedat4 needs the package aedat; install it: pip install aedat")
    return isolated(_decode, file, "no intact .aedat4 recording")


def _decode(file: Path) -> np.ndarray:
    import aedat

    decoder = aedat.Decoder(str(file))
    streams = [number for number, stream in decoder.id_to_stream().items() if stream["type"] == "events"]
    if not streams:
        raise ValueError("no stream of events")
    packets = [packet["events"] for packet in decoder if packet["stream_id"] == min(streams)]
    events = np.empty(sum(map(len, packets)), EVENT)
    end = 0
    for packet in packets:
        begin, end = end, end + len(packet)
        for field, column in zip(FIELDS, packet.dtype.names, strict=True):  # the fourth is called `on` or `p`
            events[field][begin:end] = packet[column]
    return events
