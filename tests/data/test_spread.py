"""A part of the samples holds as many of each class as there are."""

import numpy as np

from snn.data.spread import spread


def test_samples_are_spread_over_the_classes():
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert spread(labels, 3).tolist() == [0, 3, 5]
    assert spread(labels, 5).tolist() == [0, 1, 3, 4, 5]
