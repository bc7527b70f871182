"""Splits are stratified, disjoint, and the same wherever the same names come from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.config.validation import validate
from snn.data.format import Entry
from snn.data.params import SplitParams
from snn.data.split import LEFT_OUT, SPLITS, split, version
from snn.errors import ConfigError, DataError

CLASSES = ["a", "b", "c"]


def entries(sizes, official=None):
    return [Entry(c, f"{official}/{c}/{i}", official) for c, size in enumerate(sizes) for i in range(size)]


def counts(listing, code, name):
    labels = np.array([e.label for e in listing])
    return np.bincount(labels[code == SPLITS.index(name)], minlength=len(CLASSES)).tolist()


def test_every_split_is_stratified():
    listing = entries([100, 200, 300])
    code = split(listing, SplitParams(test=60, validation=0.1), CLASSES)
    assert counts(listing, code, "test") == [10, 20, 30]
    assert counts(listing, code, "validation") == [9, 18, 27]
    assert counts(listing, code, "train") == [81, 162, 243]


def test_a_split_without_samples_of_a_class_is_refused():
    with pytest.raises(DataError, match=r"class without samples: .* validation split"):
        split(entries([12, 12, 12]), SplitParams(test=15, validation=0), CLASSES)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(12, 40), min_size=3, max_size=3), st.integers(12, 15), st.integers(10, 12), st.integers(0, 99)
)
def test_numbers_are_met_exactly_and_class_proportions_to_within_one(sizes, test, validation, seed):
    listing = entries(sizes)
    code = split(listing, SplitParams(test=test, validation=validation, seed=seed), CLASSES)
    for name, number in (("test", test), ("validation", validation)):
        got = counts(listing, code, name)
        assert sum(got) == number
        if name == "test":
            assert all(abs(g - number * s / sum(sizes)) < 1 for g, s in zip(got, sizes, strict=True))
    assert len(code) == sum(sizes)


def test_the_order_of_files_does_not_matter_and_the_seed_does():
    listing = entries([30, 30, 30])
    params = SplitParams(test=9, validation=9)
    code = split(listing, params, CLASSES)
    shuffled = np.random.default_rng(0).permutation(len(listing))
    again = split([listing[i] for i in shuffled], params, CLASSES)
    np.testing.assert_array_equal(again, code[shuffled])
    assert version([listing[i] for i in shuffled], again, CLASSES) == version(listing, code, CLASSES)
    other = split(listing, SplitParams(test=9, validation=9, seed=1), CLASSES)
    assert version(listing, other, CLASSES) != version(listing, code, CLASSES)


def test_the_version_is_pinned():
    """The same names must land in the same split on every machine and in every later version of the project."""
    listing = entries([10, 10, 10])
    assert version(listing, split(listing, SplitParams(test=3, validation=3), CLASSES), CLASSES) == "8b961604791ce7f5"


def test_an_official_test_split_is_kept():
    listing = entries([20, 20, 20], "train") + entries([2, 3, 4], "test")
    code = split(listing, SplitParams(validation=0.25, test=40), CLASSES)
    assert counts(listing, code, "test") == [2, 3, 4]
    assert counts(listing, code, "validation") == [5, 5, 5]
    assert {e.split for e, c in zip(listing, code, strict=True) if SPLITS[c] == "validation"} == {"train"}


def test_limits_take_equal_shares_and_nest():
    listing = entries([30, 30, 30])
    members = []
    for limit in (6, 12):
        code = split(listing, SplitParams(test=9, validation=9, limit={"train": limit, "test": 3}), CLASSES)
        assert counts(listing, code, "train") == [limit // 3] * 3
        assert counts(listing, code, "test") == [1, 1, 1]
        assert counts(listing, code, "validation") == [3, 3, 3]
        assert (code == LEFT_OUT).sum() == 90 - limit - 3 - 9
        members.append({e.name for e, c in zip(listing, code, strict=True) if c == 0})
    assert members[0] < members[1]
    full = split(listing, SplitParams(test=9, validation=9), CLASSES)
    assert members[1] < {e.name for e, c in zip(listing, full, strict=True) if c == 0}


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ConfigError, "split.test: this data set has no official test split"),
        ({"test": 100}, ConfigError, "split.test: asks for 100 of 30"),
        ({"test": 3, "validation": 28}, ConfigError, "split.validation: asks for 28 of 27"),
        ({"test": 2}, DataError, "class without samples: c has no recordings in the test split"),
        (
            {"test": 3, "validation": 27},
            DataError,
            "class without samples: a, b, c has no recordings in the train split",
        ),
        ({"test": 3, "limit": {"train": 2}}, ConfigError, "split.limit.train: 2 is less than one for each of 3"),
    ],
)
def test_what_cannot_be_had_names_the_key(params, error, message):
    with pytest.raises(error, match=message):
        split(entries([10, 10, 10]), SplitParams(**params), CLASSES)


@pytest.mark.parametrize("bad", [{"validaton": 3}, {"validation": 1.5}, {"test": -1}, {"limit": {"trian": 3}}])
def test_unknown_keys_and_impossible_values_are_refused(bad):
    with pytest.raises(ConfigError, match="split"):
        validate(SplitParams, bad, "split")
