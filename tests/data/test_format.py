"""Events that are no recording are refused, with the file's name."""

import pytest

from snn.data.format import EVENT, Sensor, check_events
from snn.errors import DataError

from .event_data import event_array

SENSOR = Sensor(height=4, width=6)


def test_an_event_takes_13_bytes_on_every_machine():
    assert EVENT.itemsize == 13
    assert event_array([1], [2], [3], [1]).tobytes() == bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1])


def test_proper_events_pass():
    check_events(event_array([0, 5, 5], [5, 0, 1], [3, 0, 1], [0, 1, 1]), SENSOR, "a.bin")


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (event_array([], [], [], []), "a.bin: holds no events"),
        (event_array([0, 1], [0, 6], [0, 0], [0, 0]), "a.bin: event 1 at x=6, y=0, p=0 lies outside the 6x4 sensor"),
        (event_array([0], [0], [4], [0]), "y=4"),
        (event_array([0], [0], [0], [2]), "p=2"),
        (event_array([7, 9, 8], [0] * 3, [0] * 3, [0] * 3), "a.bin: time goes backwards at event 2 .from 9 to 8"),
        (event_array([-1], [0], [0], [0]), "a.bin: the first event is at -1"),
    ],
)
def test_improper_events_name_file_fault_and_remedy(events, message):
    with pytest.raises(DataError, match=message) as error:
        check_events(events, SENSOR, "a.bin")
    assert "intact copy" in str(error.value)
    assert "\n" not in str(error.value)
