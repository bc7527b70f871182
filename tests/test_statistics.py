"""The statistics, worked by hand where a hand can, and by simulation where it cannot."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.statistics import TOO_FEW, hierarchical_interval, holm, mean_interval, paired_difference


def test_mean_interval_by_hand():
    interval = mean_interval([1.0, 2.0, 3.0])  # sd 1, se 1/√3, t(2) = 4.3027
    assert interval.mean == 2
    assert interval.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert (interval.n_seeds, interval.note) == (3, "")


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0]])
def test_two_seeds_are_too_few_for_an_interval(values):
    interval = mean_interval(values)
    assert interval.note == TOO_FEW
    assert math.isnan(interval.low)
    assert not interval.excludes(-100)


def test_one_seed_gives_the_binomial_interval_of_the_test_set():
    correct = [[1] * 80 + [0] * 20]  # se = √(0.8·0.2/100) = 0.04, t(99) = 1.984
    interval = hierarchical_interval(correct, resamples=20_000)
    assert interval.note == TOO_FEW
    assert interval.high - interval.mean == pytest.approx(1.984 * 0.04, rel=0.03)


def test_seeds_that_differ_on_every_sample_alike():
    # Seeds 0, 0, 1 on all samples: two of three are drawn, mean* is 0, 1/2, 1 with 4/9, 4/9, 1/9: variance 1/9.
    interval, half = hierarchical_interval([[0] * 50, [0] * 50, [1] * 50], resamples=20_000), 4.302653 / 3
    assert interval.mean == pytest.approx(1 / 3)
    assert (interval.low, interval.high) == (0, 1)  # 1/3 ± 1.43, cut to what an accuracy can be
    difference = paired_difference([[0] * 50, [0] * 50, [1] * 50], np.zeros((3, 50)), resamples=20_000)
    assert difference.low == pytest.approx(1 / 3 - half, rel=0.02)


def test_equal_seeds_leave_the_chance_of_the_test_set():
    correct = np.tile([1] * 300 + [0] * 100, (3, 1))  # se = √(0.75·0.25/400) = 0.02165
    interval = hierarchical_interval(correct, resamples=20_000)
    assert interval.high - interval.mean == pytest.approx(1.966 * 0.02165, rel=0.03)


def test_interval_is_the_same_each_time():
    correct = np.random.default_rng(3).random((3, 200)) < 0.7
    assert hierarchical_interval(correct) == hierarchical_interval(correct)


def test_paired_difference_of_equals_is_nothing():
    a = np.random.default_rng(0).random((3, 100)) < 0.5
    difference = paired_difference(a, a)
    assert (difference.mean, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_paired_difference_by_hand():
    # b is wrong on 40 of 400 samples more, on every seed: d = 0.1, se = √(0.1·0.9/400) = 0.015, t = 6.67.
    a, b = np.ones((3, 400)), np.tile([0] * 40 + [1] * 360, (3, 1))
    difference = paired_difference(a, b, resamples=20_000)
    assert difference.mean == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1 - 1.966 * 0.015, rel=0.02)
    assert difference.p < 1e-8
    assert paired_difference(b, a).mean == -difference.mean


def test_p_is_none_with_too_few_seeds_and_never_below_what_sign_flips_could_show():
    few = paired_difference(np.ones((2, 50)), np.zeros((2, 50)))
    assert (few.p, few.note) == (None, TOO_FEW)
    assert paired_difference(np.ones((3, 1)), np.zeros((3, 1))).p == 1
    assert paired_difference(np.ones((3, 4)), np.zeros((3, 4))).p == 2**-3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.1))
def test_p_and_interval_agree(seed, effect):
    draw = np.random.default_rng(seed)
    a, b = draw.random((3, 60)) < 0.7 + effect, draw.random((3, 60)) < 0.7
    difference = paired_difference(a, b, resamples=500)
    assert difference.excludes(0) == (difference.p < 0.05)


def test_paired_arrays_must_match():
    with pytest.raises(ValueError, match="differ in shape"):
        paired_difference(np.ones((3, 4)), np.ones((3, 5)))
    with pytest.raises(ValueError, match="seeds, samples"):
        hierarchical_interval([1, 0, 1])


def test_holm_by_hand():
    # sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, kept monotone: .04 .06 .06 .06
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([None]) == [None]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_and_keeps_the_order(pvalues):
    adjusted = holm(pvalues)
    assert all(p <= q <= 1 for p, q in zip(pvalues, adjusted, strict=True))
    order = np.argsort(pvalues, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


@pytest.mark.parametrize(("seed_sd", "noise"), [(0.0, 1.0), (0.1, 0.5), (0.3, 0.5)])
def test_coverage(seed_sd, noise):
    """New seeds and new samples each time: the interval of three seeds covers the truth in about 95 of 100 cases."""
    draw = np.random.default_rng(7)

    def sample(seeds, samples):
        difficulty = 1.8 + 2 * draw.standard_normal(samples)
        skill = seed_sd * draw.standard_normal((seeds, 1))
        return draw.logistic(size=(seeds, samples)) * noise < difficulty + skill

    truth = sample(2000, 1000).mean()
    intervals = [hierarchical_interval(sample(3, 300), resamples=300) for _ in range(400)]
    covered = np.mean([i.low <= truth <= i.high for i in intervals])
    assert 0.90 <= covered <= 0.995


def test_false_alarms_of_the_paired_test():
    """Two methods that are equal on average, but each training is lucky or not: p < 0.05 in few cases."""
    draw = np.random.default_rng(11)
    alarms = 0
    for _ in range(300):
        skill = 0.8 + 0.03 * draw.standard_normal((2, 3, 1))
        a, b = draw.random((2, 3, 300)) < skill
        alarms += paired_difference(a, b, resamples=300).p < 0.05
    assert alarms / 300 <= 0.09


def test_an_interval_over_seeds_stays_within_what_the_quantity_can_be():
    unbounded = mean_interval([0.98, 0.99, 1.0])
    assert unbounded.high > 1.0
    bounded = mean_interval([0.98, 0.99, 1.0], bounds=(0.0, 1.0))
    assert (bounded.low, bounded.high) == (unbounded.low, 1.0)
