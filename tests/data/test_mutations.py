"""Damaged raw data: a small campaign over every reader; larger ones by hand (`mutations.py`)."""

import random

import pytest

from .mutations import LAYOUTS, campaign, mutated, trial


@pytest.mark.parametrize("name", LAYOUTS)
def test_damaged_raw_data_are_refused_in_one_line_or_accepted(name):
    outcomes = campaign(name, range(12))
    assert not outcomes["finding"], outcomes["finding"]
    assert sum(map(len, outcomes.values())) == 12


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_data_are_accepted_before_they_are_damaged(name, monkeypatch):
    monkeypatch.setattr("data.mutations.damage_file", lambda file, rng: None)
    outcomes = campaign(name, range(1))
    assert len(outcomes["accepted"]) == 1, outcomes


def test_the_same_number_gives_the_same_damage(tmp_path):
    assert mutated(bytes(500), random.Random("x")) == mutated(bytes(500), random.Random("x"))
    assert [trial("nmnist", number)[0] for number in range(5)] == [trial("nmnist", number)[0] for number in range(5)]
