"""The embedded data set has the format and the figures of N-MNIST."""

import numpy as np
import pytest

from snn.data.format import check_events
from snn.data.readers import saccades
from snn.data.sensor_model import background, fixed_pattern, sense
from snn.data.store import convert, open_store
from snn.errors import ConfigError


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
    # Threshold k is crossed at intensity exp(-0.25 k) = 1 - 0.9 s, s the share of the way.
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


def test_the_path_is_a_closed_triangle():
    left, top = saccades.path()
    assert len(left) == 1 + saccades.DURATION_US // saccades.STEP_US
    assert (left[0], top[0]) == pytest.approx((left[-1], top[-1]))
    assert (left.max() - left.min(), top.max() - top.min()) == pytest.approx((5.5, 5.0))


def test_a_recording_can_be_made_again_alone():
    params = saccades.Params(samples=20, seed=3)
    everything = list(saccades.recordings(params))
    (again,) = saccades.recordings(params, [7])
    assert again.name == everything[7].name
    np.testing.assert_array_equal(again.events, everything[7].events)
    assert [r.name for r in everything] == [e.name for e in saccades.listing(params)]
    assert len(saccades.listing(params)) == 20
    other = saccades.events(saccades.Params(seed=4), 0)
    assert not np.array_equal(other, everything[0].events)


def test_recordings_look_like_n_mnist_in_numbers():
    """Over 100 digits: about 4,000 events, ON as often as OFF, a good 300 ms, three humps. See docs/saccades.md."""
    events = [r.events for r in saccades.recordings(saccades.Params(samples=100))]
    for e in events:
        check_events(e, saccades.SENSOR, "saccades")
    sizes = np.array([len(e) for e in events])
    assert 3700 < sizes.mean() < 4600
    assert 0.48 < np.concatenate([e["p"] for e in events]).mean() < 0.54
    assert all(290_000 < e["t"][-1] <= saccades.DURATION_US for e in events)
    first = np.concatenate([e[e["t"] < 90_000] for e in events])
    ahead = first["y"][first["p"] == 0].mean() - first["y"][first["p"] == 1].mean()
    assert ahead > 2, "the first saccade goes down, and the leading edge is OFF"
    bins = np.bincount(np.concatenate([e["t"] for e in events]) // 10_000, minlength=31) / len(events)
    real = [17, 66, 152, 246, 295, 301, 238, 107, 30, 23, 32, 49, 107, 196, 249, 254, 233, 129, 50, 38, 55, 30, 21]
    real += [162, 227, 252, 239, 161, 116, 49, 8]
    assert np.corrcoef(bins[:31], real)[0, 1] > 0.95


def test_the_data_set_converts(tmp_path):
    manifest = convert("saccades", {"samples": 100}, {"test": 20, "validation": 0.125}, tmp_path / "s", progress=False)
    opened = open_store(tmp_path / "s")
    assert [len(opened.indices(s)) for s in ("train", "validation", "test")] == [70, 10, 20]
    assert set(manifest["counts"]["test"].values()) == {2}
    assert manifest["provenance"]["params"]["samples"] == 100
    frames = opened.frames(opened.indices("test"), 10)
    assert frames.shape == (20, 10, 2, 34, 34)


def test_an_odd_number_of_samples_is_refused():
    with pytest.raises(ConfigError, match=r"params.samples.*multiple of 10"):
        convert("saccades", {"samples": 25}, {}, "unused")
