"""The modelled sensor: events where the log intensity changes by a threshold, with its refractory time and noise."""

import numpy as np
import pytest

from snn.data.sensor_model import background, fixed_pattern, sense


def show(image, left, top=None, threshold=0.1, refractory=0.0, tau=0.0, floor=0.1, room=4096):
    """Events `(t, x, y, p)` of an image moved over an 8x8 sensor in steps of 1 ms, in time order."""
    left = np.asarray(left, float)
    top = np.zeros_like(left) if top is None else np.asarray(top, float)
    out = np.empty(room, "i8"), np.empty(room, "u2"), np.empty(room, "u2"), np.empty(room, "u1")
    thresholds, phase = np.full((2, 8, 8), threshold), np.zeros((8, 8))
    n = sense(np.asarray(image, float), left, top, thresholds, phase, floor, 1000.0, tau, refractory, *out)
    order = np.argsort(out[0][:n], kind="stable")
    return [column[:n][order] for column in out]


def test_an_image_at_rest_gives_no_events():
    assert len(show(np.eye(4), np.full(20, 2.0))[0]) == 0


def test_a_pixel_counts_thresholds_of_log_intensity():
    """A dot of ink comes onto a pixel and leaves another: ln(1 / 0.1) / 0.25 = 9.2 thresholds down, and 9.2 up."""
    t, x, _, p = show([[1.0]], np.linspace(3, 4, 101), threshold=0.25)
    assert (p[x == 4] == 0).sum() == 9
    assert (p[x == 3] == 1).sum() == 9
    assert (p[x == 4] == 1).sum() == (p[x == 3] == 0).sum() == 0
    assert set(x) == {3, 4}
    # Threshold k is crossed at intensity exp(-0.25 k) = 1 - 0.9 s, s the fraction of the way.
    expected = (1 - np.exp(-0.25 * np.arange(1, 10))) / 0.9 * 100_000
    np.testing.assert_allclose(t[x == 4], expected, atol=60)


def test_a_pixel_rests_for_its_refractory_time():
    t, x, y, _ = show(np.ones((2, 2)), np.linspace(0, 4, 41), threshold=0.05, refractory=3000)
    pixel = np.int64(y) * 8 + x
    gaps = np.concatenate([np.diff(t[pixel == k]) for k in np.unique(pixel)])
    assert len(gaps) > 10
    assert gaps.min() >= 2999  # stamps are whole microseconds


def test_too_little_room_tells_how_much_is_needed():
    left = np.linspace(0, 4, 41)
    n = len(show(np.ones((2, 2)), left)[0])
    out = np.empty(3, "i8"), np.empty(3, "u2"), np.empty(3, "u2"), np.empty(3, "u1")
    arguments = np.ones((2, 2)), left, np.zeros(41), np.full((2, 8, 8), 0.1), np.zeros((8, 8)), 0.1, 1e3, 0.0, 0.0
    assert sense(*arguments, *out) == -n


def test_background_and_fixed_pattern_have_their_rates():
    rng = np.random.default_rng(0)
    t, x, _, p = background(rng, 10, 20, 30, 1_000_000)
    assert len(t) == pytest.approx(6000, rel=0.05)
    assert (t.max() < 1_000_000, x.max(), p.mean()) == (True, 29, pytest.approx(0.5, abs=0.05))
    pattern = fixed_pattern(rng, 0.3, 0.1, 100, 100)
    assert pattern.mean() == pytest.approx(0.3, rel=0.01)
    assert pattern.std() == pytest.approx(0.03, rel=0.05)
