"""`.aedat4` files of iniVation's DV software: packets of events, plain or compressed (LZ4, ZSTD).

Decoded by the package aedat (MIT), an optional dependency. Format:
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from snn.data.format import EVENT
from snn.errors import DataError


def read(file: Path) -> np.ndarray:
    """The `EVENT` records of the file's first stream of events, times as recorded.

    Raises `DataError` where the package is not installed, or the file is no intact recording.
    """
    try:
        import aedat
    except ModuleNotFoundError:
        raise DataError(f"{file}: reading .aedat4 needs the package aedat; install it: pip install aedat") from None
    packets = []
    with _damage_named(file):
        decoder = aedat.Decoder(str(file))
        streams = [number for number, stream in decoder.id_to_stream().items() if stream["type"] == "events"]
        if not streams:
            raise ValueError("no stream of events")
        packets = [packet["events"] for packet in decoder if packet["stream_id"] == min(streams)]
        events = np.empty(sum(map(len, packets)), EVENT)
        end = 0
        for packet in packets:
            begin, end = end, end + len(packet)
            for field, column in zip("txyp", packet.dtype.names, strict=True):  # the fourth is called `on` or `p`
                events[field][begin:end] = packet[column]
    return events


@contextmanager
def _damage_named(file: Path) -> Iterator[None]:
    """Everything that the decoder raises becomes a `DataError`; what it prints meanwhile is dropped.

    For some damage its Rust code panics: a traceback on file descriptor 2, and an exception that is no `Exception`.
    """
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise DataError(
            f"{file}: no intact .aedat4 recording ({' '.join(str(error).split())[:200]}); delete it, or replace it by "
            "an intact copy"
        ) from None
    finally:
        os.dup2(before, 2)
        os.close(nowhere)
        os.close(before)
