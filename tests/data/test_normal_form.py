"""Recordings on a coarser grid, in the order of time, from their first event on: no event is lost."""

import numpy as np
import pytest

from snn.data.format import Sensor
from snn.data.normal_form import normal, reduced
from snn.errors import DataError

from .event_data import event_array, random_events

SENSOR = Sensor(7, 10)


@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_every_event_stays_one_on_the_coarser_grid(factor):
    events = random_events(np.random.default_rng(0), 500, SENSOR)
    events["t"] += 10**15
    result = normal(events, SENSOR, "a", factor)
    assert len(result) == 500
    assert result["t"].tolist() == [t - int(events["t"][0]) for t in events["t"].tolist()]
    for axis in "xy":
        assert result[axis].tolist() == [c // factor for c in events[axis].tolist()]
    assert result["p"].tolist() == events["p"].tolist()
    coarse = reduced(SENSOR, factor)
    assert (coarse.height, coarse.width) == (-(-7 // factor), -(-10 // factor))
    assert result["x"].max() == coarse.width - 1
    assert events["t"][0] >= 10**15, "the recording that is passed stays as it was"


def test_events_are_sorted_only_where_that_is_asked_for():
    events = event_array([5, 3, 3, 9], [0, 1, 2, 3], [0] * 4, [0] * 4)
    with pytest.raises(DataError, match="a: time goes backwards at event 1"):
        normal(events, SENSOR, "a")
    result = normal(events, SENSOR, "a", sort=True)
    assert result["t"].tolist() == [0, 0, 2, 6]
    assert result["x"].tolist() == [1, 2, 0, 3]


def test_what_is_no_recording_is_refused():
    with pytest.raises(DataError, match="a: holds no events"):
        normal(event_array([], [], [], []), SENSOR, "a")
    with pytest.raises(DataError, match="a: event 0 at x=10"):
        normal(event_array([1], [10], [0], [0]), SENSOR, "a", factor=7)
