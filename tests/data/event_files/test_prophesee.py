"""Prophesee's formats: decoded as described, as by another decoder, and refused where they are damaged."""

import numpy as np
import pytest

from snn.data.event_files import prophesee
from snn.data.format import Sensor
from snn.errors import DataError

from ..event_data import event_array, random_events
from ..event_writers import dat, evt2, evt3

SENSOR = Sensor(480, 640)
FORMATS = {"dat": (".dat", dat, prophesee.read_dat), "evt2": (".raw", evt2, prophesee.read_raw),
           "evt3": (".raw", evt3, prophesee.read_raw)}  # fmt: skip


def dense(n, duration):
    """Random events, many of them neighbours of one time."""
    events = random_events(np.random.default_rng(0), n, SENSOR, duration)
    run = event_array([duration] * 30, range(100, 130), [7] * 30, [1] * 30)
    return np.concatenate([events, run[[0, 1, 3, 4, 11, 12, 13, 19]], run[20:], run[:1]])


@pytest.mark.parametrize("name", FORMATS)
def test_events_are_read_exactly(tmp_path, name):
    suffix, write, read = FORMATS[name]
    events = dense(3000, 300_000)
    write(tmp_path / f"a{suffix}", events)
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}", SENSOR), events)


@pytest.mark.parametrize("name", FORMATS)
def test_events_are_read_as_by_another_decoder(tmp_path, name):
    """expelliarmus comes with tonic; it is GPL, and takes any file for intact, so it is an oracle and no more.

    Of EVT 3.0 it loses time where the lower bits go round (version 1.1.12), so there the recording is a short one.
    """
    wizard = pytest.importorskip("expelliarmus").Wizard(encoding=name)
    suffix, write, read = FORMATS[name]
    file, events = tmp_path / f"a{suffix}", dense(3000, 4000 if name == "evt3" else 300_000)
    write(file, events)
    other = wizard.read(file)
    ours = read(file, SENSOR)
    wizard.save(tmp_path / f"b{suffix}", other)
    for field in "txyp":
        np.testing.assert_array_equal(ours[field], other[field])
        np.testing.assert_array_equal(read(tmp_path / f"b{suffix}", SENSOR)[field], events[field])


def test_vectors_and_single_events_are_the_same(tmp_path):
    events = dense(100, 500)
    evt3(tmp_path / "a.raw", events, vectors=False)
    evt3(tmp_path / "b.raw", events)
    assert (tmp_path / "b.raw").stat().st_size < (tmp_path / "a.raw").stat().st_size
    np.testing.assert_array_equal(
        prophesee.read_raw(tmp_path / "a.raw", SENSOR), prophesee.read_raw(tmp_path / "b.raw", SENSOR)
    )


@pytest.mark.parametrize(("write", "turn"), [(evt2, 1 << 34), (evt3, 1 << 24)])
def test_time_goes_on_where_the_counter_goes_round(tmp_path, write, turn):
    times = [turn - 5000, turn - 1, turn, turn + 1, turn + 5000, 2 * turn - 3, 2 * turn + 7]
    events = event_array(times, [1] * 7, [2] * 7, [1] * 7)
    write(tmp_path / "a.raw", events)
    np.testing.assert_array_equal(prophesee.read_raw(tmp_path / "a.raw", SENSOR), events)


def test_events_before_the_first_time_are_left_out(tmp_path):
    (tmp_path / "a.raw").write_bytes(
        b"% evt 3.0\n% end\n" + np.array([0x2001, 0x8001, 0x6002, 0x2801], "<u2").tobytes()
    )
    events = prophesee.read_raw(tmp_path / "a.raw", SENSOR)
    np.testing.assert_array_equal(events, event_array([4098], [1], [0], [1]))


@pytest.mark.parametrize(
    "header",
    ["% evt 2.0\n% geometry 640x480\n% end\n", "% format EVT2;height=480;width=640\n% end\n",
     "% evt 2.0\n% Width 640\n% Height 480\n"],
)  # fmt: skip
def test_the_sensor_in_the_header_must_be_the_one_stated(tmp_path, header):
    events = dense(50, 100)
    evt2(tmp_path / "a.raw", events, header)
    np.testing.assert_array_equal(prophesee.read_raw(tmp_path / "a.raw", SENSOR), events)
    with pytest.raises(
        DataError, match=r"a.raw: recorded with a sensor of 640x480 pixels, not 304x240; set `width` and"
    ):
        prophesee.read_raw(tmp_path / "a.raw", Sensor(240, 304))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not say in its header which encoding it has"),
        (b"% evt 2.1\n% end\n", "of encoding EVT 21; only EVT 2.0 and 3.0 are read"),
        (b"% evt 3.0\n% end\n\0", "no whole number of 16-bit words"),
        (b"% evt 2.0\n% end\n\0\0\0", "no whole number of 32-bit words"),
        (b"% evt 3.0\n% end\n\0\0\0\x90", "a word of unknown type 9 at position 1"),
        (b"% evt 2.0\n% end\n\0\0\0\x20", "a word of unknown type 2 at position 0"),
        (b"% evt 3.0", "ends inside its header"),
    ],
)
def test_damaged_raw_files_are_named(tmp_path, content, message):
    (tmp_path / "a.raw").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.raw: .*{message}"):
        prophesee.read_raw(tmp_path / "a.raw", SENSOR)


@pytest.mark.parametrize(
    "content", [b"", b"\x0c\x08", b"% Version 2\n\x0e\x08", b"% Version 2\n\x0c\x09", b"% V 2\n\x0c\x08ab"]
)
def test_damaged_dat_files_are_named(tmp_path, content):
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.dat: .*(no .dat file of change detection events|no whole number)"):
        prophesee.read_dat(tmp_path / "a.dat", SENSOR)
