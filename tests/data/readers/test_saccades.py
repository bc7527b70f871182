"""The embedded data set has the format and the figures of N-MNIST."""

import numpy as np
import pytest

from snn.data.conversion import convert
from snn.data.format import check_events
from snn.data.readers import saccades
from snn.data.store import open_store
from snn.errors import ConfigError


def test_the_path_is_a_closed_triangle():
    left, top = saccades.path()
    assert len(left) == 1 + saccades.DURATION_US // saccades.STEP_US
    assert (left[0], top[0]) == pytest.approx((left[-1], top[-1]))
    assert (left.max() - left.min(), top.max() - top.min()) == pytest.approx((5.5, 5.0))


def test_a_recording_can_be_made_again_alone():
    params = saccades.Params(samples=20, seed=3)
    everything = list(saccades.samples(params))
    (again,) = saccades.samples(params, [7])
    assert again.name == everything[7].name
    np.testing.assert_array_equal(again.events, everything[7].events)
    assert [r.name for r in everything] == [e.name for e in saccades.listing(params)]
    assert len(saccades.listing(params)) == 20
    other = saccades.events(saccades.Params(seed=4), 0)
    assert not np.array_equal(other, everything[0].events)


def test_recordings_look_like_n_mnist_in_numbers():
    """Over 100 digits: about 4,000 events, ON as often as OFF, a good 300 ms, three humps. See docs/saccades.md."""
    events = [r.events for r in saccades.samples(saccades.Params(samples=100))]
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
