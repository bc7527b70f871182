"""Frames count every event once, in the bin that integer arithmetic says."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.data.binning import frames

from .event_data import event_array

SHAPE = 2, 3, 4


@st.composite
def recordings(draw):
    """One to four recordings, one after the other, with their offsets."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(1, 30))
        span = draw(st.sampled_from([1, 7, 1000, 2**40]))
        t = sorted(draw(st.lists(st.integers(0, span), min_size=n, max_size=n)))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        parts.append(event_array(t, rng.integers(0, 4, n), rng.integers(0, 3, n), rng.integers(0, 2, n)))
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])


def by_definition(events, T):
    """One recording's frames from the formula, one event at a time, in Python's integers."""
    result = np.zeros((T, *SHAPE), np.int64)
    first, last = int(events["t"][0]), int(events["t"][-1])
    for t, x, y, p in events.tolist():
        result[(t - first) * T // (last - first + 1), p, y, x] += 1
    return result


@settings(deadline=None, max_examples=60)
@given(recordings(), st.integers(1, 12))
def test_every_event_is_counted_in_its_bin(data, T):
    events, offsets = data
    got = frames(events, offsets[:-1], offsets[1:], T, SHAPE)
    assert got.dtype == np.uint8
    for i, (begin, end) in enumerate(pairwise(offsets)):
        np.testing.assert_array_equal(got[i], by_definition(events[begin:end], T))
        assert got[i].sum() == end - begin


@settings(deadline=None, max_examples=40)
@given(recordings(), st.integers(1, 8), st.integers(2, 3))
def test_finer_bins_nest_in_coarser_ones(data, T, k):
    events, offsets = data
    coarse = frames(events, offsets[:-1], offsets[1:], T, SHAPE)
    fine = frames(events, offsets[:-1], offsets[1:], k * T, SHAPE)
    np.testing.assert_array_equal(fine.reshape(len(fine), T, k, *SHAPE).sum(2), coarse)


@pytest.mark.parametrize(("n", "dtype"), [(255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")])
def test_counts_widen_instead_of_wrapping(n, dtype):
    two = event_array([0, 1], [0, 0], [0, 0], [0, 0])
    n_events = event_array(np.arange(n), np.ones(n), np.ones(n), np.ones(n))
    events = np.concatenate([two, n_events, two])
    begin, end = np.array([0, 2, 2 + n]), np.array([2, 2 + n, 4 + n])
    got = frames(events, begin, end, 1, SHAPE)
    assert got.dtype == dtype
    assert got[:, 0, 1, 1, 1].tolist() == [0, n, 0]
    assert got.sum() == len(events)


def test_no_recordings_give_no_frames():
    assert frames(event_array([0], [0], [0], [0]), np.zeros(0, int), np.zeros(0, int), 3, SHAPE).shape == (0, 3, *SHAPE)
