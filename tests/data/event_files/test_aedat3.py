"""AEDAT 3.1: decoded as described, as by another decoder, and refused where it is damaged."""

import struct

import numpy as np
import pytest

from snn.data.event_files import aedat3
from snn.data.format import Sensor
from snn.errors import DataError

from ..event_data import event_array, random_events, spikingjelly_utils
from ..event_writers import aedat3 as write

HEADER = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n"


def packet(*fields):
    return HEADER + struct.pack("<hhiiiiii", *fields)


@pytest.mark.parametrize("capacity", [0, 128])
def test_events_are_read_exactly_and_as_by_another_decoder(tmp_path, capacity):
    events = random_events(np.random.default_rng(0), 950, Sensor(128, 128))
    write(tmp_path / "a.aedat", events, capacity=capacity)
    np.testing.assert_array_equal(aedat3.read(tmp_path / "a.aedat"), events)
    if capacity == 0:  # the other one takes the room that is left in a packet for events
        other = spikingjelly_utils().load_aedat_v3(tmp_path / "a.aedat")
        for field in "txyp":
            np.testing.assert_array_equal(other[field], events[field])


def test_the_overflow_counts_and_invalid_events_do_not(tmp_path):
    events = event_array([3 * 2**31 + 5, 3 * 2**31 + 6], [1, 127], [2, 126], [1, 0])
    write(tmp_path / "a.aedat", events)
    np.testing.assert_array_equal(aedat3.read(tmp_path / "a.aedat"), events)
    content = bytearray((tmp_path / "a.aedat").read_bytes())
    content[-16] &= 0xFE
    (tmp_path / "a.aedat").write_bytes(content)
    np.testing.assert_array_equal(aedat3.read(tmp_path / "a.aedat"), events[1:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with"),
        (b"#!AER-DAT2.0\r\n", "does not begin with"),
        (HEADER + b"\0" * 20, "ends inside the header of a packet"),
        (packet(1, 0, 8, 4, 0, 1000, 1000, 0), "impossible sizes in the packet"),
        (packet(1, 0, 8, 4, 0, 2**31 - 1, 2**31 - 1, 0), "impossible sizes in the packet"),
        (packet(1, 0, 8, 4, 0, -5, -5, 0), "impossible sizes in the packet"),
        (packet(1, 0, 0, 4, 0, 5, 5, 0), "impossible sizes in the packet"),
        (packet(1, 0, 8, 4, -1, 0, 0, 0), "impossible sizes in the packet"),
        (packet(1, 0, 12, 4, 0, 0, 0, 0), "polarity events of 12 bytes"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    (tmp_path / "a.aedat").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.aedat: .*{message}.*replace it by an intact copy"):
        aedat3.read(tmp_path / "a.aedat")
