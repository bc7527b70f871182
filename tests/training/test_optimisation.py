"""The learning rate over the iterations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from snn.config.blocks import Train
from snn.config.validation import validate
from snn.errors import ConfigError
from snn.training.optimisation import lr_factor


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_learning_rate_rises_in_the_warmup_and_then_follows_the_schedule(schedule):
    recipe = Train(schedule=schedule, warmup=0.1)
    factors = [lr_factor(i, 100, recipe) for i in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == 1.0
    assert all(a < b for a, b in pairwise(factors[:11]))
    assert factors[100] == pytest.approx(0.0 if schedule == "cosine" else 1.0)
    assert lr_factor(55, 100, recipe) == pytest.approx(0.5 if schedule == "cosine" else 1.0)


def test_multistep_multiplies_the_rate_after_each_milestone():
    recipe = Train(schedule="multistep", epochs=10, milestones=[2, 5], gamma=0.5)
    factors = [lr_factor(i, 40, recipe) for i in range(40)]  # four iterations an epoch
    assert factors == [1.0] * 8 + [0.5] * 12 + [0.25] * 20
    stretched = [lr_factor(i, 80, recipe) for i in range(80)]  # a method that trains twice as long
    assert stretched == [factor for factor in factors for _ in range(2)]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"schedule": "multistep"}, "multistep needs milestones"),
        ({"milestones": [3, 2]}, "milestones must rise"),
        ({"milestones": [2, 2]}, "milestones must rise"),
        ({"milestones": [0]}, "greater than or equal to 1"),
        ({"gamma": 0.0}, "gamma"),
    ],
)
def test_a_schedule_without_meaning_is_refused(block, words):
    with pytest.raises(ConfigError, match=words):
        validate(Train, block, "train")
