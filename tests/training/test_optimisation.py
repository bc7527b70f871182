"""The learning rate over the iterations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from snn.config.blocks import Train
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
